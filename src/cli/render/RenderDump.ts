/** Dumps as `list` and `inspect` show them. */
import * as DateTime from "effect/DateTime"
import type { JudgedDump } from "../../dumps/DumpListing.ts"
import type { Leftover } from "../../dumps/Leftovers.ts"
import type { WrittenDump } from "../../dumps/DumpStore.ts"
import type { contentFields, DumpTool, Manifest } from "../../dumps/Manifest.ts"
import { unpackedBytes } from "../../dumps/Unpacked.ts"
import type * as Schema from "effect/Schema"
import { count, listed, plural } from "../../pipeline/Words.ts"
import * as RenderReport from "./RenderReport.ts"
import { hang } from "../output/Text.ts"
import * as Units from "../output/Units.ts"

/** How long before `now` a moment was. */
export const age = (at: DateTime.Utc, now: DateTime.Utc): string =>
  Units.ago(DateTime.toEpochMillis(now) - DateTime.toEpochMillis(at))

/** Columns of the verdicts. */
const width = "  NOT PROVEN  ".length

const below = (text: string): string => hang(" ".repeat(width), text)

const label = ({ name, note }: { readonly name?: string; readonly note?: string }): ReadonlyArray<string> => {
  const text = [name, note].filter((part) => part !== undefined).join(": ")
  return text === "" ? [] : [below(text)]
}

/** A file on a line of its own, to be copied whole; what is known of it hangs below. */
export const listedDump = (dump: JudgedDump, now: DateTime.Utc): ReadonlyArray<string> => {
  const { at, compression, file, files, readAt, rows, size, tables, unpacked, verdict } = dump
  const read = age(readAt, now)
  const verdicts = { manifest: "  proven", structure: "  complete" }
  const facts = [
    `made ${age(at, now)}`,
    RenderReport.stored(size, compression, unpacked),
    ...(files === undefined ? [] : [`a folder with rows in ${plural(files, "file")}`]),
    ...(tables === undefined ? [] : [plural(tables, "table")]),
    ...(rows === undefined ? [] : [plural(rows, "row")]),
    ...(verdict.proven && verdict.against === "structure" ? ["no manifest to hold it against"] : []),
    `${verdict.proven && verdict.against === "manifest" ? "proven" : "read"} ${read}`
  ]
  const word = verdict.proven ? verdicts[verdict.against] : "  NOT PROVEN"
  return [
    file,
    hang(word.padEnd(width), facts.join(", ")),
    ...label(dump),
    ...RenderReport.narrowing(dump).map(below),
    ...(verdict.proven ? [] : [below(verdict.problem)])
  ]
}

const whatLeft: Record<Leftover["kind"], readonly [word: string, why: string]> = {
  unfinished: ["  unfinished", "under way, or left by a run that was killed"],
  "without dump": ["  no dump", "a manifest whose dump is missing"]
}

/** Something in the folder that is no dump. */
export const leftover = ({ at, file, kind, size }: Leftover, now: DateTime.Utc): ReadonlyArray<string> => {
  const [word, why] = whatLeft[kind]
  return [file, hang(word.padEnd(width), `${why}; last written to ${age(at, now)}, ${Units.bytes(size)}`)]
}

/** Rows of all tables. */
export const rowsOf = (tables: ReadonlyArray<{ readonly rows: number }>): number =>
  tables.reduce((sum, { rows }) => sum + rows, 0)

/**
 * A dump that was written and proven just now: its file alone in the first line.
 *
 * @param from where it is said what to leave out, if not on the command line
 */
export const written = (
  { file, manifest, size }: WrittenDump,
  from: ReadonlyArray<string> = []
): ReadonlyArray<string> => {
  const { compression, format, largeObjects, name, note, tables, tool } = manifest
  return [
    file,
    line(
      "holds",
      [plural(tables.length, "table"), plural(rowsOf(tables), "row"), plural(largeObjects.count, "large object")].join(
        ", "
      )
    ),
    line(
      "size",
      `${RenderReport.stored(size, compression, unpackedBytes(format, manifest))}; proven while it was written`
    ),
    line("tool", toolWords(tool)),
    ...lines("narrowed", [...RenderReport.narrowing(manifest), ...from.map((place) => `as set by ${place}`)]),
    ...inLine("name", name === undefined ? [] : [name]),
    ...inLine("note", note === undefined ? [] : [note])
  ]
}

/** How many lines of tables or sequences are shown. */
const shown = 20

/** A line of the head of a report. */
export const line = (name: string, text: string): string => hang(`  ${name.padEnd(11)}`, text)

const lines = (name: string, texts: ReadonlyArray<string>): ReadonlyArray<string> =>
  texts.map((text, index) => line(index === 0 ? name : "", text))

