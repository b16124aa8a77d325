/**
 * What a restore over several connections consists of: rows, and the statements of post-data that need no more than the
 * rows of a table or two. What waits for what is said here; nothing is run.
 */
import { entriesPerStatement, tableKey } from "../Statements.ts"
import type { PostStatement } from "./ReadAhead.ts"
import type { TablePart } from "./RowSource.ts"
import type { Item } from "./Schedule.ts"
import { type Shape, shapeOf } from "./Shapes.ts"
import type { Decode, QualifiedName } from "../../../postgres/script/StatementTokens.ts"
import { nameOf } from "../../ReadingProgress.ts"

/** A statement of the dump, or a part of what it says. */
export interface Step {
  readonly post: PostStatement
  readonly sql: Uint8Array
  /** With it the dump's statement is done. */
  readonly ends: boolean
}

/** Something to be done in one transaction of one connection. */
export type Work =
  /** Rows of a large table. `alone`: all that it has; pre-data has created it, and it may be emptied before. */
  | { readonly _tag: "Rows"; readonly part: TablePart; readonly alone: boolean }
  /** Small tables, one after the other: rows, and what needs no others. */
  | { readonly _tag: "Tables"; readonly tables: ReadonlyArray<SmallTable> }
  | { readonly _tag: "Statements"; readonly steps: ReadonlyArray<Step>; readonly sorts: boolean }
  /** Large objects and sequences. */
  | { readonly _tag: "Scripts" }
  | { readonly _tag: "Checksums" }
  | { readonly _tag: "Nothing" }

export interface SmallTable {
  readonly parts: ReadonlyArray<TablePart>
  readonly steps: ReadonlyArray<Step>
}

/** A unit of the graph. */
export interface Unit extends Item {
  /** For people. */
  readonly name: string
  readonly work: Work
}

/** All there is to do behind pre-data. */
export interface Units {
  readonly units: ReadonlyArray<Unit>
  /** What runs when all units are done, in the dump's order. */
  readonly rest: ReadonlyArray<PostStatement>
}

export interface UnitsOptions {
  readonly parts: ReadonlyArray<TablePart>
  readonly post: ReadonlyArray<PostStatement>
  /** Whether pre-data has created the table, and it is neither one of partitions nor has heirs: nothing else is locked with it. */
  readonly isPlain: (table: QualifiedName) => boolean
  /**
   * Whether it has columns of another table. A primary key over an index of such a table would make it have by itself what
   * of NOT NULL it has from the other (PostgreSQL 18).
   */
  readonly isHeir: (table: QualifiedName) => boolean
  /** Whether tables may be emptied, so that their rows may come frozen. */
  readonly mayEmpty: boolean
  readonly decode: Decode
  /** Bytes of what the scripts of large objects and sequences do; none where there are none. */
  readonly scripts: number | undefined
  /** Rows are to be added up when all are in. */
  readonly checksums: boolean
  /** Entries of the server's lock table that one transaction may take. */
  readonly budget: number
}

/** A table of less than this has all that is its own done in one transaction, with others. */
export const smallTable = 1 << 20
/** What such a transaction may hold at most. */
const smallTables = { bytes: 4 << 20, tables: 64 }
/** How long an index, and a look at each row, takes, against copying the rows. */
const weights = { index: 0.25, look: 0.15, statement: 20_000 }

/** What may not run before functions that post-data creates: where there are such, calls keep their place. */
const routines = new Set([
  "FUNCTION",
  "PROCEDURE",
  "AGGREGATE",
  "OPERATOR",
  "OPERATOR CLASS",
  "OPERATOR FAMILY",
  "CAST"
])
/** What pg_dump does not write there: nobody knows what comes after it needs of it. */
const unusual = new Set(["Other", "InsertInto", "CopyFrom", "Drop", "Database", "Extension"])

interface Shaped {
  readonly post: PostStatement
  readonly shape: Shape
}

interface Table {
  readonly key: string
  readonly name: string
  readonly bytes: number
  readonly parts: ReadonlyArray<TablePart>
  readonly indexes: ReadonlyArray<Shaped>
}

