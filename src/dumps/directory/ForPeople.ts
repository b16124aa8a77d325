/** What tells people how to restore a directory dump without pgark: `README`, and `restore.psql` for psql. */
import { qualified, quote } from "../../postgres/Identifier.ts"
import type { Method } from "../Compression.ts"
import type { DataFile, Manifest } from "../Manifest.ts"
import * as Layout from "./Layout.ts"

/** What unpacks a file to its standard output. */
const tools: Record<Method, string | undefined> = { none: undefined, gzip: "gzip -dc", zstd: "zstd -dc" }

/** Where psql's `\copy` reads a file from. Names of files are our own: none has to be quoted for a shell. */
const from = (file: string, method: Method): string => {
  const tool = tools[method]
  return tool === undefined ? `'${file}'` : `PROGRAM '${tool} ${file}'`
}

const options = ({ form }: DataFile): string => (form === "binary" ? " (FORMAT binary)" : "")

/** `\copy` of a table by its name. */
const copy = (file: DataFile, method: Method): string => {
  const columns = file.columns.length === 0 ? "" : ` (${file.columns.map(quote).join(", ")})`
  return `\\copy ${qualified(file.schema, file.name)}${columns} FROM ${from(file.file, method)}${options(file)}`
}

const isAscii = (text: string): boolean => !/[^\p{ASCII}]/u.test(text)

/**
 * Whether `\copy` can say these names: it is one line, and is sent as it stands in the file, which is UTF-8, in the
 * encoding in which the rows are.
 */
const canSay = ({ columns, name, schema }: DataFile, encoding: string): boolean => {
  const names = [schema, name, ...columns].join("")
  return !/[\r\n]/.test(names) && (encoding === "UTF8" || isAscii(names))
}

const passing = "pgark_rows"

/** Of a table that `\copy` cannot name: it has another name for a moment. Its columns are all that COPY takes by itself. */
const copyRenamed = (file: DataFile, method: Method, encoding: string): ReadonlyArray<string> => [
  "\\encoding UTF8",
  `SET search_path = ${quote(file.schema)};`,
  `ALTER TABLE ${quote(file.name)} RENAME TO ${passing};`,
  `\\encoding ${encoding}`,
  `\\copy ${passing} FROM ${from(file.file, method)}${options(file)}`,
  "\\encoding UTF8",
  `ALTER TABLE ${passing} RENAME TO ${quote(file.name)};`,
  "SET search_path = '';",
  `\\encoding ${encoding}`
]

/**
 * psql cannot run what a program writes. So large objects that are packed are unpacked into a file for the moment; where
 * that fails there is no name for it, and `\i` fails without.
 */
const largeObjects = (file: string, method: Method): ReadonlyArray<string> => {
  const tool = tools[method]
  if (tool === undefined) return [`\\ir ${file}`]
  const unpack = `file=$(mktemp) && { ${tool} ${file} > "$file" && echo "$file" || rm -f "$file"; }`
  return [`\\set pgark_file \`${unpack}\``, "\\i :pgark_file", "\\set pgark_file `rm -f :'pgark_file'`"]
}

const script = ({ compression, encoding, files }: Manifest): string => {
  const { data = [], sql = [] } = files ?? {}
  const names = new Set(sql.map(({ file }) => file))
  const part = (part: Layout.SqlPart): ReadonlyArray<string> => {
    const file = Layout.sqlFile(part, { method: compression })
    if (!names.has(file)) return []
    return part === "large-objects" ? largeObjects(file, compression) : [`\\ir ${file}`]
  }
  return [
    "-- Restores this dump, in its folder: psql -X -1 -v ON_ERROR_STOP=1 -f restore.psql URL",
    "\\set ON_ERROR_STOP on",
    ...part("pre-data"),
    ...data.flatMap((file) =>
      canSay(file, encoding) ? [copy(file, compression)] : copyRenamed(file, compression, encoding)
    ),
    ...part("large-objects"),
    ...part("sequences"),
    ...part("post-data"),
    ""
  ].join("\n")
}

const readme = ({ compression, encoding, files, source, largeObjects }: Manifest): string => {
  const { data = [] } = files ?? {}
  const tool = tools[compression]?.split(" ")[0]
  const table = data.find((file) => canSay(file, encoding))
  const alone = (file: DataFile) => [
    "",
    "One table alone, into a table that is there: restore.psql has a line for each of its files. From a shell:",
    "",
    "psql -X -v ON_ERROR_STOP=1 URL <<'END'",
    `\\encoding ${encoding}`,
    copy(file, compression),
    "END",
    "",
    "A large table has several files; all of them are needed."
  ]
  return [
    `A dump of the PostgreSQL database ${JSON.stringify(source.database)} (server ${source.serverVersion}), written by pgark.`,
    "",
    "With pgark, which proves it first:",
    "",
    "    pgark restore FOLDER --clean",
    "",
    `Without pgark, with psql${tool === undefined ? "" : ` and ${tool}`}, into an empty database, in this folder:`,
    "",
    "    psql -X -1 -v ON_ERROR_STOP=1 -f restore.psql URL",
    "",
    "It is one transaction: where anything fails, nothing has happened. psql proves nothing. Whether the files are what",
    "they were manifest.json says: it has the SHA-256, the length and the number of rows of each.",
    ...(largeObjects.count === 0 || tool === undefined
      ? []
      : ["", "The large objects are unpacked into a file for the moment, where mktemp puts such files."]),
    ...(table === undefined ? [] : alone(table)),
    "",
    "pre-data.sql    what rows need: schemas, types, functions, tables",
    "data/           the rows, as COPY gave them: .copy is text, .bin the binary form",
    ...(largeObjects.count === 0 ? [] : ["large-objects   the content of large objects"]),
    "sequences.sql   where sequences stand",
    "post-data.sql   what needs rows: indexes, constraints, triggers, rights",
    ""
  ].join("\n")
}

/** The names of these files, and what is in them. */
export const forPeople = (manifest: Manifest): ReadonlyArray<readonly [name: string, text: string]> => [
  ["README", readme(manifest)],
  ["restore.psql", script(manifest)]
]