const inLine = (name: string, texts: ReadonlyArray<string>): ReadonlyArray<string> =>
  texts.length === 0 ? [] : [line(name, texts.join(", "))]

const toolWords = ({ kind, name, version }: DumpTool): string =>
  `${name} ${version}${kind === "wasm" ? " (WebAssembly)" : ""}`

/** Rows of cells with every column but the first to the right. */
const aligned = (rows: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("  ")
      .trimEnd()
  )
}

const qualified = ({ name, schema }: { readonly name: string; readonly schema: string }): string =>
  schema === "" ? name : `${schema}.${name}`

const section = (title: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  if (rows.length === 0) return []
  const more = rows.length - shown
  return [
    "",
    ...aligned([title, ...rows.slice(0, shown)]).map((text) => `  ${text}`),
    ...(more > 0 ? [`  … and ${count(more)} more (all of them with --json)`] : [])
  ]
}

/** What is in a dump: of its proof, or as its manifest says it. */
export type Held = Pick<
  Schema.Struct.Type<typeof contentFields>,
  "encoding" | "largeObjects" | "objects" | "prismaMigrations" | "roles" | "schemas" | "sequences" | "sql" | "tables"
>

/** Tables, the biggest first. */
export const bySize = (tables: Held["tables"]): Held["tables"] =>
  tables.toSorted((a, b) => b.bytes - a.bytes || b.rows - a.rows || (qualified(a) < qualified(b) ? -1 : 1))

const migrations = ({ prismaMigrations }: Held): ReadonlyArray<string> => {
  if (prismaMigrations === undefined) return []
  const { applied, failed, unfinished } = prismaMigrations
  return lines("Prisma", [
    `${plural(applied, "migration")} applied`,
    ...(failed.length === 0 ? [] : [`failed: ${failed.join(", ")}`]),
    ...(unfinished.length === 0 ? [] : [`not ended: ${unfinished.join(", ")}`])
  ])
}

/** Tables, sequences, objects. */
export const content = (held: Held): ReadonlyArray<string> => {
  const { encoding, largeObjects, objects, roles, schemas, sequences, tables } = held
  return [
    line(
      "holds",
      [
        plural(tables.length, "table"),
        plural(rowsOf(tables), "row"),
        plural(sequences.length, "sequence"),
        plural(largeObjects.count, "large object") +
          (largeObjects.count === 0 ? "" : ` (${Units.bytes(largeObjects.bytes)})`)
      ].join(", ")
    ),
    ...inLine(
      "objects",
      Object.entries(objects)
        .toSorted(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))
        .map(([type, number]) => `${count(number)} ${type}`)
    ),
    ...inLine("schemas", listed(schemas)),
    ...inLine("roles", listed(roles)),
    ...inLine("text", encoding === "" ? [] : [encoding]),
    ...migrations(held),
    ...section(
      ["table", "rows", "bytes"],
      bySize(tables).map((table) => [qualified(table), count(table.rows), Units.bytes(table.bytes)])
    ),
    ...section(
      ["sequence", "value"],
      sequences.map((sequence) => [qualified(sequence), `${sequence.value}${sequence.called ? "" : " (next)"}`])
    )
  ]
}

/** Where a dump comes from, and what its database was like. */
export const origin = (manifest: Manifest, now: DateTime.Utc): ReadonlyArray<string> => {
  const { catalog, source, tool } = manifest
  const { collate, ctype, extensions, locale, localeProvider, states } = catalog
  const left = RenderReport.narrowing(manifest)
  return [
    ...inLine("name", manifest.name === undefined ? [] : [manifest.name]),
    ...inLine("note", manifest.note === undefined ? [] : [manifest.note]),
    line("made", `${DateTime.formatIso(manifest.createdAt)} (${age(manifest.createdAt, now)})`),
    line("source", `${source.user}@${source.host}:${source.port}/${source.database}`),
    line("server", `PostgreSQL ${source.serverVersion}`),
    line(
      "locale",
      [
        catalog.encoding,
        `collate ${collate}`,
        `ctype ${ctype}`,
        ...(localeProvider === undefined ? [] : [`${localeProvider} ${locale ?? ""}`.trimEnd()])
      ].join(", ")
    ),
    line("tool", `${toolWords(tool)}, pgark ${manifest.pgark}`),
    ...lines("narrowed", left),
    ...inLine(
      "extensions",
      extensions.map(({ name, version }) => `${name} ${version}`)
    ),
    ...lines(
      "unusual",
      listed(
        states.map(({ kind, object, state }) => `${kind} ${object}: ${state}`),
        shown
      )
    )
  ]
}
