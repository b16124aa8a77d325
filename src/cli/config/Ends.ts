/** The two databases of a command that goes from one to the other. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { invalid } from "./ConfigurationInvalid.ts"
import { DatabaseFlag, DatabaseUrlFlag, NamedBy } from "./DatabaseFlags.ts"

/** What cannot be read as any form of connection string, and may be a name. */
const name = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/u

/**
 * Whatever is asked for a database, or for its settings in the configuration file, is answered of this one: a URL, or a
 * name of that file.
 *
 * @param flag that gives it, with its dashes
 */
export const at =
  (flag: string, given: Redacted.Redacted) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) => {
    const named = name.test(Redacted.value(given))
    return effect.pipe(
      Effect.provideService(DatabaseFlag, named ? Option.some(Redacted.value(given)) : Option.none()),
      Effect.provideService(DatabaseUrlFlag, named ? Option.none() : Option.some(given)),
      Effect.provideService(NamedBy, flag)
    )
  }

/** Fails where a third database is named, by a flag that would say nothing here. */
export const alone = Effect.gen(function* () {
  const flag = Option.isSome(yield* DatabaseUrlFlag)
    ? "--database-url"
    : Option.isSome(yield* DatabaseFlag)
      ? "--database"
      : undefined
  if (flag === undefined) return
  return yield* invalid(
    `${flag} names a third database: this command has --from and --to.`,
    "Leave it away, and say by --to which database is to be changed."
  )
})