const nameKey = (schema: string | undefined, name: string): string =>
  tableKey(schema === undefined ? { name } : { schema, name })

/** Which statements are units of the graph, by what they are on. */
const shaped = ({ decode, isPlain, post }: UnitsOptions) => {
  const indexes: Array<Shaped & { readonly key: string }> = []
  const foreignKeys: Array<Shaped & { readonly shape: Extract<Shape, { readonly _tag: "ForeignKey" }> }> = []
  const rest: Array<PostStatement> = []
  /** Tables by the names of their indexes, those of keys among them; and which are keys. */
  const tableOf = new Map<string, string>()
  const keys = new Set<string>()
  /** Tables of which not all indexes are units. */
  const later = new Set<string>()
  let [withRoutines, barred] = [false, false]

  const take = (one: PostStatement): boolean => {
    const { read } = one
    const [bytes] = read.bytes
    const { decision } = read
    if (barred || bytes === undefined || read.bytes.length > 1) return false
    const shape = shapeOf(bytes, decode)
    if (shape === undefined) return false
    const isRun = decision._tag === "Run" && decision.later !== true && decision.unless === undefined
    if (shape._tag === "OfIndex" || shape._tag === "OfConstraint") {
      const name = nameKey(shape._tag === "OfIndex" ? shape.schema : shape.table.schema, shape.name)
      const key = tableOf.get(name)
      if (key === undefined || !isRun) return false
      if (shape._tag === "OfConstraint" && (key !== tableKey(shape.table) || !keys.has(name))) return false
      indexes.push({ post: one, shape, key })
      return true
    }
    const { table } = shape
    const key = tableKey(table)
    if (shape._tag === "ForeignKey") {
      const other = tableKey(shape.references)
      if (!isRun || !isPlain(table) || !isPlain(shape.references) || later.has(key) || later.has(other)) return false
      foreignKeys.push({ post: one, shape })
      return true
    }
    if (!isRun || !isPlain(table) || (shape.calls && withRoutines)) {
      later.add(key)
      return false
    }
    tableOf.set(nameKey(table.schema, shape.name), key)
    if (shape._tag === "Key") keys.add(nameKey(table.schema, shape.name))
    indexes.push({ post: one, shape, key })
    return true
  }

  for (const one of post) {
    const { kind } = one.read
    if (take(one)) continue
    rest.push(one)
    withRoutines ||= kind._tag === "Create" && routines.has(kind.kind)
    barred ||= unusual.has(kind._tag) || kind._tag === "SessionAuthorization"
    if (kind._tag === "Create" && kind.kind === "TABLE") barred = true
  }
  return { indexes, foreignKeys, rest }
}

const step = (post: PostStatement, sql: Uint8Array | undefined = post.read.bytes[0], ends = true): Step => ({
  post,
  sql: sql ?? new Uint8Array(),
  ends
})

const calls = ({ shape }: Shaped) => (shape._tag === "Index" || shape._tag === "Key") && shape.calls

/** A list cut into pieces, each as long as it may be. */
const cut = <A>(list: ReadonlyArray<A>, fits: (piece: ReadonlyArray<A>, next: A) => boolean) => {
  const pieces: Array<Array<A>> = []
  for (const next of list) {
    const last = pieces.at(-1)
    if (last !== undefined && fits(last, next)) last.push(next)
    else pieces.push([next])
  }
  return pieces
}

const plural = (count: number): string => (count === 1 ? "" : ` and ${count - 1} more`)

