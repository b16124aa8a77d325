/** Conditions of catalogue queries that ask for the rights on what stands in some schemas. */
import type * as SqlClient from "effect/sql/SqlClient"
import type { Fragment } from "effect/sql/Statement"

/** The schema `n` is one of these. */
export const among = (sql: SqlClient.SqlClient, schemas: ReadonlyArray<string>): Fragment =>
  schemas.length === 0 ? sql.literal("false") : sql.in("n.nspname", schemas)

/** SQL that is true where the object belongs to an extension. */
export const isOfExtension = (catalog: string, oid: string): string =>
  `EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.classid = 'pg_catalog.${catalog}'::pg_catalog.regclass ` +
  `AND e.objid = ${oid} AND e.deptype = 'e')`

/** Of `pg_type t`: what GRANT takes as a type, which are not the row types of tables, arrays and multiranges. */
export const grantableType =
  "t.typtype IN ('b', 'c', 'd', 'e', 'r') " +
  "AND (t.typrelid = 0 OR EXISTS (SELECT FROM pg_catalog.pg_class k WHERE k.oid = t.typrelid AND k.relkind = 'c')) " +
  "AND NOT EXISTS (SELECT FROM pg_catalog.pg_type a WHERE a.typarray = t.oid)"
