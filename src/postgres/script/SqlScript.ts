/**
 * A reader of SQL scripts as pg_dump writes them and psql understands them.
 *
 * It works on bytes, in one pass, over chunks cut anywhere. It knows just enough of SQL to find where a statement
 * ends: quoting, comments, parentheses, `BEGIN ATOMIC` bodies, and COPY data. All syntax it looks for is ASCII, and
 * in every encoding a server can have, an ASCII byte is that character.
 *
 * Where the server would read a text differently from a naive reader (a carriage return ends a `--` comment, an
 * `E''` literal goes on after a line break, `standard_conforming_strings = off`), the server's reading is followed:
 * otherwise a crafted dump could hide a COMMIT inside what looks like one statement.
 *
 * @see https://www.postgresql.org/docs/current/sql-syntax-lexical.html
 */
import { ByteWindow } from "./ByteWindow.ts"
import { CopyText } from "./CopyText.ts"
import { type Entry, parseEntry, type ScriptEvent } from "./ScriptEvent.ts"
import * as Byte from "./SqlBytes.ts"
import { StatementShape } from "./StatementShape.ts"

// What the scanner is inside of.
const inSql = 0
const inWord = 1
const inText = 2
const inEscaped = 3
/** Behind an `E''` literal, which another quote on a later line continues. */
const inGap = 4
const inName = 5
const inLine = 6
const inGapLine = 7
const inBlock = 8
const inTag = 9
const inDollar = 10
const inMeta = 11
/** Between the `;` of a `COPY … FROM stdin` and the end of its line. */
const behindCopy = 12
const inCopy = 13

const byteOrderMark = [0xef, 0xbb, 0xbf]

/** More bytes in a message no server takes. Until its end is found, a statement is kept as a whole. */
const longest = 2 ** 30

const trailerText = "-- PostgreSQL database dump complete"

/**
 * The scanner. Give it the file with {@link push} and, after the last chunk, {@link end}; both return the events
 * met. A pushed chunk must not be changed afterwards: events are views of it wherever possible.
 */
export class SqlScanner extends ByteWindow {
  private readonly shape = new StatementShape()
  private readonly copy = new CopyText()
  private position = 0
  private mode: number = inSql
  /** Where the statement's first token, and the current token, begin in the window; -1 for none. */
  private start = -1
  private token = 0
  private startLine = 1
  private comments = 0
  private gap: "none" | "blank" | "line break" = "none"
  private tag: Buffer = Buffer.alloc(0)
  private backslashes = false
  private entry: Entry | undefined
  private trailerLine = 0
  private events: Array<ScriptEvent> = []

  /** Takes the next bytes of the script and returns what is complete. */
  push(chunk: Uint8Array): ReadonlyArray<ScriptEvent> {
    this.events = []
    const loose = this.mode === inLine || this.mode === inMeta ? this.token : this.position
    const keep = this.start >= 0 ? this.start : loose
    this.extend(chunk, keep)
    this.position -= keep
    this.token -= keep
    this.start -= this.start >= 0 ? keep : 0
    while (this.position < this.window.length && this.step()) {}
    if (this.start >= 0 && this.window.length - this.start > longest) {
      this.events.push({ _tag: "Malformed", reason: "A statement is longer than 1 GB.", line: this.startLine })
    }
    return this.events
  }

  /** Says that the script ends here, and returns what that completes or leaves unfinished. */
  end(): ReadonlyArray<ScriptEvent> {
    this.events = []
    const end = this.window.length
    if (this.mode === inLine) this.finishLine(end)
    if (this.mode === inMeta) this.finishMeta(end)
    const what = this.open()
    if (what !== undefined) {
      const line = this.start >= 0 || what === "copy" ? this.startLine : this.lineAt(this.position)
      this.events.push({ _tag: "Unfinished", what, line })
    }
    return this.events
  }

  private open(): "statement" | "copy" | "string" | "comment" | undefined {
    switch (this.mode) {
      case inCopy:
      case behindCopy:
        return "copy"
      case inText:
      case inEscaped:
      case inName:
      case inDollar:
        return "string"
      case inBlock:
        return "comment"
      default:
        // A last `-` or `/` still waits for what it is.
        return this.start >= 0 || this.position < this.window.length ? "statement" : undefined
    }
  }

