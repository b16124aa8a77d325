/** What stands in the way of dropping or replacing something. */
import { listed, plural } from "../../pipeline/Words.ts"
import { quote } from "../../postgres/Identifier.ts"
import type { CatalogObject } from "../../postgres/survey/Objects.ts"
import type { Survey } from "../../postgres/survey/Survey.ts"
import { type Blocker, CleanBlocked, CleanRefused } from "../VerbError.ts"

/** What to do about an object of another role. */
export const ownIt = (owner: string, { role, roles }: Survey): string => {
  const known = roles.find(({ name }) => name === owner)
  if (known?.member === true && !known.inherits) {
    return (
      `${quote(role.name)} is a member of ${quote(owner)} and does not inherit its rights: act as that role ` +
      `(?options=-c%20role%3D${encodeURIComponent(owner)} in the URL), or be granted it WITH INHERIT TRUE (16 and later).`
    )
  }
  return (
    `Own the schema, or the objects (GRANT ${quote(owner)} TO ${quote(role.name)}), ` +
    `or have ${quote(owner)} drop them first.`
  )
}

/** Whether this role is x, or has all of its rights. */
const hasRightsOf = (owner: string, { role, roles }: Survey): boolean =>
  role.superuser || roles.find(({ name }) => name === owner)?.inherits === true

/** What is missing to deal with something of this owner. */
export const wantsOf = (owner: string, survey: Survey): Blocker["wants"] =>
  hasRightsOf(owner, survey) ? "choice" : "right"

/** `Have "x" run`, or `Run` where this role is x or may do all. */
export const haveRun = (owner: string, survey: Survey): string =>
  hasRightsOf(owner, survey) ? "Run" : `Have ${quote(owner)} run`

export const describeObject = (object: CatalogObject): string => `${object.kind.toLowerCase()} ${object.identity}`

/** The refusal: all that is in the way, whose it is and what helps. */
export const refused = (blockers: ReadonlyArray<Blocker>, role: string, wish: string): CleanRefused | CleanBlocked => {
  const lines = blockers.map(({ what, owner, why }) => `${what}, owned by ${quote(owner)}: ${why}`)
  const fields = {
    detail: listed(lines).join("\n"),
    suggestion: listed([...new Set(blockers.map(({ remedy }) => remedy))], 5).join("\n"),
    state: "untouched" as const,
    blockers
  }
  const found = `${plural(blockers.length, "object is", "objects are")} in the way.`
  return blockers.some(({ wants }) => wants === "right")
    ? new CleanRefused({ message: `The role ${quote(role)} cannot ${wish}: ${found}`, ...fields })
    : new CleanBlocked({ message: `To ${wish} takes a decision first: ${found}`, ...fields })
}
