/**
 * The members of a tar file, read before pg_restore is: of one that is cut inside a member, pg_restore 15.18 reads the
 * end for ever.
 */
import * as fs from "node:fs/promises"
import * as Effect from "effect/Effect"
import type { DumpMissing, DumpUnreadable } from "../DumpError.ts"
import * as DumpFile from "../DumpFile.ts"

/** A member: where its content begins in the file, and its length, in bytes. */
export interface Member {
  readonly name: string
  readonly start: number
  readonly size: number
}

/** What is wrong with a tar file, as the end of a sentence. */
export interface TarBroken {
  readonly _tag: "TarBroken"
  readonly reason: string
}

const broken = (reason: string): TarBroken => ({ _tag: "TarBroken", reason })

const block = 512

const text = (header: Buffer, at: number, length: number): string =>
  header.toString("latin1", at, at + length).split("\0", 1)[0] ?? ""

/** A number in octal digits, or, from 8 GB on, with the highest bit set, in binary. */
const number = (header: Buffer, at: number, length: number): number =>
  (header[at]! & 0x80) === 0
    ? Number.parseInt(text(header, at, length).trim() || "0", 8)
    : Number(BigInt(`0x${header.toString("hex", at + 1, at + length)}`))

/** The sum of a header's bytes, its own eight taken as blanks. */
const checksum = (header: Buffer): number =>
  header.reduce((sum, byte, at) => sum + (at >= 148 && at < 156 ? 0x20 : byte), 0)

/**
 * All members, in their order. Fails where a header is damaged, where a member reaches over the end of the file, and
 * where the two empty blocks are missing that end it.
 *
 * @see https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html#tag_20_92_13_06 (ustar)
 */
export const members = Effect.fn("Tar.members")(function* (
  file: string
): Effect.fn.Return<ReadonlyArray<Member>, TarBroken | DumpMissing | DumpUnreadable> {
  const found = yield* Effect.tryPromise({ try: () => walk(file), catch: DumpFile.cannotOpen(file) })
  return "reason" in found ? yield* Effect.fail(found) : found
})

const walk = async (file: string): Promise<ReadonlyArray<Member> | TarBroken> => {
  const handle = await fs.open(file, "r")
  try {
    const { size: length } = await handle.stat()
    const found: Array<Member> = []
    const header = Buffer.alloc(block)
    for (let at = 0; ;) {
      if (at + block > length) return broken("it is cut: the end of the tar file is missing")
      await handle.read(header, 0, block, at)
      if (header.every((byte) => byte === 0)) {
        if (at + 2 * block > length) return broken("it is cut: the end of the tar file is missing")
        return found
      }
      if (number(header, 148, 8) !== checksum(header)) return broken(`its tar header at offset ${at} is damaged`)
      const size = number(header, 124, 12)
      // A sum is soon right of a header that somebody has made up: with a negative size this would go round for ever.
      if (!Number.isSafeInteger(size) || size < 0) return broken(`its tar header at offset ${at} is damaged`)
      const name = text(header, 0, 100)
      if (at + block + size > length) return broken(`it is cut inside ${name}`)
      found.push({ name, start: at + block, size })
      at += block + Math.ceil(size / block) * block
    }
  } finally {
    await handle.close()
  }
}
