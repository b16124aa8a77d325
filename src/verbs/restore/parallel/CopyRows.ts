/** Copies rows of a part into their table. */
import * as Effect from "effect/Effect"
import type { DumpDamaged } from "../../../dumps/DumpError.ts"
import type { DatabaseError } from "../../../postgres/DatabaseError.ts"
import { qualified, quote } from "../../../postgres/Identifier.ts"
import type { SessionService } from "../../../postgres/Session.ts"
import { changedSince } from "../Statements.ts"
import type { RowSource, TablePart } from "./RowSource.ts"

const tableOf = ({ name, schema }: TablePart): string => (schema === "" ? quote(name) : qualified(schema, name))

/** Empties the table of a part. */
export const truncateSql = (part: TablePart): string => `TRUNCATE ONLY ${tableOf(part)}`

/**
 * The COPY that takes a part.
 *
 * @param freeze the transaction has created the table, or emptied it
 */
export const copySql = (part: TablePart, freeze: boolean): string => {
  const columns = part.columns.length === 0 ? "" : ` (${part.columns.map(quote).join(", ")})`
  const options = [...(part.form === "binary" ? ["FORMAT binary"] : []), ...(freeze ? ["FREEZE"] : [])]
  return `COPY ${tableOf(part)}${columns} FROM STDIN${options.length === 0 ? "" : ` WITH (${options.join(", ")})`}`
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
  freeze: boolean,
  sent: (bytes: number) => void
): Effect.fn.Return<number, E | DatabaseError | DumpDamaged, R> {
  const file = part.file ?? part.name
  const place = part.file === undefined ? {} : { file }
  const loaded = yield* session.copyIn(Buffer.from(copySql(part, freeze)), place, (write) =>
    source.send(part, (chunk) => {
      sent(chunk.length)
      return write(chunk)
    })
  )
  if (part.rows === undefined || part.rows === loaded) return loaded
  return yield* changedSince(`has ${part.rows} rows in ${file}, and the server counts ${loaded}`, file)
})
