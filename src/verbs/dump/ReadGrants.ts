/** The GRANT statements that open to a role what it may not read. */
import type { Grant } from "../../postgres/DatabaseError.ts"
import { quote } from "../../postgres/Identifier.ts"

/** Something that a role may not read. */
export interface Closed {
  readonly kind: "TABLE" | "SEQUENCE" | "LARGE OBJECT"
  /** As SQL names it: qualified and quoted where needed; the OID of a large object. */
  readonly what: string
  /** Who may grant SELECT on it; null where the role has it, so that only the schema is closed. */
  readonly owner: string | null
  /** The schema it is in, as SQL names it, where the role lacks USAGE on that. */
  readonly closedSchema?: string | null
  readonly schemaOwner?: string
}

/** Columns that a statement's lines may have, which an error indents by ten: names are broken off where they do not fit. */
const columns = 69

/** One statement, broken only between names. */
const statement = (privilege: string, names: ReadonlyArray<string>, role: string): string => {
  const [begin, end] = [`GRANT ${privilege}`, `TO ${quote(role)};`]
  const short = `${begin} ${names.join(", ")} ${end}`
  if (short.length <= columns) return short
  const lines: Array<string> = []
  for (const [index, name] of names.entries()) {
    const item = index === names.length - 1 ? name : `${name},`
    const line = lines.at(-1)
    if (line !== undefined && line.length + 1 + item.length <= columns) lines[lines.length - 1] = `${line} ${item}`
    else lines.push(`  ${item}`)
  }
  return [begin, ...lines, `  ${end}`].join("\n")
}

/** The privilege that a kind wants, in the order in which the statements come. */
const privileges = {
  SCHEMA: "USAGE ON SCHEMA",
  TABLE: "SELECT ON TABLE",
  SEQUENCE: "SELECT ON SEQUENCE",
  "LARGE OBJECT": "SELECT ON LARGE OBJECT"
}

/** The statements, each with the role that may run it, those of one such role together. */
export const grantsFor = (closed: ReadonlyArray<Closed>, role: string): ReadonlyArray<Grant> => {
  const wishes = new Map<string, Map<string, Set<string>>>()
  const wish = (by: string, privilege: string, name: string) => {
    const own = wishes.get(by) ?? new Map<string, Set<string>>()
    wishes.set(by, own.set(privilege, (own.get(privilege) ?? new Set<string>()).add(name)))
  }
  for (const { closedSchema, kind, owner, schemaOwner, what } of closed) {
    if (closedSchema != null && schemaOwner !== undefined) wish(schemaOwner, privileges.SCHEMA, closedSchema)
    if (owner !== null) wish(owner, privileges[kind], what)
  }
  return [...wishes].flatMap(([by, own]) =>
    Object.values(privileges).flatMap((privilege) => {
      const names = own.get(privilege)
      return names === undefined ? [] : [{ by, sql: statement(privilege, [...names], role) }]
    })
  )
}
