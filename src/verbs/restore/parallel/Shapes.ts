/**
 * What statements of post-data are to the graph: which table an index is on, which tables a foreign key ties together.
 *
 * Only the forms that pg_dump writes are told apart; what is written in another way stays in its place among the rest.
 * The text is read byte by byte (Latin-1 keeps each byte), whatever the encoding of the dump.
 */
import type { Decode, QualifiedName } from "../../../postgres/script/StatementTokens.ts"

/** A statement as the graph sees it. */
export type Shape =
  /** CREATE INDEX on one table. `calls`: an expression in it may call a function of the user's. */
  | { readonly _tag: "Index"; readonly table: QualifiedName; readonly name: string; readonly calls: boolean }
  /** A primary key or unique or exclusion constraint. */
  | {
      readonly _tag: "Key"
      readonly table: QualifiedName
      readonly name: string
      readonly calls: boolean
      readonly primary: boolean
      /** The same as two statements, of which the first, the long one, leaves others at work on the table. */
      readonly split?: readonly [index: Uint8Array, constraint: Uint8Array]
    }
  /** Something about such an index or key, which has to be there. */
  | { readonly _tag: "OfIndex"; readonly schema: string | undefined; readonly name: string }
  /** The same about a constraint, whose name others may have too: those of other tables, and indexes. */
  | { readonly _tag: "OfConstraint"; readonly table: QualifiedName; readonly name: string }
  | {
      readonly _tag: "ForeignKey"
      readonly table: QualifiedName
      readonly references: QualifiedName
      /** Stays NOT VALID, or is not enforced at all. */
      readonly unchecked: boolean
      /** Adds it unchecked, and checks it then. */
      readonly split: readonly [add: Uint8Array, validate: Uint8Array]
    }

const ident = String.raw`(?:"(?:[^"]|"")+"|[a-zA-Z_\x80-\xff][\w$\x80-\xff]*)`
const qname = `(?:${ident}\\.)?${ident}`
const alter = `^ALTER TABLE (?:ONLY )?(?<table>${qname})\\s+`
const columns = String.raw`\((?:[^()"]|"(?:[^"]|"")*")*\)`

const index = new RegExp(`^CREATE (?:UNIQUE )?INDEX (?<name>${ident}) ON (?<table>${qname}) USING (?<rest>[^]*)$`)
const key = new RegExp(`${alter}ADD CONSTRAINT (?<name>${ident}) (?<kind>PRIMARY KEY|UNIQUE|EXCLUDE)\\b(?<rest>[^]*)$`)
const plainKey = new RegExp(
  `${alter}ADD CONSTRAINT (?<name>${ident}) (?<kind>PRIMARY KEY|UNIQUE)(?<nulls> NULLS NOT DISTINCT)? ` +
    `(?<columns>${columns})(?<include> INCLUDE ${columns})?(?<options> WITH \\([^()]*\\))?` +
    `(?<deferred>(?: DEFERRABLE)?(?: INITIALLY DEFERRED)?)$`
)
const ofTable = new RegExp(`${alter}(?:CLUSTER ON|REPLICA IDENTITY USING INDEX) (?<name>${ident})$`)
const ofIndex = new RegExp(`^ALTER INDEX (?<index>${qname}) ALTER COLUMN \\d+ SET STATISTICS -?\\d+$`)
const commentOnIndex = new RegExp(`^COMMENT ON INDEX (?<index>${qname}) IS `)
const commentOnConstraint = new RegExp(`^COMMENT ON CONSTRAINT (?<name>${ident}) ON (?<table>${qname}) IS `)
const foreignKey = new RegExp(
  `${alter}ADD CONSTRAINT (?<name>${ident}) FOREIGN KEY ${columns} REFERENCES (?<references>${qname})(?<rest>\\s*\\([^]*)$`
)
const unchecked = / NOT (?:VALID|ENFORCED)$/

/** The search_path of a dump is empty, so that what is not the system's is written with its schema. */
const call = new RegExp(`${ident}\\.${ident}\\s*\\(|OPERATOR\\s*\\(`)

/** Unless it is within a period, of which the index is no B-tree. */
const overlapping = /WITHOUT OVERLAPS/

const bytes = (text: string): Uint8Array => Buffer.from(text, "latin1")

/** What a statement is to the graph; undefined where it has its place among the others. */
export const shapeOf = (statement: Uint8Array, decode: Decode): Shape | undefined => {
  const text = Buffer.from(statement.buffer, statement.byteOffset, statement.byteLength).toString("latin1")
  const named = (written: string): string =>
    decode(bytes(written.startsWith('"') ? written.slice(1, -1).replaceAll('""', '"') : written.toLowerCase()))
  const qualifiedName = (written = ""): QualifiedName => {
    const [first = "", second] = written.match(new RegExp(ident, "g")) ?? []
    return second === undefined ? { name: named(first) } : { schema: named(first), name: named(second) }
  }
  const found = (pattern: RegExp) => pattern.exec(text)?.groups

  const asIndex = found(index)
  if (asIndex !== undefined) {
    const { name = "", rest = "", table } = asIndex
    return { _tag: "Index", table: qualifiedName(table), name: named(name), calls: call.test(rest) }
  }
  const asKey = found(key)
  if (asKey !== undefined) {
    const { kind, name = "", rest = "", table } = asKey
    const plain = found(plainKey)
    return {
      _tag: "Key",
      table: qualifiedName(table),
      name: named(name),
      calls: call.test(rest),
      primary: kind === "PRIMARY KEY",
      ...(plain === undefined || overlapping.test(plain["columns"] ?? "") ? {} : { split: inTwo(plain) })
    }
  }
  const asOfConstraint = found(commentOnConstraint)
  if (asOfConstraint !== undefined) {
    const { name = "", table } = asOfConstraint
    return { _tag: "OfConstraint", table: qualifiedName(table), name: named(name) }
  }
  const asOfTable = found(ofTable)
  if (asOfTable !== undefined) {
    return { _tag: "OfIndex", schema: qualifiedName(asOfTable["table"]).schema, name: named(asOfTable["name"] ?? "") }
  }
  const asOfIndex = found(ofIndex) ?? found(commentOnIndex)
  if (asOfIndex !== undefined) {
    const { name, schema } = qualifiedName(asOfIndex["index"])
    return { _tag: "OfIndex", schema, name }
  }
  const asForeignKey = found(foreignKey)
  if (asForeignKey === undefined) return undefined
  const { name = "", references, rest = "", table = "" } = asForeignKey
  return {
    _tag: "ForeignKey",
    table: qualifiedName(table),
    references: qualifiedName(references),
    unchecked: unchecked.test(rest),
    split: [bytes(`${text} NOT VALID`), bytes(`ALTER TABLE ONLY ${table} VALIDATE CONSTRAINT ${name}`)]
  }
}

/** A unique index, and the constraint over it. */
const inTwo = (plain: Record<string, string | undefined>): readonly [Uint8Array, Uint8Array] => {
  const { columns, deferred = "", include = "", kind, name, nulls = "", options = "", table } = plain
  return [
    bytes(`CREATE UNIQUE INDEX ${name} ON ${table} ${columns}${include}${nulls}${options}`),
    bytes(`ALTER TABLE ONLY ${table} ADD CONSTRAINT ${name} ${kind} USING INDEX ${name}${deferred}`)
  ]
}
