/** Copies rows of a part into their table. */
import * as Effect from "effect/Effect"
import type { DumpDamaged } from "../../../dumps/DumpError.ts"
import type { DatabaseError } from "../../../postgres/DatabaseError.ts"
import { quote } from "../../../postgres/Identifier.ts"
import type { SessionService } from "../../../postgres/Session.ts"
import { changedSince } from "../Statements.ts"
import type { RowSource, TablePart } from "./RowSource.ts"

/** Encodings in which the bytes of a statement that JavaScript makes are what the server takes them for. */
const asUtf8 = new Set(["", "UTF8", "SQL_ASCII"])

/** An identifier in a statement for a session of this `client_encoding`. */
export const identifier = (name: string, encoding: string): string => {
  // eslint-disable-next-line no-control-regex
  if (asUtf8.has(encoding) || /^[\x00-\x7f]*$/.test(name)) return quote(name)
  const escaped = [...name].map((character) => {
    if (character === '"' || character === "\\") return character.repeat(2)
    const code = character.codePointAt(0) ?? 0
    return code < 0x80 ? character : `\\+${code.toString(16).padStart(6, "0")}`
  })
  return `U&"${escaped.join("")}"`
}

export interface CopyOptions {
  /** `client_encoding` of the session. */
  readonly encoding: string
  /** The transaction has created the table, or emptied it, and nobody else has seen it. */
  readonly freeze: boolean
}

const tableIn = ({ name, schema }: TablePart, encoding: string): string =>
  (schema === "" ? [name] : [schema, name]).map((one) => identifier(one, encoding)).join(".")

/** Empties the table of a part. */
export const truncateSql = (part: TablePart, encoding: string): string => `TRUNCATE ONLY ${tableIn(part, encoding)}`

/** The COPY that takes a part. */
export const copySql = (part: TablePart, { encoding, freeze }: CopyOptions): string => {
  const columns = part.columns.map((one) => identifier(one, encoding))
  const list = columns.length === 0 ? "" : ` (${columns.join(", ")})`
  const options = [...(part.form === "binary" ? ["FORMAT binary"] : []), ...(freeze ? ["FREEZE"] : [])]
  return `COPY ${tableIn(part, encoding)}${list} FROM STDIN${options.length === 0 ? "" : ` WITH (${options.join(", ")})`}`
}

/**
 * Copies a part; gives the rows that the server has counted. DumpDamaged where the part should have had others.
 *
 * @param sent told how many bytes more have been sent
 */
export const copyRows = Effect.fnUntraced(function* <E, R>(
  session: SessionService,
  source: RowSource<E, R>,
  part: TablePart,
  options: CopyOptions,
  sent: (bytes: number) => void
): Effect.fn.Return<number, E | DatabaseError | DumpDamaged, R> {
  const file = part.file ?? part.name
  const place = part.file === undefined ? {} : { file }
  const loaded = yield* session.copyIn(Buffer.from(copySql(part, options)), place, (write) =>
    source.send(part, (chunk) => {
      sent(chunk.length)
      return write(chunk)
    })
  )
  if (part.rows === undefined || part.rows === loaded) return loaded
  return yield* changedSince(`has ${part.rows} rows in ${file}, and the server counts ${loaded}`, file)
})
