/** What only some majors know of a CREATE TABLE. */
import { type Feature, features, storageParameter } from "./Features.ts"
import { bytesOf, type Edit, type Pieces, type Range } from "./Pieces.ts"

/** What is found in a statement, and how it is said without. */
export interface Found {
  readonly feature: Feature
  /** Statements for what is not said in the statement itself. */
  readonly after?: ReadonlyArray<Uint8Array>
}

/** What is found in a CREATE TABLE. */
export interface TableFound {
  readonly found: ReadonlyArray<Found>
  readonly edits: ReadonlyArray<Edit>
  /** Names of its NOT NULL constraints. */
  readonly notNulls: ReadonlyArray<string>
}

const multiranges = new Set([
  "datemultirange",
  "int4multirange",
  "int8multirange",
  "nummultirange",
  "tsmultirange",
  "tstzmultirange"
])

/** The name of the constraint whose word CONSTRAINT stands here, and where its definition begins. */
const constraintAt = (pieces: Pieces, at: number): { readonly name?: string; readonly at: number } => {
  const name = pieces.is(at, "constraint") ? pieces.name(at + 1) : undefined
  return name === undefined ? { at } : { name: name.name, at: name.end }
}

const typeOf = (pieces: Pieces, column: Range): string | undefined => {
  if (pieces.is(column.from, "constraint")) return undefined
  const type = pieces.name(column.from + 1)
  if (type === undefined) return undefined
  return type.schema === undefined || type.schema === "pg_catalog" ? type.name : `${type.schema}.${type.name}`
}

/** Behind its column, or as a constraint of the table, which names the column in between. */
const isNotNullNoInherit = (pieces: Pieces, { from, to }: Range): boolean => {
  const at = pieces.find(["not", "null"], { from, to, depth: 1 })
  return at !== -1 && (pieces.is(at + 2, "no", "inherit") || pieces.is(at + 3, "no", "inherit"))
}

/** What a column, or a constraint of the table, has that only some majors know. */
const ofElement = (pieces: Pieces, element: Range, isMultirange: (type: string) => boolean): ReadonlyArray<Feature> => {
  const { from, to } = element
  const depth = 1
  const has = (...words: ReadonlyArray<string>) => pieces.find(words, { from, to, depth }) !== -1
  const generated = pieces.find(["generated", "always", "as", "("], { from, to, depth })
  const type = typeOf(pieces, element)
  return [
    ...(generated !== -1 && !pieces.is(pieces.close(generated + 3) + 1, "stored") ? [features.virtualColumn] : []),
    ...(has("not", "enforced") ? [features.notEnforced] : []),
    ...(isNotNullNoInherit(pieces, element) ? [features.notNullNoInherit] : []),
    ...(type !== undefined && isMultirange(type) ? [features.multirange] : [])
  ]
}

/** `WITH ( … )` behind the columns. */
const ofStorage = (pieces: Pieces, lacks: (feature: Feature) => boolean) => {
  const at = pieces.find(["with", "("], { depth: 0 })
  const elements = at === -1 ? [] : pieces.list(at + 1)
  const judged = elements.map((element) => {
    const equals = pieces.find(["="], element)
    const name = pieces.tokens[(equals === -1 ? element.to : equals) - 1]?.text ?? ""
    const feature = storageParameter(name, equals === -1 ? "" : (pieces.tokens[equals + 1]?.text ?? ""))
    return { element, feature: feature !== undefined && lacks(feature) ? feature : undefined }
  })
  const found = judged.flatMap(({ feature }) => (feature === undefined ? [] : [feature]))
  const kept = judged.filter(({ feature }) => feature === undefined).map(({ element }) => element)
  const all = { from: at, to: pieces.close(at + 1) + 1 }
  return {
    found,
    edits: found.length === 0 ? [] : [kept.length === 0 ? pieces.replace(all) : pieces.keep(elements, kept)]
  }
}

/** Storage parameters of a materialized view. */
export const ofMaterializedView = (pieces: Pieces, lacks: (feature: Feature) => boolean): TableFound => {
  const storage = ofStorage(pieces, lacks)
  return { found: storage.found.map((feature) => ({ feature })), edits: storage.edits, notNulls: [] }
}

/**
 * What is found in CREATE [FOREIGN] TABLE, as far as the server lacks it.
 *
 * @param isMultirange whether a type (qualified, but for the system's own) is one that the dump has made
 */
export const ofTable = (
  pieces: Pieces,
  lacks: (feature: Feature) => boolean,
  isMultirange: (type: string) => boolean
): TableFound => {
  const table = pieces.find(["table"], { depth: 0 })
  const named = pieces.is(table + 1, "if", "not", "exists") ? table + 4 : table + 1
  const name = pieces.name(named)
  const open = name?.end ?? -1
  const elements = pieces.is(open, "(") ? pieces.list(open) : []
  const known = (type: string) => multiranges.has(type) || isMultirange(type)
  const found: Array<Found> = []
  const notNulls: Array<string> = []
  const kept: Array<Range> = []
  for (const element of elements) {
    const constraint = constraintAt(pieces, element.from)
    const own = ofElement(pieces, element, known).filter(lacks)
    found.push(...own.map((feature) => ({ feature })))
    // NOT NULL as a constraint of the table names its column; as one of a column it stands behind it.
    if (pieces.is(constraint.at, "not", "null")) {
      if (constraint.name !== undefined) notNulls.push(constraint.name)
      if (lacks(features.inheritedNotNull)) {
        const of = pieces.slice({ from: named, to: open })
        const column = pieces.slice({ from: constraint.at + 2, to: constraint.at + 3 })
        const kind = pieces.is(table - 1, "foreign") ? "FOREIGN TABLE" : "TABLE"
        const sql = bytesOf(`ALTER ${kind} `, of, " ALTER COLUMN ", column, " SET NOT NULL")
        found.push({ feature: features.inheritedNotNull, after: [sql] })
        continue
      }
    } else {
      const inner = pieces.find(["constraint"], { ...element, from: element.from + 1, depth: 1 })
      const ofColumn = constraintAt(pieces, inner)
      if (ofColumn.name !== undefined && pieces.is(ofColumn.at, "not", "null")) {
        notNulls.push(ofColumn.name)
        found.push({ feature: features.notNullName })
      }
    }
    kept.push(element)
  }
  const storage = ofStorage(pieces, lacks)
  return {
    found: [...found, ...storage.found.map((feature) => ({ feature }))],
    edits: [...(kept.length === elements.length ? [] : [pieces.keep(elements, kept)]), ...storage.edits],
    notNulls
  }
}

/** Types whose order depends on the locale, unless a COLLATE says otherwise. */
const ordered = new Set(["text", "character", "varchar", "char", "bpchar", "citext"])

/** Whether a CREATE TABLE makes partitions by ranges of text, in the database's own order. */
export const isRangedByText = (pieces: Pieces): boolean => {
  const range = pieces.find(["partition", "by", "range", "("], { depth: 0 })
  const open = pieces.find(["("], { depth: 0 })
  if (range === -1 || open === -1) return false
  const columns = new Map(
    pieces
      .list(open)
      .map((element) => [
        pieces.tokens[element.from]?.text ?? "",
        ordered.has(pieces.tokens[element.from + 1]?.text ?? "") && pieces.find(["collate"], element) === -1
      ])
  )
  // Of an expression nothing is known.
  return pieces
    .list(range + 3)
    .some((key) => pieces.find(["collate"], key) === -1 && columns.get(pieces.tokens[key.from]?.text ?? "") === true)
}
