/** What stands outside of the schemas in scope and needs what is in them, and how one drops it by its own name. */
import { qualified, quote } from "../Identifier.ts"
import type { Droppable } from "./DropOrder.ts"

/** Something that is not in the schemas and would go, or stands in the way, when their objects are dropped. */
export interface OutsideDependent extends Droppable {
  /** `classid:oid`, as the key of an object; of a column `classid:oid:number`. */
  readonly key: string
  /** In the server's words: `view reports.totals`, `trigger audit on table app.orders`. */
  readonly description: string
  /** Owner of it, or of the table it is on. */
  readonly owner: string
  /** This role may drop it. Never so with what an extension owns, and with the few kinds that have no DROP of their own. */
  readonly droppable: boolean
  /** What it needs, in the server's words. */
  readonly on: string
  /** The schemas of the scope that hold what it needs, directly or through other dependents. */
  readonly schemas: ReadonlyArray<string>
}

/** An object as `pg_identify_object` and `pg_identify_object_as_address` have it. */
export interface Address {
  readonly type: string
  readonly identity: string
  readonly names: ReadonlyArray<string>
  readonly args: ReadonlyArray<string>
}

/** Types with a DROP of their own name that takes the identity, where the name is another one than the type's. */
const droppedAs: Record<string, string> = {
  aggregate: "AGGREGATE",
  cast: "CAST",
  collation: "COLLATION",
  conversion: "CONVERSION",
  "event trigger": "EVENT TRIGGER",
  "foreign table": "FOREIGN TABLE",
  function: "FUNCTION",
  index: "INDEX",
  "materialized view": "MATERIALIZED VIEW",
  operator: "OPERATOR",
  "operator class": "OPERATOR CLASS",
  "operator family": "OPERATOR FAMILY",
  procedure: "PROCEDURE",
  sequence: "SEQUENCE",
  "statistics object": "STATISTICS",
  table: "TABLE",
  "text search configuration": "TEXT SEARCH CONFIGURATION",
  "text search dictionary": "TEXT SEARCH DICTIONARY",
  "text search parser": "TEXT SEARCH PARSER",
  "text search template": "TEXT SEARCH TEMPLATE",
  // DROP TYPE takes domains too.
  type: "TYPE",
  view: "VIEW"
}

/** What belongs to a table or a type: kind, what it is called, and the whole statement. */
const part = ({ type, names, args }: Address): Omit<Droppable, "key"> | undefined => {
  const [schema = "", table = "", name = ""] = names
  const on = qualified(schema, table)
  const altered = (kind: string, what: string, change: string) => ({
    kind,
    identity: `${quote(name)} of ${on}`,
    drop: `ALTER ${what} ${on} ${change}`
  })
  switch (type) {
    case "table column":
      return altered("COLUMN", "TABLE", `DROP COLUMN ${quote(name)}`)
    case "foreign table column":
      return altered("COLUMN", "FOREIGN TABLE", `DROP COLUMN ${quote(name)}`)
    case "composite type column":
      return altered("ATTRIBUTE", "TYPE", `DROP ATTRIBUTE ${quote(name)}`)
    case "default value":
      return altered("DEFAULT", "TABLE", `ALTER COLUMN ${quote(name)} DROP DEFAULT`)
    case "table constraint":
      return altered("CONSTRAINT", "TABLE", `DROP CONSTRAINT ${quote(name)}`)
    case "domain constraint": {
      const [domain = "", constraint = ""] = [names[0], args[0]]
      const identity = `${quote(constraint)} of ${domain}`
      return { kind: "CONSTRAINT", identity, drop: `ALTER DOMAIN ${domain} DROP CONSTRAINT ${quote(constraint)}` }
    }
    case "trigger":
    case "rule":
    case "policy": {
      const kind = type.toUpperCase()
      return { kind, identity: `${quote(name)} of ${on}`, drop: `DROP ${kind} ${quote(name)} ON ${on}` }
    }
  }
  return undefined
}

/** How it is dropped, undefined where no statement drops it alone. */
export const dropOf = (address: Address): Omit<Droppable, "key"> | undefined => {
  const kind = droppedAs[address.type]
  if (kind === undefined) return part(address)
  return { kind, identity: address.identity.replace(kind === "AGGREGATE" ? /\(\)$/ : /$^/, "(*)") }
}