/** The units of a restore. */
export const unitsOf = (options: UnitsOptions): Units => {
  const { foreignKeys, indexes, rest } = shaped(options)
  const units: Array<Unit> = []
  const tables = new Map<
    string,
    Table & { readonly parts: Array<TablePart>; readonly indexes: Array<Shaped>; bytes: number }
  >()
  const tableAt = (key: string, name: string) => {
    const known = tables.get(key) ?? { key, name, bytes: 0, parts: [], indexes: [] }
    tables.set(key, known)
    return known
  }
  for (const part of options.parts) {
    const table = tableAt(tableKey(part), nameOf(part))
    table.parts.push(part)
    table.bytes += part.bytes
  }
  for (const { key, ...one } of indexes) tableAt(key, key).indexes.push(one)

  const isSmall = ({ bytes, parts }: Table) => bytes < smallTable && parts.length <= 1
  /** What has all of a table ready, by table. */
  const ready = new Map<string, ReadonlyArray<string>>()
  const rowUnits: Array<string> = []
  const allRows = "all rows"
  let calling = false
  /** What adds up the rows has them locked against what locks a table against all others. */
  const unread = options.checksums ? ["checksums"] : []

  /** An index that calls functions waits for all rows, whatever the size of its table. */
  const indexUnits = (table: Table, ofTable: ReadonlyArray<Shaped>, needs: ReadonlyArray<string>) => {
    const builds: Array<string> = []
    const closing: Array<Step> = []
    const whole: Array<Shaped> = []
    const weight = Math.max(weights.statement, table.bytes * weights.index)
    const add = (one: Shaped, name: string, steps: ReadonlyArray<Step>, more: ReadonlyArray<string>) => {
      const id = `index ${table.key} ${units.length}`
      if (calls(one)) calling = true
      const waits = [...needs, ...more, ...(calls(one) ? [allRows] : [])]
      units.push({ id, name, weight, needs: waits, work: { _tag: "Statements", steps, sorts: true } })
      return id
    }
    for (const one of ofTable) {
      const { post, shape } = one
      if (shape._tag === "Index") builds.push(add(one, `INDEX ${shape.name}`, [step(post)], []))
      else if (shape._tag === "Key" && shape.split !== undefined && !(shape.primary && options.isHeir(shape.table))) {
        const [create, attach] = shape.split
        builds.push(add(one, `INDEX ${shape.name}`, [step(post, create, false)], []))
        closing.push(step(post, attach))
      } else if (shape._tag === "Key") whole.push(one)
      else closing.push(step(post))
    }
    let before = builds
    // These lock the table against all others.
    for (const one of whole) {
      const name = one.shape._tag === "Key" ? `CONSTRAINT ${one.shape.name}` : ""
      before = [add(one, name, [step(one.post)], before.concat(unread))]
    }
    if (closing.length === 0) return [...needs, ...before]
    const id = `constraints ${table.key}`
    units.push({
      id,
      name: `constraints of ${table.name}`,
      weight: weights.statement,
      needs: [...needs, ...before, ...unread],
      work: { _tag: "Statements", steps: closing, sorts: false }
    })
    return [id]
  }

  const small: Array<Table> = []
  for (const table of tables.values()) {
    if (isSmall(table)) {
      small.push(table)
      continue
    }
    const gate = `rows of ${table.key}`
    const copies = table.parts.map((part, index) => {
      const id = `copy ${table.key} ${index}`
      const alone = options.mayEmpty && table.parts.length === 1 && options.isPlain(part)
      const work = { _tag: "Rows" as const, part, alone }
      const name = table.parts.length === 1 ? table.name : `${table.name}, part ${index + 1} of ${table.parts.length}`
      units.push({ id, name, weight: part.bytes, needs: [], work })
      return id
    })
    rowUnits.push(gate)
    units.push({ id: gate, name: gate, weight: 0, needs: copies, gate: true, work: { _tag: "Nothing" } })
    ready.set(table.key, indexUnits(table, table.indexes, [gate]))
  }

  const most = Math.max(1, Math.min(smallTables.tables, Math.floor(options.budget / (entriesPerStatement * 4))))
  const groups = cut(
    small.toSorted((one, other) => other.bytes - one.bytes),
    (piece, next) =>
      piece.length < most && piece.reduce((sum, { bytes }) => sum + bytes, next.bytes) <= smallTables.bytes
  )
  for (const [index, group] of groups.entries()) {
    const id = `tables ${index}`
    const own = group.map((table) => {
      // What is about an index that waits waits with it.
      const waits = table.indexes.some(calls)
      const steps = waits ? [] : table.indexes.map(({ post }) => step(post))
      return { table, waits, small: { parts: table.parts, steps } satisfies SmallTable }
    })
    const statements = own.reduce((sum, { small }) => sum + small.steps.length + small.parts.length, 0)
    units.push({
      id,
      name: `${group[0]?.name ?? ""}${plural(group.length)}`,
      weight: group.reduce((sum, { bytes }) => sum + bytes, statements * weights.statement),
      needs: [],
      work: { _tag: "Tables", tables: own.map(({ small }) => small) }
    })
    rowUnits.push(id)
    for (const { table, waits } of own) ready.set(table.key, waits ? indexUnits(table, table.indexes, [id]) : [id])
  }

  const { checksums, scripts } = options
  if (calling || checksums) {
    units.push({ id: allRows, name: allRows, weight: 0, needs: rowUnits, gate: true, work: { _tag: "Nothing" } })
  }
  const total = [...tables.values()].reduce((sum, { bytes }) => sum + bytes, 0)
  if (checksums) {
    const weight = total * weights.look
    units.push({
      id: "checksums",
      name: "checksums of the rows",
      weight,
      needs: [allRows],
      work: { _tag: "Checksums" }
    })
  }
  if (scripts !== undefined) {
    units.push({
      id: "scripts",
      name: "sequences and large objects",
      weight: scripts,
      needs: [],
      work: { _tag: "Scripts" }
    })
  }
  units.push(...foreignKeyUnits(foreignKeys, tables, ready, most))
  return { units, rest }
}

