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

/** What stands and is not replaced. */
export interface Standing {
  /** Keys ({@link objectKey}). Routines of one name have one key: `mixed` of them are partly replaced. */
  readonly keys: ReadonlySet<string>
  readonly mixed: ReadonlySet<string>
  /** Large objects are replaced only where they are among these, by OID. */
  readonly largeObjects: ReadonlySet<string>
}

/** By what was found and what of it goes. */
export const standing = (
  { databaseWide, objects }: Survey,
  going: Pick<Replacement, "databaseWide" | "objects">,
  largeObjects: ReadonlyArray<string>
): Standing => {
  const gone = new Set([...going.objects, ...going.databaseWide].map(({ key }) => key))
  const keysOf = (found: ReadonlyArray<NamedObject & { readonly key: string }>, goes: boolean) =>
    found.filter(({ key }) => gone.has(key) === goes).map(objectKey)
  const replaced = new Set([...keysOf(objects, true), ...keysOf(databaseWide, true)])
  const keys = new Set([...keysOf(objects, false), ...keysOf(databaseWide, false)])
  return {
    keys,
    mixed: new Set([...keys].filter((key) => replaced.has(key))),
    largeObjects: new Set(largeObjects)
  }
}

const reason = "it was not replaced: what stands there is left as it is"
const skip: Decision = { _tag: "Skip", reason }

/** SQLSTATEs of what is there already, and of what is another's. */
const unless: ReadonlyMap<string, string> = new Map(["42723", "42501"].map((sqlstate) => [sqlstate, reason]))

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
export const leaving = (policy: Policy, { keys, largeObjects, mixed }: Standing): Policy => {
  /** Between lo_open and lo_close of a large object that stands. */
  let within = false
  return (statement, described) => {
    if (statement._tag === "LargeObjectCall") {
      const { call, oid } = statement
      const stands = oid === undefined ? within : !largeObjects.has(oid)
      within = stands && call !== "lo_create" && call !== "lo_close"
      return stands ? skip : policy(statement, described)
    }
    const object = nameOf(statement)
    if (object === undefined) return policy(statement, described)
    if (object.kind === "LARGE OBJECT") return largeObjects.has(object.name) ? policy(statement, described) : skip
    const key = objectKey(object)
    if (!keys.has(key)) return policy(statement, described)
    if (!mixed.has(key)) return skip
    const decision = policy(statement, described)
    return decision._tag === "Skip"
      ? decision
      : { ...decision, unless: new Map([...(decision.unless ?? []), ...unless]) }
  }
}
