/** What stands in the way of dropping or replacing something. */
import { listed, plural } from "../pipeline/Words.ts"
import { qualified, quote } from "../postgres/Identifier.ts"
import type { CatalogObject } from "../postgres/survey/Objects.ts"
import type { Survey } from "../postgres/survey/Survey.ts"
import { CleanRefused } from "./VerbError.ts"

/** Something that stops the run, before anything is touched. */
export interface Blocker {
  readonly what: string
  readonly owner: string
  readonly why: string
  /** What somebody could do about it, an imperative. */
  readonly remedy: string
}

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

/** `Have "x" run`, or `Run` where this role is x or may do all. */
export const haveRun = (owner: string, { role, roles }: Survey): string =>
  role.superuser || roles.find(({ name }) => name === owner)?.inherits === true ? "Run" : `Have ${quote(owner)} run`

export const describeObject = (object: CatalogObject): string => `${object.kind.toLowerCase()} ${object.identity}`

/**
 * Publications that would lose a table without a word: DROP TABLE takes it out of them, and the subscriber stops
 * silently.
 *
 * @param going whether the object goes
 * @param replaced whether the dump itself drops and creates the publication
 */
export const publishedInTheWay = (
  survey: Survey,
  going: (object: CatalogObject) => boolean,
  replaced: (publication: string) => boolean
): ReadonlyArray<Blocker> => {
  const tables = new Set(
    survey.objects.filter((object) => going(object)).map(({ schema, name }) => qualified(schema, name))
  )
  return survey.published
    .filter(({ schema, table, publication }) => tables.has(qualified(schema, table)) && !replaced(publication))
    .map(({ schema, table, publication, owner, restore }) => ({
      what: `publication ${quote(publication)}`,
      owner,
      why: `dropping the published table ${qualified(schema, table)} would take it out of the publication without a word`,
      remedy:
        `${haveRun(owner, survey)} ALTER PUBLICATION ${quote(publication)} DROP TABLE ${qualified(schema, table)} first, ` +
        `and ${restore} afterwards.`
    }))
}

/** The refusal: all that is in the way, whose it is and what helps. */
export const refused = (blockers: ReadonlyArray<Blocker>, role: string, wish: string): CleanRefused => {
  const lines = blockers.map(({ what, owner, why }) => `${what}, owned by ${quote(owner)}: ${why}`)
  return new CleanRefused({
    message: `The role ${quote(role)} cannot ${wish}: ${plural(blockers.length, "object is", "objects are")} in the way.`,
    detail: listed(lines).join("\n"),
    suggestion: listed([...new Set(blockers.map(({ remedy }) => remedy))], 5).join("\n"),
    state: "untouched",
    blockers
  })
}
