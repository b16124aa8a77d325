/** What may happen to a dump's file on its way: cut, changed, mixed up with another. */
import * as zlib from "node:zlib"
import type { Method } from "../../src/dumps/Compression.ts"
import { SqlScanner } from "../../src/postgres/script/SqlScript.ts"
import * as Chance from "./Chance.ts"

/** The files of a dump as they lie in its folder. */
export interface Stored {
  readonly method: Method
  readonly bytes: Buffer
  /** JSON of its manifest; none where another tool made the dump. */
  readonly manifest?: string
}

/** One thing that has happened, and what lies in the folder then. */
export interface Damage {
  readonly name: string
  readonly bytes: () => Uint8Array
  readonly manifest?: string | undefined
}

/** Ways of packing that this Node knows. */
export const methods: ReadonlyArray<Method> = "createZstdCompress" in zlib ? ["none", "gzip", "zstd"] : ["none", "gzip"]

/** Packs as pgark does. */
export const pack = (method: Method, sql: Uint8Array): Buffer => {
  switch (method) {
    case "none":
      return Buffer.from(sql)
    case "gzip":
      return zlib.gzipSync(sql, { level: 1 })
    case "zstd":
      return zlib.zstdCompressSync(sql, { params: { [zlib.constants.ZSTD_c_checksumFlag]: 1 } })
  }
}

const unpack = ({ bytes, method }: Stored): Buffer =>
  method === "none" ? bytes : method === "gzip" ? zlib.gunzipSync(bytes) : zlib.zstdDecompressSync(bytes)

/** Lines that are something by themselves: headers of objects, COPY, the end of its data, commands of psql. */
const lines = /^(?:-- .+\n|COPY .* FROM stdin;\n|\\\.|\\(?:un)?restrict .*)$/gm

/** Bytes at the end of which each is a border: pg_dump's closing lines. */
const closing = 120

/** Offsets at which something begins or ends: every statement, COPY block, header, and each byte of the closing lines. */
const borders = (sql: Buffer): ReadonlyArray<number> => {
  const scanner = new SqlScanner()
  const statements = [...scanner.push(sql), ...scanner.end()].flatMap((event) =>
    event._tag === "Statement" || event._tag === "CopyStart"
      ? [event.offset, event.offset + event.bytes.length + 1]
      : []
  )
  const marked = Array.from(sql.toString("latin1").matchAll(lines)).flatMap(({ 0: { length }, index }) => [
    index,
    index + length
  ])
  const last = Array.from({ length: closing }, (_, at) => sql.length - closing + at)
  return [...new Set([...statements, ...marked, ...last])].filter((at) => at < sql.length).toSorted((a, b) => a - b)
}

/** Where a dump of another tool is whole: behind it only white space may be missing. */
const lastByte = (sql: Buffer): number => sql.toString("latin1").trimEnd().length

/** Streams of numbers by chance, one for each use. */
const streams = { cuts: 1, flips: 2, flipped: 3, borders: 4 }

/** Cut at so many places by chance. Of a plain dump without manifest not where only white space would be missing. */
export const cuts = (stored: Stored, count: number): ReadonlyArray<Damage> => {
  const { bytes, manifest, method } = stored
  const length = method === "none" && manifest === undefined ? lastByte(bytes) : bytes.length
  return Chance.integers(streams.cuts, count, length).map((at) => cut(stored, at))
}

const cut = ({ bytes, manifest }: Stored, at: number): Damage => ({
  name: `cut at byte ${at} of ${bytes.length}`,
  bytes: () => bytes.subarray(0, at),
  manifest
})

/**
 * Cut at structural borders: its SQL wherever something begins or ends, and packed again where it was packed, as a pipe
 * does when its first program fails; of what packs it the first and the last bytes.
 */
export const borderCuts = (stored: Stored, count = Infinity): ReadonlyArray<Damage> => {
  const { bytes, manifest, method } = stored
  const sql = unpack(stored)
  const length = manifest === undefined ? lastByte(sql) : sql.length
  const within = Chance.sample(streams.borders, count, borders(sql)).filter((at) => at < length)
  const ends = Array.from({ length: 20 }, (_, at) => [at, bytes.length - 1 - at]).flat()
  return [
    ...within.map((at) => ({
      name: `cut at the border ${at} of its ${sql.length} bytes of SQL`,
      bytes: () => pack(method, sql.subarray(0, at)),
      manifest
    })),
    ...(method === "none" ? [] : ends.map((at) => cut(stored, at)))
  ]
}

/** One byte changed to another, at so many places by chance. */
export const flips = ({ bytes, manifest }: Stored, count: number): ReadonlyArray<Damage> => {
  const bits = Chance.integers(streams.flipped, count, 255)
  return Chance.integers(streams.flips, count, bytes.length).map((at, index) => ({
    name: `byte ${at} of ${bytes.length} xor ${bits[index]! + 1}`,
    bytes: () => {
      const changed = Buffer.from(bytes)
      changed[at] = changed[at]! ^ (bits[index]! + 1)
      return changed
    },
    manifest
  }))
}

const copyBlock = /^COPY (.*?) \(.* FROM stdin;\n(?:[^\\\n].*\n|\\[^.\n].*\n|\n)*\\\.\n/gm

/** Without one COPY block after the other: gone, and with blanks in its place. */
export const lostBlocks = (stored: Stored): ReadonlyArray<Damage> => {
  const sql = unpack(stored).toString("latin1")
  return Array.from(sql.matchAll(copyBlock)).flatMap(({ 0: block, 1: table, index }) =>
    ["", " ".repeat(block.length)].map((filling) => ({
      name: `without the COPY of ${table}${filling === "" ? "" : ", of the same length"}`,
      bytes: () =>
        pack(stored.method, Buffer.from(sql.slice(0, index) + filling + sql.slice(index + block.length), "latin1")),
      manifest: stored.manifest
    }))
  )
}

/** Mixed up with another dump: either file in the place of the other's. */
export const mixed = (one: Stored, other: Stored): ReadonlyArray<Damage> => [
  { name: "another dump's file beside its manifest", bytes: () => other.bytes, manifest: one.manifest },
  { name: "another dump's manifest beside its file", bytes: () => one.bytes, manifest: other.manifest }
]
