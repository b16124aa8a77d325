/** A statement as the list of its tokens, and parts of it taken out or replaced byte by byte. */
import type { Decode, Token } from "../script/StatementTokens.ts"
import { StatementTokens } from "../script/StatementTokens.ts"

/** Tokens from the one up to, and without, the other, by their index. */
export interface Range {
  readonly from: number
  readonly to: number
}

/** Bytes of a statement, and what stands in their place. */
export interface Edit {
  readonly at: number
  readonly end: number
  readonly bytes: Uint8Array
}

const nothing = new Uint8Array()

/** All tokens of a statement. Positions are indexes of tokens, -1 where there is none. */
export class Pieces {
  readonly bytes: Uint8Array
  readonly tokens: ReadonlyArray<Token>
  /** How many parentheses are open before each token; a parenthesis stands outside of itself. */
  private readonly depths: ReadonlyArray<number>

  constructor(bytes: Uint8Array, decode: Decode) {
    this.bytes = bytes
    const reader = new StatementTokens(bytes, decode)
    const tokens: Array<Token> = []
    const depths: Array<number> = []
    let depth = 0
    for (let token = reader.next(); token !== undefined; token = reader.next()) {
      const symbol = token.type === "symbol"
      if (symbol && token.text === ")") depth--
      tokens.push(token)
      depths.push(depth)
      if (symbol && token.text === "(") depth++
    }
    this.tokens = tokens
    this.depths = depths
  }

  /** Whether these words (or symbols) stand there. */
  is(at: number, ...words: ReadonlyArray<string>): boolean {
    return (
      at >= 0 &&
      words.every((word, index) => {
        const token = this.tokens[at + index]
        return token !== undefined && (token.type === "word" || token.type === "symbol") && token.text === word
      })
    )
  }

  /** Where these words stand one after another, with so many parentheses open around them (any number unless told). */
  find(words: ReadonlyArray<string>, within: { readonly depth?: number } & Partial<Range> = {}): number {
    const { depth, from = 0, to = this.tokens.length } = within
    for (let at = from; at < to; at++) {
      if ((depth === undefined || this.depths[at] === depth) && this.is(at, ...words)) return at
    }
    return -1
  }

  /** The parenthesis that closes the one at this place. */
  close(open: number): number {
    return this.find([")"], { from: open + 1, depth: this.depths[open] ?? 0 })
  }

  /** The elements of a list in parentheses, the first of which stands here. */
  list(open: number): ReadonlyArray<Range> {
    const close = this.close(open)
    return close === -1 ? [] : this.split({ from: open + 1, to: close })
  }

  /** What stands between commas. */
  split({ from, to }: Range): ReadonlyArray<Range> {
    if (from >= to) return []
    const depth = this.depths[from] ?? 0
    const elements: Array<Range> = []
    let start = from
    for (let comma = 0; comma !== -1; start = comma + 1) {
      comma = this.find([","], { from: start, to, depth })
      elements.push({ from: start, to: comma === -1 ? to : comma })
      if (comma === -1) break
    }
    return elements
  }

  /** Two names parted by a dot, or one, and where they end. */
  name(at: number): { readonly schema?: string; readonly name: string; readonly end: number } | undefined {
    const first = this.tokens[at]
    if (first === undefined || (first.type !== "word" && first.type !== "name")) return undefined
    const second = this.is(at + 1, ".") ? this.tokens[at + 2] : undefined
    return second === undefined
      ? { name: first.text, end: at + 1 }
      : { schema: first.text, name: second.text, end: at + 3 }
  }

  /** The bytes of some tokens and what stands between them. */
  slice({ from, to }: Range): Uint8Array {
    const [first, last] = [this.tokens[from], this.tokens[to - 1]]
    return first === undefined || last === undefined || to <= from ? nothing : this.bytes.subarray(first.at, last.end)
  }

  /** Takes some tokens out, or puts others in their place. */
  replace({ from, to }: Range, bytes: Uint8Array = nothing): Edit {
    const [first, last] = [this.tokens[from], this.tokens[to - 1]]
    return { at: first?.at ?? 0, end: last?.end ?? 0, bytes }
  }

  /** The list with these of its elements alone. */
  keep(elements: ReadonlyArray<Range>, kept: ReadonlyArray<Range | Uint8Array>): Edit {
    const all = { from: elements[0]?.from ?? 0, to: elements.at(-1)?.to ?? 0 }
    const slices = kept.map((one) => (one instanceof Uint8Array ? one : this.slice(one)))
    return this.replace(all, joined(slices, ", "))
  }

  /** The statement with all of these. */
  edited(edits: ReadonlyArray<Edit>): Uint8Array {
    const parts: Array<Uint8Array> = []
    let position = 0
    for (const { at, bytes, end } of edits.toSorted((one, other) => one.at - other.at)) {
      parts.push(this.bytes.subarray(position, at), bytes)
      position = end
    }
    return Buffer.concat([...parts, this.bytes.subarray(position)])
  }
}

/** Bytes of text and of a statement, one after another. */
export const bytesOf = (...parts: ReadonlyArray<string | Uint8Array>): Uint8Array =>
  Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : part)))

const joined = (parts: ReadonlyArray<Uint8Array>, by: string): Uint8Array =>
  bytesOf(...parts.flatMap((part, index) => (index === 0 ? [part] : [by, part])))