  /** Goes on to the next change of mode; false where the next bytes must be seen first. */
  private step(): boolean {
    switch (this.mode) {
      case inSql:
        return this.readSql()
      case inWord:
        return this.readWord(this.position)
      case inText:
        return this.leaveAt(Byte.quoteMark, inSql)
      case inName:
        return this.leaveAt(Byte.doubleQuote, inSql)
      case inEscaped:
        return this.readEscaped()
      case inGap:
        return this.readGap()
      case inLine:
      case inGapLine:
        return this.readLine()
      case inBlock:
        return this.readBlock()
      case inTag:
        return this.readTag()
      case inDollar:
        return this.readDollar()
      case inMeta:
        return this.readMeta()
      case behindCopy:
        return this.readBehindCopy()
      default:
        return this.readCopy()
    }
  }

  private begin(position: number): void {
    this.start = position
    this.startLine = this.lineAt(position)
    this.shape.reset()
    this.trailerLine = 0
  }

  private enter(mode: number, position: number): boolean {
    this.mode = mode
    this.position = position
    return true
  }

  private wait(position: number): boolean {
    this.position = position
    return false
  }

  private readSql(): boolean {
    const bytes = this.window
    const end = bytes.length
    let at = this.position
    for (; at < end; at++) {
      const byte = bytes[at]!
      const kind = Byte.classOf[byte]
      if (kind === Byte.blank) continue
      if (kind === Byte.ordinary) {
        if (this.start < 0) this.begin(at)
        continue
      }
      if (kind === Byte.letter) {
        if (this.start < 0) {
          if (this.base + at < 3 && byte === byteOrderMark[this.base + at]) continue
          this.begin(at)
        }
        this.token = at
        return this.readWord(at + 1)
      }
      if (byte === Byte.dash || byte === Byte.slash) {
        if (at + 1 >= end) return this.wait(at)
        if (byte === Byte.dash && bytes[at + 1] === Byte.dash) {
          this.token = at
          return this.enter(inLine, at + 2)
        }
        if (byte === Byte.slash && bytes[at + 1] === Byte.asterisk) {
          this.comments = 1
          this.token = at
          return this.enter(inBlock, at + 2)
        }
      }
      if (byte === Byte.backslash && this.start < 0) {
        this.token = at
        return this.enter(inMeta, at + 1)
      }
      if (byte === Byte.semicolon) {
        if (this.start >= 0 && this.shape.endsHere()) return this.finish(at)
        continue
      }
      if (this.start < 0) this.begin(at)
      if (byte === Byte.quoteMark) {
        const escaped = this.backslashes || (this.token === at - 1 && (bytes[at - 1]! | 0x20) === 0x65)
        return this.enter(escaped ? inEscaped : inText, at + 1)
      }
      if (byte === Byte.doubleQuote) return this.enter(inName, at + 1)
      if (byte === Byte.dollar) {
        this.token = at
        return this.enter(inTag, at + 1)
      }
      this.shape.parenthesis(byte)
    }
    return this.wait(at)
  }

  private readWord(from: number): boolean {
    const bytes = this.window
    const end = bytes.length
    let at = from
    while (at < end && Byte.wordBytes[bytes[at]!] === 1) at++
    if (at === end) return this.enter(inWord, at)
    if (this.shape.wantsWords) this.shape.word(bytes, this.token, at)
    return this.enter(inSql, at)
  }

  private finish(at: number): boolean {
    const bytes = this.window.subarray(this.start, at)
    this.backslashes = this.shape.setsBackslashes(bytes) ?? this.backslashes
    this.events.push({
      _tag: this.shape.fromStdin ? "CopyStart" : "Statement",
      bytes,
      line: this.startLine,
      offset: this.base + this.start,
      ...(this.entry === undefined ? {} : { entry: this.entry })
    })
    this.start = -1
    return this.enter(this.shape.fromStdin ? behindCopy : inSql, at + 1)
  }

  /** Inside a literal or name. A doubled quote closes it and opens the next one at once, which comes to the same. */
  private leaveAt(quote: number, next: number): boolean {
    const bytes = this.window
    const end = bytes.length
    let at = this.position
    while (at < end && bytes[at] !== quote) at++
    return at === end ? this.wait(at) : this.enter(next, at + 1)
  }

  private readEscaped(): boolean {
    const bytes = this.window
    const end = bytes.length
    let at = this.position
    for (; at < end; at++) {
      const byte = bytes[at]
      if (byte === Byte.backslash) {
        if (at + 1 === end) return this.wait(at)
        at++
      } else if (byte === Byte.quoteMark) {
        this.gap = "none"
        return this.enter(inGap, at + 1)
      }
    }
    return this.wait(at)
  }