/**
 * Units for foreign keys. To add one locks both tables against writing, so that all indexes are there before, and no two
 * run at once that share a table. Those of large tables are added without a look at the rows, and validated when no other
 * is to be added to their table: two validations of one table would wait for each other.
 */
const foreignKeyUnits = (
  foreignKeys: ReadonlyArray<{
    readonly post: PostStatement
    readonly shape: Extract<Shape, { readonly _tag: "ForeignKey" }>
  }>,
  tables: ReadonlyMap<string, { readonly bytes: number }>,
  ready: ReadonlyMap<string, ReadonlyArray<string>>,
  most: number
): ReadonlyArray<Unit> => {
  const bytesOf = (key: string) => tables.get(key)?.bytes ?? 0
  const all = foreignKeys.map(({ post, shape }) => {
    const [from, to] = [tableKey(shape.table), tableKey(shape.references)]
    return { post, shape, from, to, large: bytesOf(from) >= smallTable && !shape.unchecked }
  })
  const adding = cut(all, (piece, next) => !next.large && !piece[0]?.large && piece.length < most)
  /** The units that add a foreign key from or to a table. */
  const touching = new Map<string, Array<string>>()
  const units: Array<Unit> = []
  for (const [index, piece] of adding.entries()) {
    const id = `foreign keys ${index}`
    const touched = [...new Set(piece.flatMap(({ from, to }) => [from, to]))]
    for (const key of touched) touching.set(key, [...(touching.get(key) ?? []), id])
    units.push({
      id,
      name: `FK CONSTRAINT of ${nameOf({ schema: "", ...piece[0]!.shape.table })}${plural(piece.length)}`,
      weight: weights.statement * piece.length,
      needs: [...new Set(touched.flatMap((key) => ready.get(key) ?? []))],
      holds: touched,
      work: {
        _tag: "Statements",
        sorts: false,
        steps: piece.map(({ large, post, shape }) => (large ? step(post, shape.split[0], false) : step(post)))
      }
    })
  }
  const large = all.filter((one) => one.large)
  return [
    ...units,
    ...large.map(({ from, post, shape }, index): Unit => {
      return {
        id: `validate ${index}`,
        name: `FK CONSTRAINT of ${nameOf({ schema: "", ...shape.table })}`,
        weight: bytesOf(from) * weights.look,
        needs: touching.get(from) ?? [],
        holds: [`validated ${from}`],
        work: { _tag: "Statements", steps: [step(post, shape.split[1])], sorts: true }
      }
    })
  ]
}
