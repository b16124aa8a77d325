/** What doctor tells of the configuration: which file counts, which database was chosen and why, what else it says. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { plural } from "../../pipeline/Words.ts"
import { about, type Check, everything } from "../../verbs/doctor/Check.ts"
import { because, chosen, loaded } from "./Chosen.ts"
import { ConfigFile, told } from "./ConfigFile.ts"
import type { Setting } from "./Setting.ts"

const what = about("url", "config", "config")

/** The configuration, as if there were no file where it is broken; and that it is, as a problem. */
export const usable = Effect.gen(function* () {
  const config = yield* ConfigFile
  const read = yield* Effect.result(config.read)
  const problems: ReadonlyArray<Check> = Result.isFailure(read) ? [what.failure(read.failure, everything)] : []
  const service: ConfigFile["Service"] = problems.length === 0 ? config : { ...config, read: Effect.undefined }
  return { config: service, problems }
})

/** The value of a setting: the default where it is one that it cannot have, and that as a problem, told once. */
export const orDefault = <A>({ chosen }: Setting<A>, otherwise: A, problems: Array<Check>) =>
  Effect.match(chosen, {
    onSuccess: ({ value }) => value,
    onFailure: (failure) => {
      if (problems.every(({ found }) => found !== failure.message)) problems.push(what.failure(failure, everything))
      return otherwise
    }
  })

/** The file, what it names, the choice and its reason, and what else was taken from file and environment. */
export const found = Effect.gen(function* () {
  const file = yield* loaded
  // Where no choice is possible that is told of the URL.
  const choosing = yield* Effect.option(chosen)
  const said = choosing._tag === "None" ? [] : [choosing.value]
  const reason = said.map(({ choice, file }) => {
    const { named } = choice
    return `; the database is ${named === undefined ? "that of " : `${named.name}: `}${because(choice, file)}`
  })
  const databases = Object.entries(file?.configuration.databases ?? {}).map(
    ([name, { protected: kept }]) => `${name}${kept === true ? " (protected)" : ""}`
  )
  const head =
    file === undefined
      ? "none"
      : databases.length === 0
        ? file.file
        : `${file.file} with ${plural(databases.length, "database")}, ${databases.join(", ")}`
  const taken = (yield* told()).filter(({ setting }) => setting !== "database")
  const check = what.ok(`${head}${reason.join("")}`)
  return taken.length === 0
    ? check
    : { ...check, detail: taken.map(({ from, setting, value }) => `${setting}: ${value} (${from})`) }
})
