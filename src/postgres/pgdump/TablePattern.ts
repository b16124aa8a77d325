/**
 * pg_dump's patterns for tables, read as pg_dump reads them, so that it can be told before it starts what they match.
 *
 * @see https://www.postgresql.org/docs/current/app-psql.html#APP-PSQL-PATTERNS
 */
import type * as SqlClient from "effect/sql/SqlClient"
import type { Fragment } from "effect/sql/Statement"

/** A pattern as regular expressions of PostgreSQL, one for each part. */
export interface TablePattern {
  /** No pattern but a name. */
  readonly database: string | undefined
  /** Without one the table must be found by the search path. */
  readonly schema: string | undefined
  readonly name: string
}

/** What has a meaning in a regular expression; a dollar sign never has it here. */
const special = /[|*+?()[\]{}.^\\]/

interface Part {
  regex: string
  literal: string
}

/** Its parts, at the dots that stand outside of double quotes. */
const split = (pattern: string): ReadonlyArray<Part> => {
  const parts: Array<Part> = [{ regex: "", literal: "" }]
  const add = (regex: string, literal: string) => {
    const part = parts.at(-1)!
    part.regex += regex
    part.literal += literal
  }
  let quoted = false
  const characters = [...pattern]
  for (let at = 0; at < characters.length; at++) {
    const [character, next] = [characters[at]!, characters[at + 1]]
    if (character === '"') {
      if (quoted && next === '"') add('"', characters[at++]!)
      else quoted = !quoted
    } else if (character === "$") add("\\$", character)
    else if (quoted) add(special.test(character) ? `\\${character}` : character, character)
    else if (character === ".") parts.push({ regex: "", literal: "" })
    else if (character === "*") add(".*", character)
    else if (character === "?") add(".", character)
    // Brackets with nothing in them are meant for the name of an array's type.
    else if (character === "[" && next === "]") add("\\[", character)
    else {
      const folded = /[A-Z]/.test(character) ? character.toLowerCase() : character
      add(folded, folded)
    }
  }
  return parts
}

const whole = ({ regex }: Part): string => `^(${regex})$`

/** Undefined where it has more parts than a database, a schema and a name. */
export const parse = (pattern: string): TablePattern | undefined => {
  const parts = split(pattern)
  const [name, schema, database] = parts.toReversed()
  if (name === undefined || parts.length > 3) return undefined
  return { database: database?.literal, schema: schema && whole(schema), name: whole(name) }
}

/**
 * SQL for what it matches among `pg_class c` and `pg_namespace n`, where pg_dump's session has this search path: names
 * of schemas, the first first.
 */
export const matches = (
  sql: SqlClient.SqlClient,
  { name, schema }: TablePattern,
  searchPath: ReadonlyArray<string>
): Fragment => {
  const named = sql`c.relname operator(pg_catalog.~) ${name} collate pg_catalog."default"`
  if (schema !== undefined) {
    return sql`(${named} and n.nspname operator(pg_catalog.~) ${schema} collate pg_catalog."default")`
  }
  // What pg_table_is_visible() says, under a search path that need not be that of this session.
  const first = sql`
    select v.nspname from pg_catalog.pg_class o join pg_catalog.pg_namespace v on v.oid = o.relnamespace
    where o.relname = c.relname and v.nspname::text = any(${searchPath}::text[])
    order by array_position(${searchPath}::text[], v.nspname::text) limit 1`
  return sql`(${named} and n.nspname = (${first}))`
}

/** SQL for what a pattern may have meant: the same with letters of any case and, where it names no schema, in any. */
export const resembles = (sql: SqlClient.SqlClient, { name, schema }: TablePattern): Fragment => {
  const named = sql`c.relname operator(pg_catalog.~*) ${name} collate pg_catalog."default"`
  return schema === undefined
    ? named
    : sql`(${named} and n.nspname operator(pg_catalog.~*) ${schema} collate pg_catalog."default")`
}
