/**
 * The ladder of the clean step: ways to empty schemas, best first.
 *
 * 1. Drop the content and the schema and create it again, where this role can put owner, rights and comment back as
 *    they were. Never with CASCADE: that would also take what nobody has looked at.
 * 2. Keep the schema and drop its content: every object that this role may drop, in the order of their dependencies,
 *    and never what an extension owns.
 * 3. Stop, and say what is in the way, whose it is and what would help.
 */
import { listed, plural } from "../../pipeline/Words.ts"
import { quote, qualified } from "../../postgres/Identifier.ts"
import { objectKey } from "../../postgres/ObjectName.ts"
import { type Droppable, dropStatements } from "../../postgres/survey/DropOrder.ts"
import type { DatabaseObject } from "../../postgres/survey/DatabaseWide.ts"
import type { Survey } from "../../postgres/survey/Survey.ts"
import type { CatalogObject } from "../../postgres/survey/Objects.ts"
import type { OutsideDependent } from "../../postgres/survey/Outside.ts"
import { describeObject, haveRun, ownIt } from "./Blocker.ts"
import type { Blocker } from "../VerbError.ts"
import * as Dependents from "./Dependents.ts"
import * as LargeObjects from "./LargeObjects.ts"
import { membership } from "../restore/Publishing.ts"
import { foreignLargeObjects } from "../restore/Replacement.ts"

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
  /** What goes one by one, in no order, by the first of the statements. */
  readonly drops: ReadonlyArray<Droppable>
  /** The statements behind these. */
  readonly behind: ReadonlyArray<RungStatement>
  readonly statements: ReadonlyArray<RungStatement>
  /** What stays in the schemas, in words: extensions' objects are not counted, other roles' are. */
  readonly stays: ReadonlyArray<string>
}

/** What the survey allows: the rungs to try, in order, or what is in the way of all of them. */
export interface Ladder {
  /** What goes besides and stands in no schema: large objects that will be created, rows of extensions' tables. */
  readonly beside: ReadonlyArray<RungStatement>
  readonly rungs: ReadonlyArray<Rung>
  /** What stands outside of the schemas and goes with what it depends on, for good. */
  readonly outside: ReadonlyArray<OutsideDependent>
  /** Empty unless `rungs` is. */
  readonly blockers: ReadonlyArray<Blocker>
}

const pluralKind = (kind: string, n: number): string => {
  const word = kind.toLowerCase()
  if (word === "statistics") return plural(n, word, word)
  if (word.endsWith("y")) return plural(n, word, `${word.slice(0, -1)}ies`)
  return plural(n, word, word.endsWith("x") || word.endsWith("ss") ? `${word}es` : `${word}s`)
}

/** `3 tables, 1 view`, most numerous kind first. */
export const census = (objects: ReadonlyArray<{ readonly kind: string }>): string => {
  const kinds = new Map<string, number>()
  for (const { kind } of objects) kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
  return [...kinds]
    .toSorted(([, a], [, b]) => b - a)
    .map(([kind, n]) => pluralKind(kind, n))
    .join(", ")
}

/** Names of objects that a row lists before it counts the rest. */
const named = 6

const names = (objects: ReadonlyArray<Droppable>): string =>
  listed(
    objects.map(({ identity }) => identity),
    named
  ).join(", ")

const existing = (survey: Survey) => survey.schemas.filter((schema) => schema.exists)

const dropAll = (survey: Survey, content: ReadonlyArray<Droppable>): ReadonlyArray<RungStatement> =>
  dropStatements(content, survey.dependencies).map(({ sql, kind, objects }) => ({
    sql,
    what: `drop ${pluralKind(kind, objects.length)}: ${names(objects)}`,
    destroys: true
  }))

/** What needs others of them comes first. */
const order = [
  "EVENT TRIGGER",
  "PUBLICATION",
  "USER MAPPING",
  "SERVER",
  "FOREIGN DATA WRAPPER",
  "LANGUAGE",
  "ACCESS METHOD"
]

const leave = (what: string, sql: string): RungStatement => ({
  sql,
  what: `drop ${what}, which the restore had created`,
  destroys: true
})

/** What goes behind the content of the schemas, which may need it. */
const dropLeaves = (survey: Survey, wish: Wish): ReadonlyArray<RungStatement> => {
  const { databaseWide = [], extensions = [] } = wish.leaves ?? {}
  const gone = new Set(goingTriggers(survey, wish).map(({ key }) => key))
  return [
    ...databaseWide
      .filter(({ key, kind }) => order.includes(kind) && !gone.has(key))
      .toSorted((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind))
      .map(({ kind, name }) => {
        const [role = "", server = ""] = name.split(" on ")
        const identity = kind === "USER MAPPING" ? `FOR ${quote(role)} SERVER ${quote(server)}` : quote(name)
        return leave(`${kind.toLowerCase()} ${name}`, `DROP ${kind} ${identity}`)
      }),
    ...extensions.map((name) => leave(`extension ${quote(name)}`, `DROP EXTENSION IF EXISTS ${quote(name)}`))
  ]
}

