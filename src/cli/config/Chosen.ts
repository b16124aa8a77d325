/** What a run goes by: its configuration, and the database that it is about. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Record from "effect/Record"
import * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import { Output } from "../output/Output.ts"
import { visibleLine } from "../output/Text.ts"
import { choose, type Choice, nameVariable, urlVariable } from "./Choice.ts"
import { ConfigFile, type Loaded, type Told } from "./ConfigFile.ts"
import { type ConfigurationInvalid, invalid } from "./ConfigurationInvalid.ts"
import { ConfigFlag, DatabaseFlag, DatabaseUrlFlag, NamedBy } from "./DatabaseFlags.ts"
import { secret, variable } from "./Environment.ts"

/** The configuration file, unless the command line does without it. */
export const loaded = Effect.gen(function* () {
  const { read } = yield* ConfigFile
  return (yield* ConfigFlag) ? yield* read : undefined
})

/** Where the databases are, and that one must stay as it is; nothing of what shall be done with them. */
const addresses = ({ configuration, file }: Loaded): Loaded => ({
  file,
  configuration: {
    databases: Record.map(configuration.databases ?? {}, ({ protected: kept, url, urlFrom }) => ({
      ...(url === undefined ? {} : { url }),
      ...(urlFrom === undefined ? {} : { urlFrom }),
      ...(kept === undefined ? {} : { protected: kept })
    }))
  }
})

const unset = (name: string, source: string, how: string): ConfigurationInvalid =>
  invalid(
    `The database ${name} takes its URL from the variable ${source}, which ${how}.`,
    `Set ${source} in the environment or in .env, or pass --database-url.`
  )

/** The database that is meant. Fails where none of the file has the name that is given. */
export const chosen = Effect.gen(function* () {
  const flag = Option.getOrUndefined(yield* DatabaseFlag)
  const url = Option.isSome(yield* DatabaseUrlFlag)
  const named = yield* variable(nameVariable)
  const { read } = yield* ConfigFile
  const byName = flag !== undefined || (named !== undefined && !url)
  const whole = yield* loaded
  const file = byName && whole === undefined ? yield* Effect.map(read, (it) => it && addresses(it)) : whole
  // Where it cannot be read it may be there: then the one that needs it says so.
  const databaseUrl = yield* Effect.match(secret(urlVariable), {
    onFailure: () => true,
    onSuccess: (value) => value !== undefined
  })
  const asked = { url, name: flag, flag: yield* NamedBy, variable: named, databaseUrl }
  const choice: Choice = yield* Effect.fromResult(choose(asked, file))
  const choosing: Choosing = { choice, file }
  return choosing
})

/** What was chosen, and the file that counted. */
export interface Choosing {
  readonly choice: Choice
  readonly file: Loaded | undefined
}

/** The connection string of the choice; none where `DATABASE_URL` or libpq's variables have the word. */
export const urlOf = Effect.fnUntraced(function* ({ named, why }: Choice) {
  if (why === "--database-url") return yield* DatabaseUrlFlag
  if (named === undefined || why === urlVariable) return Option.none<Redacted.Redacted>()
  const { name, database } = named
  if (database.url !== undefined) return Option.some(Redacted.make(database.url, { label: "database URL" }))
  const source = database.urlFrom ?? ""
  const url = yield* Effect.mapError(secret(source), () =>
    unset(name, source, "is not in the environment, and .env in this folder cannot be read")
  )
  return url === undefined ? yield* unset(name, source, "is not set") : Option.some(url)
})

/** Tells, once in a run, what was taken from elsewhere than the command line; the document lists it. */
export const tell = Effect.fnUntraced(function* (told: Told) {
  const config = yield* ConfigFile
  const before = yield* Ref.getAndUpdate(config.told, (all) =>
    all.some(({ setting }) => setting === told.setting) ? all : [...all, told]
  )
  if (before.some(({ setting }) => setting === told.setting)) return
  const output = yield* Output
  yield* output.info(visibleLine(`note  ${told.setting}: ${told.value} (${told.from})`))
})

/** How it was decided, in words. */
export const because = ({ passedOver, why }: Choice, file: Loaded | undefined): string => {
  const decided =
    why === "default"
      ? `the default of ${file?.file}`
      : why === "only"
        ? `the only one of ${file?.file}`
        : why === "libpq"
          ? "the variables of libpq"
          : why
  return passedOver === undefined || why === "--database" || why === "--database-url"
    ? decided
    : `${decided}; not ${passedOver}, the default of ${file?.file}`
}

export type Needs = Effect.Services<typeof chosen>
