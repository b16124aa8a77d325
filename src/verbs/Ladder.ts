/**
 * The ladder of the clean step: ways to empty schemas, best first.
 *
 * 1. `DROP SCHEMA … CASCADE` and create it again, where this role can put owner, rights and comment back as they were.
 * 2. Keep the schema and drop its content: every object that this role may drop, in the order of their dependencies,
 *    and never what an extension owns.
 * 3. Stop, and say what is in the way, whose it is and what would help.
 */
import { listed, plural } from "../pipeline/Words.ts"
import { quote, qualified } from "../postgres/Identifier.ts"
import { dropStatements } from "../postgres/survey/DropOrder.ts"
import type { Survey } from "../postgres/survey/Survey.ts"
import type { CatalogObject } from "../postgres/survey/Objects.ts"

/** A statement of a rung. */
export interface RungStatement {
  readonly sql: string
  /** In words, an imperative. */
  readonly what: string
  readonly destroys: boolean
}

/** One way to empty the schemas. */
export interface Rung {
  readonly rung: 1 | 2
  readonly why: string
  readonly statements: ReadonlyArray<RungStatement>
  /** What stays in the schemas, in words: extensions' objects are not counted, other roles' are. */
  readonly stays: ReadonlyArray<string>
}

/** Something that stops the clean step. */
export interface Blocker {
  readonly what: string
  readonly owner: string
  readonly why: string
}

/** What the survey allows: the rungs to try, in order, or what is in the way of all of them. */
export interface Ladder {
  readonly rungs: ReadonlyArray<Rung>
  /** Empty unless `rungs` is. */
  readonly blockers: ReadonlyArray<Blocker>
}

export const describeObject = (object: CatalogObject): string => `${object.kind.toLowerCase()} ${object.identity}`

const pluralKind = (kind: string, n: number): string => {
  const word = kind.toLowerCase()
  if (word === "statistics") return plural(n, word, word)
  if (word.endsWith("y")) return plural(n, word, `${word.slice(0, -1)}ies`)
  return plural(n, word, word.endsWith("x") || word.endsWith("ss") ? `${word}es` : `${word}s`)
}

/** `3 tables, 1 view`, most numerous kind first. */
export const census = (objects: ReadonlyArray<CatalogObject>): string => {
  const kinds = new Map<string, number>()
  for (const { kind } of objects) kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
  return [...kinds]
    .toSorted(([, a], [, b]) => b - a)
    .map(([kind, n]) => pluralKind(kind, n))
    .join(", ")
}

/** Names of objects that a row lists before it counts the rest. */
const named = 6

const names = (objects: ReadonlyArray<CatalogObject>): string =>
  listed(
    objects.map(({ identity }) => identity),
    named
  ).join(", ")

const existing = (survey: Survey) => survey.schemas.filter((schema) => schema.exists)

const dropSchema = (survey: Survey, content: ReadonlyArray<CatalogObject>): Rung => {
  const schemas = existing(survey)
  const list = schemas.map(({ name }) => quote(name)).join(", ")
  return {
    rung: 1,
    why: `this role can put ${list} back with owner, rights and comment`,
    stays: [],
    statements: [
      {
        sql: `DROP SCHEMA ${list} CASCADE`,
        what: `drop schema ${list} with ${census(content)}`,
        destroys: true
      },
      ...schemas.flatMap((schema) =>
        schema.recreate.map((sql) => ({ sql, what: `put schema ${quote(schema.name)} back`, destroys: false }))
      )
    ]
  }
}

const dropContent = (survey: Survey, content: ReadonlyArray<CatalogObject>): Rung => {
  const reasons = existing(survey).flatMap(({ recreatable }) =>
    recreatable === true ? [] : recreatable.map(({ text }) => text)
  )
  return {
    rung: 2,
    why: reasons.length === 0 ? "dropping the schema was denied" : reasons.join("; "),
    stays: content
      .filter(({ droppable }) => !droppable)
      .map((object) => `${describeObject(object)} (of ${object.owner})`),
    statements: dropStatements(
      content.filter(({ droppable }) => droppable),
      survey.dependencies
    ).map(({ sql, kind, objects }) => ({
      sql,
      what: `drop ${pluralKind(kind, objects.length)}: ${names(objects)}`,
      destroys: true
    }))
  }
}

/** What neither rung may touch or go around. */
const inTheWay = (
  survey: Survey,
  content: ReadonlyArray<CatalogObject>,
  wanted: ReadonlySet<string>
): ReadonlyArray<Blocker> => {
  const byKey = new Map(content.map((object) => [object.key, object]))
  const foreign = content.filter(({ droppable }) => !droppable)
  const needing = survey.dependencies.flatMap(({ dependent, on }) => {
    const [user, used] = [byKey.get(dependent), byKey.get(on)]
    return user !== undefined && used !== undefined && !user.droppable && used.droppable ? [{ user, used }] : []
  })
  return [
    ...survey.outside.map(({ description, owner, on }) => ({
      what: description,
      owner,
      why: `it is outside of the schemas to clean and depends on ${on}`
    })),
    ...survey.published.map(({ schema, table, publication, owner }) => ({
      what: `publication ${quote(publication)}`,
      owner,
      why: `dropping the published table ${qualified(schema, table)} would take it out of the publication without a word`
    })),
    ...needing.map(({ user, used }) => ({
      what: describeObject(user),
      owner: user.owner ?? "nobody",
      why: `this role may not drop it, and it depends on ${describeObject(used)}`
    })),
    ...foreign
      .filter(({ schema, name }) => wanted.has(qualified(schema, name)))
      .map((object) => ({
        what: describeObject(object),
        owner: object.owner ?? "nobody",
        why: "this role may not drop it, and the dump creates an object of this name"
      }))
  ]
}

/**
 * Chooses from the survey.
 *
 * @param wanted qualified names ({@link qualified}) that will be created afterwards: another role's object of such a
 * name is in the way, any other one stays
 */
export const choose = (survey: Survey, wanted: ReadonlySet<string> = new Set()): Ladder => {
  const content = survey.objects.filter(({ extension }) => extension === null)
  if (content.length === 0) return { rungs: [], blockers: [] }
  const blockers = inTheWay(survey, content, wanted)
  if (blockers.length > 0) return { rungs: [], blockers }
  const whole = existing(survey).every(({ recreatable }) => recreatable === true)
  const second = dropContent(survey, content)
  return { rungs: whole ? [dropSchema(survey, content), second] : [second], blockers: [] }
}