const dropSchema = (survey: Survey, content: ReadonlyArray<CatalogObject>, wish: Wish): Rung => {
  const schemas = existing(survey)
  const list = schemas.map(({ name }) => quote(name)).join(", ")
  const behind = [
    ...dropLeaves(survey, wish),
    // Without CASCADE: what has come into the schema since the survey is never taken along.
    { sql: `DROP SCHEMA ${list}`, what: `drop schema ${list}, empty by then`, destroys: true },
    ...schemas
      .filter(({ name }) => wish.leaves?.schemas.has(name) !== true)
      .flatMap((schema) =>
        schema.recreate.map((sql) => ({ sql, what: `put schema ${quote(schema.name)} back`, destroys: false }))
      )
  ]
  return {
    rung: 1,
    why: `this role can put ${list} back with owner, rights and comment`,
    stays: [],
    drops: content,
    behind,
    statements: [...dropAll(survey, content), ...behind]
  }
}

const dropContent = (
  survey: Survey,
  content: ReadonlyArray<CatalogObject>,
  outside: ReadonlyArray<OutsideDependent>,
  wish: Wish
): Rung => {
  const staying = new Set(survey.objects.filter(({ droppable }) => !droppable).map(({ schema }) => schema))
  const leaving = existing(survey).filter(
    ({ name, ownedByRole }) => ownedByRole && wish.leaves?.schemas.has(name) === true && !staying.has(name)
  )
  const reasons = existing(survey).flatMap(({ recreatable }) =>
    recreatable === true ? [] : recreatable.map(({ text }) => text)
  )
  const drops = [...content.filter(({ droppable }) => droppable), ...outside]
  const behind = [
    ...dropLeaves(survey, wish),
    ...leaving.map(({ name }) => leave(`schema ${quote(name)}`, `DROP SCHEMA ${quote(name)}`))
  ]
  return {
    rung: 2,
    why: reasons.length === 0 ? "dropping the schema was denied" : reasons.join("; "),
    stays: content
      .filter(({ droppable }) => !droppable)
      .map((object) => `${describeObject(object)} (of ${object.owner ?? "nobody"})`),
    drops,
    behind,
    statements: [...dropAll(survey, drops), ...behind]
  }
}

/** What a restore has created besides the content of schemas that were there. */
export interface Leaves {
  /** Names; they go once they are empty. */
  readonly schemas: ReadonlySet<string>
  readonly extensions: ReadonlyArray<string>
  readonly databaseWide: ReadonlyArray<DatabaseObject>
}

/** What will be created after the clean step. */
export interface Wish {
  /** Keys ({@link objectKey}) of objects: another role's object of such a name is in the way, any other one stays. */
  readonly wanted: ReadonlySet<string>
  /** The database's own objects that the dump drops and creates again: publications among them lose nothing. */
  readonly replaced: ReadonlyArray<DatabaseObject>
  /** What narrows the dump on purpose, as flags. */
  readonly leftOut?: string
  /** What goes besides although no dump drops it, because a restore had created it. */
  readonly leaves?: Leaves
}

const nothingWished: Wish = { wanted: new Set(), replaced: [] }

/** Event triggers whose functions go, and that come back with the dump. */
const goingTriggers = ({ outside }: Survey, { replaced }: Wish): ReadonlyArray<DatabaseObject> => {
  const keys = new Set(outside.map(({ key }) => key))
  return replaced.filter(({ kind, key }) => kind === "EVENT TRIGGER" && keys.has(key))
}

