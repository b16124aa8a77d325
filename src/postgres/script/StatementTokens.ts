/** Reading the first words of one SQL statement. */
import { blank, classOf, dollar, doubleQuote, letter, quoteMark, wordBytes } from "./SqlBytes.ts"

/** A piece of a statement. Words are in lower case (PostgreSQL folds them so), names and texts without quotes. */
export interface Token {
  readonly type: "word" | "name" | "text" | "number" | "symbol"
  readonly text: string
  /** Where it stands in the statement, in bytes: from `at` up to, and without, `end`. */
  readonly at: number
  readonly end: number
}

/** A name, with its schema where it is written with one. */
export interface QualifiedName {
  readonly schema?: string
  readonly name: string
}

/** From the bytes of a dump to text, in the dump's encoding. */
export type Decode = (bytes: Uint8Array) => string

const escapes: Record<string, string> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" }

const unescape = (text: string): string =>
  text.replace(/\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|x[0-9a-fA-F]{1,2}|[0-7]{1,3}|[^])/g, (_, escaped: string) => {
    if (/^[uUx][0-9a-fA-F]/.test(escaped)) return String.fromCodePoint(Number.parseInt(escaped.slice(1), 16))
    if (/^[0-7]/.test(escaped)) return String.fromCodePoint(Number.parseInt(escaped, 8))
    return escapes[escaped] ?? escaped
  })

/** A statement, token by token; comments and blanks are passed over. Reads only as far as it is asked. */
export class StatementTokens {
  private position = 0
  private readonly ahead: Array<Token | undefined> = []
  private readonly bytes: Uint8Array
  private readonly decode: Decode

  constructor(bytes: Uint8Array, decode: Decode) {
    this.bytes = bytes
    this.decode = decode
  }

  /** The token that comes after `skip` others, without taking it; undefined behind the last. */
  peek(skip = 0): Token | undefined {
    while (this.ahead.length <= skip) this.ahead.push(this.read())
    return this.ahead[skip]
  }

  /** Takes the next token. */
  next(): Token | undefined {
    const token = this.peek()
    this.ahead.shift()
    return token
  }

  /** Takes these words (and symbols) if they come next, all of them or none. */
  take(...words: ReadonlyArray<string>): boolean {
    const here = words.every((word, index) => {
      const token = this.peek(index)
      return token !== undefined && (token.type === "word" || token.type === "symbol") && token.text === word
    })
    if (here) for (const _ of words) this.next()
    return here
  }

  /** Takes one identifier: a word or a quoted name. */
  identifier(): string | undefined {
    const token = this.peek()
    if (token === undefined || (token.type !== "word" && token.type !== "name")) return undefined
    return this.next()?.text
  }

  /** Takes `name` or `schema.name` (of longer names, the last two parts). */
  qualified(): QualifiedName | undefined {
    let name = this.identifier()
    if (name === undefined) return undefined
    let schema: string | undefined
    while (this.take(".")) {
      schema = name
      name = this.identifier() ?? ""
    }
    return schema === undefined ? { name } : { schema, name }
  }

  /** Takes `+++` or `schema.+++`. */
  operator(): QualifiedName | undefined {
    const schema = this.peek(1)?.text === "." ? this.identifier() : undefined
    if (schema !== undefined) this.take(".")
    let name = ""
    while (this.peek()?.type === "symbol" && this.peek()?.text !== "(") name += this.next()?.text ?? ""
    if (name === "") return undefined
    return schema === undefined ? { name } : { schema, name }
  }

  /** Takes names up to the first token that is neither name nor comma. */
  names(): ReadonlyArray<string> {
    const names: Array<string> = []
    do {
      const name = this.identifier()
      if (name === undefined) break
      names.push(name)
    } while (this.take(","))
    return names
  }

  /** Takes everything up to these words outside parentheses, and the words; false (all is taken) if they never come. */
  skipTo(...words: ReadonlyArray<string>): boolean {
    let depth = 0
    while (this.peek() !== undefined) {
      if (depth === 0 && this.take(...words)) return true
      const token = this.next()
      if (token?.type !== "symbol") continue
      if (token.text === "(") depth++
      if (token.text === ")") depth--
    }
    return false
  }

  /** The text from here on, as it is written. */
  rest(): string {
    const words: Array<string> = []
    for (let token = this.next(); token !== undefined; token = this.next()) {
      words.push(token.type === "text" ? `'${token.text.replaceAll("'", "''")}'` : token.text)
    }
    return words.join(" ")
  }

  private skipBlank(): void {
    const { bytes } = this
    for (;;) {
      while (this.position < bytes.length && classOf[bytes[this.position]!] === blank) this.position++
      const two = String.fromCharCode(bytes[this.position] ?? 0, bytes[this.position + 1] ?? 0)
      if (two === "--") {
        while (this.position < bytes.length && bytes[this.position] !== 0x0a && bytes[this.position] !== 0x0d) {
          this.position++
        }
      } else if (two === "/*") this.skipBlock()
      else return
    }
  }

  private skipBlock(): void {
    let depth = 0
    do {
      const two = String.fromCharCode(this.bytes[this.position] ?? 0, this.bytes[this.position + 1] ?? 0)
      if (two === "/*") depth++
      if (two === "*/") depth--
      this.position += two === "/*" || two === "*/" ? 2 : 1
    } while (depth > 0 && this.position < this.bytes.length)
  }

  private read(): Token | undefined {
    this.skipBlank()
    const { bytes } = this
    const start = this.position
    const byte = bytes[start]
    if (byte === undefined) return undefined
    const next = bytes[start + 1]
    if (byte === quoteMark) return this.token("text", this.quoted(start, quoteMark), start)
    if (byte === doubleQuote) return this.token("name", this.quoted(start, doubleQuote), start)
    if ((byte === 0x45 || byte === 0x65) && next === quoteMark) {
      return this.token("text", unescape(this.quoted(start + 1, quoteMark, true)), start)
    }
    if (classOf[byte] === letter) {
      const text = this.decode(this.run(start))
      const folded = text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
      return this.token("word", folded, start)
    }
    if (byte === dollar) return this.token("text", this.dollarQuoted(start), start)
    if (byte >= 0x30 && byte <= 0x39) return this.token("number", this.decode(this.run(start)), start)
    this.position++
    return this.token("symbol", String.fromCharCode(byte), start)
  }

  /** A token whose end has been read up to. */
  private token(type: Token["type"], text: string, at: number): Token {
    return { type, text, at, end: this.position }
  }

  private run(start: number): Uint8Array {
    let at = start + 1
    while (at < this.bytes.length && wordBytes[this.bytes[at]!] === 1) at++
    this.position = at
    return this.bytes.subarray(start, at)
  }

  private quoted(start: number, quote: number, escaped = false): string {
    const { bytes } = this
    let at = start + 1
    while (at < bytes.length) {
      if (escaped && bytes[at] === 0x5c) at++
      else if (bytes[at] === quote) {
        if (bytes[at + 1] !== quote) break
        at++
      }
      at++
    }
    this.position = at + 1
    const mark = String.fromCharCode(quote)
    return this.decode(bytes.subarray(start + 1, at)).replaceAll(mark + mark, mark)
  }

  private dollarQuoted(start: number): string {
    const text = Buffer.from(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength)
    const tagEnd = text.indexOf(dollar, start + 1) + 1
    const tag = text.subarray(start, tagEnd)
    const end = tagEnd === 0 ? -1 : text.indexOf(tag, tagEnd)
    this.position = end === -1 ? text.length : end + tag.length
    return end === -1 ? "" : this.decode(text.subarray(tagEnd, end))
  }
}
