import * as Flag from "effect/cli/Flag"

/**
 * What is done unless it is declined: a flag with the name that declines it, which is what help, completions and errors
 * speak of. The other form is understood too. Its value is whether to do it.
 *
 * @param name without `no-`
 */
export const unlessDeclined = (name: string, description: string): Flag.Flag<boolean> =>
  Flag.Boolean(`no-${name}`).pipe(
    Flag.withNegation(name),
    Flag.withDescription(description),
    Flag.withDefault(false),
    Flag.map((declined) => !declined)
  )
