/** Objects by name, as a dump's statements and the catalogue both know them. */
import { qualified, quote } from "./Identifier.ts"

/** An object of a kind as DROP writes it: `TABLE`, `FUNCTION` … (of a large object, the OID is its name). */
export interface NamedObject {
  readonly kind: string
  /** Absent for what stands in no schema, and where a statement does not tell. */
  readonly schema?: string
  readonly name: string
}

/** Kinds that share their names with others: a relation has a row type, and all routines are told apart by arguments. */
const families: Record<string, string> = {
  AGGREGATE: "ROUTINE",
  DOMAIN: "RELATION",
  "FOREIGN TABLE": "RELATION",
  FUNCTION: "ROUTINE",
  INDEX: "RELATION",
  "MATERIALIZED VIEW": "RELATION",
  PROCEDURE: "ROUTINE",
  SEQUENCE: "RELATION",
  TABLE: "RELATION",
  TYPE: "RELATION",
  VIEW: "RELATION"
}

/** The same for two objects that cannot stand beside each other; of routines, the same for all of one name. */
export const objectKey = ({ kind, schema, name }: NamedObject): string =>
  `${families[kind] ?? kind} ${schema === undefined || schema === "" ? quote(name) : qualified(schema, name)}`

/**
 * Kinds that belong to the database and to no schema. Casts and transforms are not among them: they go with their types.
 */
export const databaseWide: ReadonlySet<string> = new Set([
  "ACCESS METHOD",
  "EVENT TRIGGER",
  "FOREIGN DATA WRAPPER",
  "LANGUAGE",
  "PUBLICATION",
  "SERVER",
  "SUBSCRIPTION",
  "USER MAPPING"
])
