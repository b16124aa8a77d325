/**
 * The configuration file of the working directory: `pgark.config.json`, or the key `pgark` of `package.json`.
 *
 * No folder above is searched. `.env` and `dumps/` are those of the working directory, too; a file further up would
 * choose a database and a folder out of sight, and in a folder that others may write (`/tmp`) anybody could put one there.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Ref from "effect/Ref"
import type { Configuration } from "./Configuration.ts"
import { type ConfigurationInvalid, invalid } from "./ConfigurationInvalid.ts"

export const fileName = "pgark.config.json"
export const packageFile = "package.json"
/** In {@link packageFile}. */
export const packageKey = "pgark"

/** A configuration, and where it stands, in words. */
export interface Loaded {
  readonly file: string
  readonly configuration: Configuration
}

/** Something that a run took from elsewhere than its command line. */
export interface Told {
  /** The flag that would have said it. */
  readonly setting: string
  readonly value: string
  /** `PGARK_DIR`, `dir in pgark.config.json`. */
  readonly from: string
}

export interface ConfigFileService {
  /** The file, where there is one. Read when it is first asked for: no other command minds that it is broken. */
  readonly read: Effect.Effect<Loaded | undefined, ConfigurationInvalid>
  /** What was taken from it and from the environment so far. */
  readonly told: Ref.Ref<ReadonlyArray<Told>>
}

/** The configuration of a run. */
export class ConfigFile extends Context.Service<ConfigFile, ConfigFileService>()("pgark/cli/ConfigFile") {}

/** No file: for whoever only asks commands about themselves. */
export const none: ConfigFileService = { read: Effect.undefined, told: Ref.makeUnsafe<ReadonlyArray<Told>>([]) }

/** What was taken from elsewhere than the command line, of these settings or of all. */
export const told = Effect.fnUntraced(function* (...settings: ReadonlyArray<string>) {
  const all = yield* Effect.flatMap(ConfigFile, ({ told }) => Ref.get(told))
  return settings.length === 0 ? all : all.filter(({ setting }) => settings.includes(setting))
})

const unreadable = (file: string, detail: string): ConfigurationInvalid =>
  invalid(`${file} cannot be read, and may say what is to be done.`, "Let this user read it, or add --no-config.", {
    file,
    detail
  })

/** A link to a file that is gone says that there should be one. */
const linked = (file: string) => Effect.flatMap(FileSystem.FileSystem, (fs) => Effect.isSuccess(fs.readLink(file)))

/** The text; undefined where there is no such file. Of a pipe or a device the end may never come. */
const text = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* Effect.gen(function* () {
    const { type } = yield* fs.stat(file)
    if (type !== "File") return yield* unreadable(file, `It is no file, but of the kind ${type}.`)
    const written: string | undefined = yield* fs.readFileString(file)
    return written
  }).pipe(
    Effect.catchReason("PlatformError", "NotFound", () =>
      Effect.flatMap(linked(file), (link) =>
        link ? Effect.fail(unreadable(file, "It is a link to a file that is not there.")) : Effect.undefined
      )
    ),
    Effect.catchTag("PlatformError", ({ message }) => Effect.fail(unreadable(file, message)))
  )
})

/** What stands under the key of a package.json; a text without the word cannot have it, whatever else is wrong. */
const inPackage = Effect.fnUntraced(function* (written: string | undefined) {
  if (written === undefined || !written.includes(`"${packageKey}"`)) return undefined
  const { json } = yield* Effect.promise(() => import("./Decoding.ts"))
  const content = yield* json(written, packageFile)
  return Predicate.isObject(content) && packageKey in content ? { value: content[packageKey] } : undefined
})

/** Which of the two files there are, read and not yet understood. */
export const found = Effect.gen(function* () {
  const own = yield* text(fileName)
  const packaged = yield* inPackage(yield* text(packageFile))
  return { own, packaged }
})

const load = Effect.gen(function* () {
  const { own, packaged } = yield* found
  if (own !== undefined && packaged !== undefined) {
    return yield* invalid(
      `There are two configurations: ${fileName}, and the key ${packageKey} of ${packageFile}.`,
      "Keep one of them.",
      { file: fileName }
    )
  }
  if (own === undefined && packaged === undefined) return undefined
  const { decode, json } = yield* Effect.promise(() => import("./Decoding.ts"))
  const file = packaged === undefined ? fileName : `${packageFile} (${packageKey})`
  // What stands for bytes that are none of UTF-8: names would be others than those that were written.
  if (own?.includes("\uFFFD") === true) {
    return yield* invalid(`${fileName} is not UTF-8.`, "Save it as UTF-8.", { file: fileName })
  }
  const raw = packaged === undefined ? yield* json(own ?? "", fileName) : packaged.value
  const loaded: Loaded = { file, configuration: yield* decode(raw, file) }
  return loaded
})

/** That of the working directory. */
export const layer = Layer.effect(
  ConfigFile,
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    return {
      read: yield* Effect.cached(Effect.provideService(load, FileSystem.FileSystem, fs)),
      told: yield* Ref.make<ReadonlyArray<Told>>([])
    }
  })
)
