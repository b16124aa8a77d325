/**
 * What pg_dump writes of large objects, as it is stored: without the BEGIN and COMMIT of its own around them, which would
 * end the transaction of whoever runs it, and without `\restrict`.
 */
import type { StatementText } from "../../postgres/script/ScriptEvent.ts"
import { SqlScanner } from "../../postgres/script/SqlScript.ts"
import { unrestricted } from "./PgDumpText.ts"

const brackets = new Set(["BEGIN", "COMMIT"])

const semicolon = 1

/** Push what pg_dump writes, in order, cut anywhere; then end it. Both give what is to be stored. */
export class LargeObjectScript {
  private readonly scanner = new SqlScanner()
  /** What is not handed on yet: less than one statement, and what stands before it. */
  private held: Buffer = Buffer.alloc(0)
  /** Offset of that in the script. */
  private from = 0

  push(chunk: Uint8Array): Uint8Array {
    this.held = Buffer.concat([this.held, chunk])
    return Buffer.concat(
      this.scanner.push(chunk).flatMap((event) => (event._tag === "Statement" ? this.take(event) : []))
    )
  }

  end(): Uint8Array {
    return unrestricted(this.held)
  }

  private take({ bytes, offset }: StatementText): ReadonlyArray<Uint8Array> {
    const end = offset + bytes.length + semicolon - this.from
    const gap = unrestricted(this.held.subarray(0, offset - this.from))
    const statement = this.held.subarray(offset - this.from, end)
    this.held = this.held.subarray(end)
    this.from += end
    return bytes.length <= 6 && brackets.has(Buffer.from(bytes).toString("latin1")) ? [gap] : [gap, statement]
  }
}
