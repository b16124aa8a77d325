/** The large objects of a dump, as its own calls write them. */
import { createHash, type Hash } from "node:crypto"
import type { LargeObjectContents } from "./Manifest.ts"

/** `pg_dump` writes the bytes as `'\x…'`, with the backslash doubled where strings take escapes. */
const hexadecimal = /'\\{1,2}x([0-9a-fA-F]*)'/

/** Adds up what is written into each. */
export class LargeObjectReading {
  private count = 0
  private bytes = 0
  private open: { readonly oid: string; readonly hash: Hash } | undefined
  private readonly digests: Array<{ readonly oid: bigint; readonly sha256: string }> = []

  /** `lo_create`. */
  create(): void {
    this.count++
  }

  /** `lo_open`; a call that names none opens none that can be told. */
  begin(oid: string | undefined): void {
    this.open = oid === undefined || !/^\d+$/.test(oid) ? undefined : { oid, hash: createHash("sha256") }
  }

  /** `lowrite`, as it stands in the dump. */
  write(statement: Uint8Array): void {
    const [, digits = ""] = hexadecimal.exec(Buffer.from(statement).toString("latin1")) ?? []
    const content = Buffer.from(digits, "hex")
    this.bytes += content.length
    this.open?.hash.update(content)
  }

  /** `lo_close`. */
  close(): void {
    if (this.open !== undefined) {
      this.digests.push({ oid: BigInt(this.open.oid), sha256: this.open.hash.digest("hex") })
    }
    this.open = undefined
  }

  /** All of them. Call it once. */
  finish(): LargeObjectContents {
    const lines = this.digests
      .toSorted((a, b) => (a.oid < b.oid ? -1 : a.oid > b.oid ? 1 : 0))
      .map(({ oid, sha256 }) => `${oid} ${sha256}\n`)
    return { count: this.count, bytes: this.bytes, sha256: createHash("sha256").update(lines.join("")).digest("hex") }
  }
}