  private readGap(): boolean {
    const bytes = this.window
    for (let at = this.position; at < bytes.length; at++) {
      const byte = bytes[at]!
      if (byte === Byte.newline || byte === Byte.carriageReturn) this.gap = "line break"
      else if (Byte.classOf[byte] === Byte.blank) {
        if (this.gap === "none") this.gap = "blank"
      } else if (byte === Byte.quoteMark && this.gap !== "blank") return this.enter(inEscaped, at + 1)
      else if (byte === Byte.dash) {
        if (at + 1 >= bytes.length) return this.wait(at)
        if (bytes[at + 1] !== Byte.dash) return this.enter(inSql, at)
        this.gap = this.gap === "none" ? "blank" : this.gap
        return this.enter(inGapLine, at + 2)
      } else return this.enter(inSql, at)
    }
    return this.wait(bytes.length)
  }

  private readLine(): boolean {
    const bytes = this.window
    const end = bytes.length
    let at = this.position
    while (at < end && bytes[at] !== Byte.newline && bytes[at] !== Byte.carriageReturn) at++
    if (at === end) return this.wait(at)
    if (this.mode === inGapLine) return this.enter(inGap, at)
    this.finishLine(at)
    return this.enter(inSql, at)
  }

  /** Reads a comment between two statements: an object header, or the trailer. */
  private finishLine(end: number): void {
    if (this.start >= 0) return
    const text = this.window.toString("utf8", this.token, Math.min(end, this.token + 4096))
    if (text === "--") {
      if (this.trailerLine > 0) this.events.push({ _tag: "Trailer", line: this.trailerLine })
      this.trailerLine = 0
      return
    }
    this.trailerLine = text === trailerText ? this.lineAt(this.token) : 0
    this.entry = parseEntry(text) ?? this.entry
  }

  private readBlock(): boolean {
    const bytes = this.window
    const end = bytes.length
    let at = this.position
    for (; at < end; at++) {
      const byte = bytes[at]
      if (byte !== Byte.asterisk && byte !== Byte.slash) continue
      if (at + 1 === end) return this.wait(at)
      const next = bytes[at + 1]
      if (byte === Byte.slash && next === Byte.asterisk) {
        this.comments++
        at++
      } else if (byte === Byte.asterisk && next === Byte.slash) {
        this.comments--
        at++
        if (this.comments === 0) return this.enter(inSql, at + 1)
      }
    }
    return this.wait(at)
  }

  private readTag(): boolean {
    const bytes = this.window
    const end = bytes.length
    let at = this.position
    const first = this.token + 1
    while (
      at < end &&
      bytes[at] !== Byte.dollar &&
      Byte.wordBytes[bytes[at]!] === 1 &&
      Byte.classOf[bytes[first]!] !== Byte.ordinary
    )
      at++
    if (at === end) return this.wait(at)
    if (bytes[at] !== Byte.dollar) return this.enter(inSql, first)
    this.tag = Buffer.from(bytes.subarray(this.token, at + 1))
    return this.enter(inDollar, at + 1)
  }

  private readDollar(): boolean {
    const at = this.window.indexOf(this.tag, this.position)
    if (at !== -1) return this.enter(inSql, at + this.tag.length)
    return this.wait(Math.max(this.position, this.window.length - this.tag.length + 1))
  }

  private readMeta(): boolean {
    const at = this.window.indexOf(Byte.newline, this.position)
    if (at === -1) return this.wait(this.window.length)
    this.finishMeta(at)
    return this.enter(inSql, at + 1)
  }

  private finishMeta(end: number): void {
    const text = this.window.toString("utf8", this.token, end).trimEnd()
    this.events.push({ _tag: "Meta", text, line: this.lineAt(this.token) })
  }

  private readBehindCopy(): boolean {
    const bytes = this.window
    for (let at = this.position; at < bytes.length; at++) {
      const byte = bytes[at]!
      if (byte === Byte.newline) {
        this.lineAt(at + 1)
        this.copy.reset()
        return this.enter(inCopy, at + 1)
      }
      if (Byte.classOf[byte] !== Byte.blank) {
        const reason = "More text follows on the line of a COPY … FROM stdin."
        this.events.push({ _tag: "Malformed", reason, line: this.lineAt(at) })
        return this.enter(inSql, at)
      }
    }
    return this.wait(bytes.length)
  }

  private readCopy(): boolean {
    const bytes = this.window
    const from = this.position
    const before = this.copy.rows
    const at = this.copy.read(bytes, from)
    if (at > from) this.events.push({ _tag: "CopyData", bytes: bytes.subarray(from, at), rows: this.copy.rows })
    this.line += this.copy.rows - before
    this.counted = at
    if (this.copy.marker <= 0) return this.wait(at)
    this.events.push({ _tag: "CopyEnd", rows: this.copy.rows, bytes: this.copy.bytes, line: this.line })
    return this.enter(inSql, at + this.copy.marker)
  }
}
