/** Quoting and reading of SQL names. */

/**
 * A name as an SQL identifier, always in double quotes so that case and reserved words keep their meaning.
 *
 * @see https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
 */
export const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`

/**
 * Whether a schema is the server's own: nobody may create one of these names.
 *
 * @see https://www.postgresql.org/docs/current/ddl-schemas.html#DDL-SCHEMAS-CATALOG
 */
export const isSystemSchema = (name: string): boolean => name.startsWith("pg_") || name === "information_schema"

/** `schema.name`, both quoted. */
export const qualified = (schema: string, name: string): string => `${quote(schema)}.${quote(name)}`

/**
 * A text as an SQL string literal. Backslashes make it an `E''` literal, so the reading does not depend on
 * `standard_conforming_strings`.
 */
export const literal = (text: string): string =>
  text.includes("\\") ? `E'${text.replaceAll("\\", "\\\\").replaceAll("'", "''")}'` : `'${text.replaceAll("'", "''")}'`

const breaks = /[\r\n]/
const asEscape: Record<string, string> = { "\r": "\\000D", "\n": "\\000A", "\\": "\\\\" }

/**
 * {@link quote} without a line break: a name that has one is written with escapes. For files that are read line by line.
 *
 * @see https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS (U&"…")
 */
export const quoteInLine = (name: string): string =>
  breaks.test(name) ? `U&${quote(name.replaceAll(/[\r\n\\]/g, (character) => asEscape[character]!))}` : quote(name)

/** {@link literal} without a line break. */
export const literalInLine = (text: string): string => {
  if (!breaks.test(text)) return literal(text)
  const escaped = text.replaceAll("\\", "\\\\").replaceAll("'", "''")
  return `E'${escaped.replaceAll("\r", "\\r").replaceAll("\n", "\\n")}'`
}
