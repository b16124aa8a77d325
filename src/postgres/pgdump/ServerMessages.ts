/**
 * The messages of a server, watched as they pass by in pieces of any size: what is looked for is its refusals.
 *
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html
 */

/** An ErrorResponse, under the names that the `pg` driver gives its fields. */
export type ServerRefusal = Readonly<Record<string, string>>

/** The fields of an ErrorResponse that pgark reads. V is the severity that is never translated. */
const fieldNames: Readonly<Record<string, string>> = {
  V: "severity",
  C: "code",
  M: "message",
  D: "detail",
  H: "hint",
  W: "where"
}

const errorResponse = 0x45
const headerLength = 5
/** Refusals are short; one beyond this is passed by. */
const longest = 1 << 20

export class ServerMessages {
  /** The last refusal that has passed. */
  refusal: ServerRefusal | undefined
  readonly #header = new Uint8Array(headerLength)
  #inHeader = 0
  #left = 0
  #body: Array<Uint8Array> | undefined

  /** Looks at the next bytes of the stream, `length` of them from `from` on. */
  pass(bytes: Uint8Array, from: number, length: number): void {
    const to = from + length
    let at = from
    while (at < to) {
      if (this.#left === 0) {
        this.#header[this.#inHeader++] = bytes[at++]!
        if (this.#inHeader === headerLength) this.#begin()
        continue
      }
      const taken = Math.min(this.#left, to - at)
      this.#body?.push(bytes.slice(at, at + taken))
      at += taken
      this.#left -= taken
      if (this.#left === 0) this.#end()
    }
  }

  #begin(): void {
    const [type, a, b, c, d] = this.#header as unknown as readonly [number, number, number, number, number]
    this.#inHeader = 0
    // The length counts itself and not the type.
    this.#left = ((a << 24) | (b << 16) | (c << 8) | d) - 4
    this.#body = type === errorResponse && this.#left <= longest ? [] : undefined
  }

  #end(): void {
    if (this.#body === undefined) return
    const fields = Buffer.concat(this.#body).toString("utf8").split("\0")
    this.refusal = Object.fromEntries(
      fields.flatMap((field) => {
        const name = fieldNames[field.slice(0, 1)]
        return name === undefined ? [] : [[name, field.slice(1)]]
      })
    )
    this.#body = undefined
  }
}
