/** What stands outside of the schemas to clean and needs what goes there. */
import { quote } from "../../postgres/Identifier.ts"
import type { OutsideDependent } from "../../postgres/survey/Outside.ts"
import type { Survey } from "../../postgres/survey/Survey.ts"
import { wantsOf } from "./Blocker.ts"
import type { Blocker } from "../VerbError.ts"

/** Those that need something of what goes, directly or through others; what only needs what stays, stays itself. */
export const dependents = (
  { dependencies, outside }: Survey,
  going: ReadonlyArray<{ readonly key: string }>
): ReadonlyArray<OutsideDependent> => {
  if (outside.length === 0) return []
  const users = new Map<string, Array<string>>()
  for (const { dependent, on } of dependencies) {
    const known = users.get(on)
    if (known === undefined) users.set(on, [dependent])
    else known.push(dependent)
  }
  const reached = new Set(going.map(({ key }) => key))
  // A set is walked in the order of insertion, what is added on the way included.
  for (const key of reached) for (const user of users.get(key) ?? []) reached.add(user)
  return outside.filter(({ key }) => reached.has(key))
}

/** One that keeps the schemas from being emptied. */
export const inTheWay =
  (survey: Survey) =>
  ({ description, droppable, on, owner }: OutsideDependent): Blocker => ({
    what: description,
    owner,
    why: `it is outside of the schemas to clean and depends on ${on}`,
    ...(droppable
      ? {
          wants: "choice",
          remedy: `Let the ${description} go for good with --cascade-outside, or drop it first and create it again afterwards.`
        }
      : {
          wants: wantsOf(owner, survey),
          remedy: `Have ${quote(owner)} drop the ${description} first, and create it again afterwards.`
        })
  })

/** `view reports.totals (of boss)` */
export const describe = ({ description, owner }: OutsideDependent): string => `${description} (of ${owner})`
