/**
 * Leaves alone what stands in the target although the dump has it too.
 *
 * A safety dump has the whole of the schemas in which something was replaced, as far as it is no relation, and all that
 * stands in no schema; bringing back what was replaced must not touch the rest.
 */
import { type NamedObject, objectKey } from "../../postgres/ObjectName.ts"
import type { StatementKind } from "../../postgres/script/StatementKind.ts"
import type { Survey } from "../../postgres/survey/Survey.ts"
import type { Replacement } from "./Replacement.ts"
import type { Decision, Policy } from "./StatementPolicy.ts"

/** What is left as it is. */
export interface Standing {
  /** Keys ({@link objectKey}) of what stands. Routines of one name have one key: `mixed` are partly replaced. */
  readonly keys: ReadonlySet<string>
  readonly mixed: ReadonlySet<string>
  /** Of what was not replaced then, and may have been dropped since. */
  readonly left: ReadonlySet<string>
  /** What stands and is no table, view or sequence. */
  readonly besides: ReadonlyArray<NamedObject>
  /** Large objects are replaced only where they are among these, by OID. */
  readonly largeObjects: ReadonlySet<string>
}

/** `classid:` of tables, views and sequences. */
const relation = /^1259:/

/**
 * By what was found and what of it goes.
 *
 * @param known.left what a dump has although it was not replaced when the dump was made
 * @param known.largeObjects those that are replaced, by OID
 */
export const standing = (known: {
  readonly found: Survey
  readonly going: Pick<Replacement, "databaseWide" | "objects">
  readonly left: ReadonlyArray<NamedObject>
  readonly largeObjects: ReadonlyArray<string>
}): Standing => {
  const { found, going, largeObjects, left } = known
  const gone = new Set([...going.objects, ...going.databaseWide].map(({ key }) => key))
  const all = [...found.objects, ...found.databaseWide]
  const replaced = new Set(all.filter(({ key }) => gone.has(key)).map(objectKey))
  const stays = all.filter(({ key }) => !gone.has(key))
  const keys = new Set(stays.map(objectKey))
  return {
    keys,
    mixed: new Set([...keys].filter((key) => replaced.has(key))),
    left: new Set(left.map(objectKey).filter((key) => !replaced.has(key))),
    besides: stays
      .filter(({ key }) => !relation.test(key))
      .map((object) => ({
        kind: object.kind,
        ...("schema" in object ? { schema: object.schema } : {}),
        name: object.name
      })),
    largeObjects: new Set(largeObjects)
  }
}

/** Whether it is left as it is. */
export const isLeft = ({ keys, left, mixed }: Standing, object: NamedObject): boolean => {
  const key = objectKey(object)
  return left.has(key) || (keys.has(key) && !mixed.has(key))
}

const reason = "it was not replaced: what stands there is left as it is"
const skip: Decision = { _tag: "Skip", reason }
/** For what is there all the same. */
const skipThere: Decision = { ...skip, there: true }

/** SQLSTATEs of what is there already, and of what is another's. */
const unless: ReadonlyMap<string, string> = new Map(["42710", "42723", "42501"].map((sqlstate) => [sqlstate, reason]))
/** The decision, for what cannot be told by its name: the server says whether it stands. */
const unlessThere = (decision: Decision): Decision =>
  decision._tag === "Skip" ? decision : { ...decision, unless: new Map([...(decision.unless ?? []), ...unless]) }

/** They go with their types, and have no names. */
export const nameless: ReadonlySet<string> = new Set(["CAST", "TRANSFORM"])

/** GRANT's words for kinds that have others elsewhere. */
const kindOf = (kind: string): string => (kind === "FOREIGN SERVER" ? "SERVER" : kind)

const nameOf = (statement: StatementKind): NamedObject | undefined => {
  switch (statement._tag) {
    case "Alter":
    case "Comment":
    case "Create":
    case "Drop":
    case "Grant":
    case "OwnerTo":
    case "SecurityLabel": {
      const { kind = "", name, schema } = statement
      // Without a kind GRANT is about a table.
      const named = { kind: kindOf(kind === "" ? "TABLE" : kind), ...(schema === undefined ? {} : { schema }) }
      return name === undefined ? undefined : { ...named, name }
    }
    default:
      return undefined
  }
}

/** The policy, for statements about what does not stand; the others are skipped. */
export const leaving = (policy: Policy, standing: Standing): Policy => {
  const { keys, largeObjects } = standing
  /** Between lo_open and lo_close of a large object that stands. */
  let within = false
  return (statement, described) => {
    if (statement._tag === "LargeObjectCall") {
      const { call, oid } = statement
      const stands = oid === undefined ? within : !largeObjects.has(oid)
      within = stands && call !== "lo_create" && call !== "lo_close"
      return stands ? skip : policy(statement, described)
    }
    if (statement._tag === "Create" && nameless.has(statement.kind)) return unlessThere(policy(statement, described))
    const object = nameOf(statement)
    if (object === undefined) return policy(statement, described)
    if (object.kind === "LARGE OBJECT") return largeObjects.has(object.name) ? policy(statement, described) : skip
    const stands = keys.has(objectKey(object))
    if (isLeft(standing, object)) return stands ? skipThere : skip
    return stands ? unlessThere(policy(statement, described)) : policy(statement, described)
  }
}