/** What neither rung may touch or go around. */
const inTheWay = (
  survey: Survey,
  content: ReadonlyArray<CatalogObject>,
  { wanted, replaced }: Wish
): ReadonlyArray<Blocker> => {
  const going = content.filter(({ droppable }) => droppable)
  const byKey = new Map(content.map((object) => [object.key, object]))
  const foreign = content.filter(({ droppable }) => !droppable)
  const needing = survey.dependencies.flatMap(({ dependent, on }) => {
    const [user, used] = [byKey.get(dependent), byKey.get(on)]
    return user !== undefined && used !== undefined && !user.droppable && used.droppable ? [{ user, used }] : []
  })
  const owned = (object: CatalogObject, why: string): Blocker => {
    const owner = object.owner ?? "nobody"
    return { what: describeObject(object), owner, why, wants: "right", remedy: ownIt(owner, survey) }
  }
  return [
    ...membership(survey, { going, replaced, created: wanted }).blockers,
    ...needing.map(({ user, used }) =>
      owned(user, `this role may not drop it, and it depends on ${describeObject(used)}`)
    ),
    ...foreign
      .filter((object) => wanted.has(objectKey(object)))
      .map((object) => owned(object, "this role may not drop it, and the dump creates an object of this name")),
    ...foreignLargeObjects(survey),
    ...survey.configTables
      .filter(({ rows, deletable }) => rows !== false && !deletable)
      .map(({ schema, name, extension, owner }) => ({
        what: `rows of ${qualified(schema, name)}`,
        owner,
        why: `extension ${quote(extension)} stays with its table, and this role may not delete the rows that the dump has too`,
        wants: "right" as const,
        remedy: `${haveRun(owner, survey)} GRANT SELECT, DELETE ON ${qualified(schema, name)} TO ${quote(survey.role.name)};`
      }))
  ]
}

const besides = (survey: Survey, wish: Wish): ReadonlyArray<RungStatement> => [
  ...goingTriggers(survey, wish).map(({ kind, name }) => ({
    sql: `DROP ${kind} ${quote(name)}`,
    what: `drop ${kind.toLowerCase()} ${quote(name)}, which the dump has too`,
    destroys: true
  })),
  ...LargeObjects.unlink(survey.largeObjects.map(({ oid }) => oid)).map(({ count, sql }) => ({
    sql,
    what: `unlink ${plural(count, "large object")} that the dump has too`,
    destroys: true
  })),
  ...survey.configTables
    .filter(({ rows }) => rows === true)
    .map(({ schema, name, condition, extension }) => ({
      sql: `DELETE FROM ONLY ${qualified(schema, name)} ${condition}`.trimEnd(),
      what: `delete the rows of ${qualified(schema, name)} that extension ${quote(extension)} leaves to its users`,
      destroys: true
    }))
]

/** Names of what goes and will not be created again, by kind; casts and transforms go with their types. */
export const lost = (survey: Survey, { wanted }: Wish): ReadonlyArray<CatalogObject> =>
  survey.objects.filter(
    (object) =>
      object.extension === null &&
      object.droppable &&
      object.kind !== "CAST" &&
      object.kind !== "TRANSFORM" &&
      !wanted.has(objectKey(object))
  )

/** All of it, where nothing may be dropped: a clean step for its own sake would then do nothing at all. */
const allForeign = (survey: Survey, content: ReadonlyArray<CatalogObject>): ReadonlyArray<Blocker> =>
  content.some(({ droppable }) => droppable)
    ? []
    : content.map((object) => {
        const owner = object.owner ?? "nobody"
        return {
          what: describeObject(object),
          owner,
          why: "this role may not drop it",
          wants: "right",
          remedy: ownIt(owner, survey)
        }
      })

/**
 * Chooses from the survey. Without a wish emptying is all that is wanted.
 *
 * @param cascadeOutside let go, too, what this role may drop outside of the schemas and what needs what goes
 */
export const choose = (survey: Survey, wish?: Wish, cascadeOutside = false): Ladder => {
  const content = survey.objects.filter(({ extension }) => extension === null)
  const triggers = new Set(goingTriggers(survey, wish ?? nothingWished).map(({ key }) => key))
  const needing = Dependents.dependents(
    survey,
    content.filter(({ droppable }) => droppable)
  ).filter(({ key }) => !triggers.has(key))
  const [outside, staying] = cascadeOutside
    ? [needing.filter(({ droppable }) => droppable), needing.filter(({ droppable }) => !droppable)]
    : [[], needing]
  const found = [...staying.map(Dependents.inTheWay(survey)), ...inTheWay(survey, content, wish ?? nothingWished)]
  const blockers = found.length > 0 || wish !== undefined ? found : allForeign(survey, content)
  if (blockers.length > 0) return { beside: [], rungs: [], outside: [], blockers }
  const beside = besides(survey, wish ?? nothingWished)
  if (content.length === 0 && wish?.leaves === undefined) return { beside, rungs: [], outside, blockers }
  // Dependents outside are among what keeps a schema from being put back, so that only the second rung meets any.
  const whole = existing(survey).every(({ recreatable }) => recreatable === true)
  const second = dropContent(survey, content, outside, wish ?? nothingWished)
  return {
    beside,
    rungs: whole ? [dropSchema(survey, content, wish ?? nothingWished), second] : [second],
    outside,
    blockers
  }
}
