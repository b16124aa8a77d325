/** A variable of the environment, or of `.env`. */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"

/** Its value; none where it is not set, set to nothing, or where `.env` cannot be read: it matters to a URL alone. */
export const variable = (name: string): Effect.Effect<string | undefined> =>
  Config.option(Config.String(name)).pipe(
    Effect.orElseSucceed(() => Option.none<string>()),
    Effect.map((value) => (Option.isSome(value) && value.value !== "" ? value.value : undefined))
  )

/** The same of one that holds a secret. Fails where it may stand in a `.env` that cannot be read. */
export const secret = (name: string): Effect.Effect<Redacted.Redacted | undefined, Config.ConfigError> =>
  Effect.map(Config.option(Config.Redacted(name)), (value) =>
    Option.isSome(value) && Redacted.value(value.value) !== "" ? value.value : undefined
  )
