/** What pg_dump writes around the objects of a dump, for scripts that stand beside its own. */

/**
 * Types of entries, as pg_dump's comments name them, that need the rows or the tables' indexes: all of the section
 * `post-data`, and what is restored behind everything else. Comments and labels follow the object that they are of.
 *
 * @see https://www.postgresql.org/docs/current/app-pgdump.html (--section)
 */
export const postDataTypes: ReadonlySet<string> = new Set([
  "ACL",
  "CHECK CONSTRAINT",
  "CONSTRAINT",
  "DEFAULT ACL",
  "EVENT TRIGGER",
  "FK CONSTRAINT",
  "INDEX",
  "INDEX ATTACH",
  "MATERIALIZED VIEW DATA",
  "POLICY",
  "PUBLICATION",
  "PUBLICATION TABLE",
  "PUBLICATION TABLES IN SCHEMA",
  "ROW SECURITY",
  "RULE",
  "STATISTICS",
  "STATISTICS DATA",
  "SUBSCRIPTION",
  "SUBSCRIPTION TABLE",
  "TRIGGER"
])

/** The last lines of a dump, behind the `;` of its last statement. Where they are missing it was cut. */
export const closing = "\n\n\n--\n-- PostgreSQL database dump complete\n--\n\n"

/**
 * The first lines of a script in this encoding that names everything with its schema: as in pg_dump's own, nothing that
 * the session was told before counts.
 */
export const opening = (encoding: string): string => `--
-- PostgreSQL database dump
--

SET client_encoding = '${encoding}';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET client_min_messages = warning;`

/** The comment before an object, on lines of its own. Whatever else a name holds, it holds no line break there. */
export const entryComment = (entry: {
  readonly name: string
  readonly type: string
  readonly schema: string
  readonly owner: string
}): string => {
  const [name, schema, owner] = [entry.name, entry.schema, entry.owner].map((text) => text.replaceAll(/[\r\n]/g, " "))
  return `\n\n--\n-- Name: ${name}; Type: ${entry.type}; Schema: ${schema}; Owner: ${owner}\n--\n\n`
}

const restrict = /^\\(?:un)?restrict \S+\n\n?/gm

/** What stands between two statements, comments and psql's commands, without those that keep psql from running others. */
export const unrestricted = (gap: Buffer): Buffer => Buffer.from(gap.toString("latin1").replace(restrict, ""), "latin1")
