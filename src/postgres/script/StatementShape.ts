import { closing, opening } from "./SqlBytes.ts"

/**
 * What the words and parentheses of a statement say about where it ends.
 *
 * A `;` ends a statement except inside parentheses (the actions of a rule) and inside a `BEGIN ATOMIC … END` body,
 * which only CREATE FUNCTION and CREATE PROCEDURE have. psql goes by the word BEGIN alone and so reads a function
 * that is *named* begin wrongly, although pg_dump writes that name without quotes.
 */
export class StatementShape {
  private kind: "unknown" | "create" | "routine" | "copy" | "set" | "plain" = "unknown"
  private parentheses = 0
  /** CASE words inside the body that still wait for their END. */
  private cases = 0
  private atomic = false
  /** The word before this one was FROM (of a COPY) or BEGIN (of a routine). */
  private primed = false
  /** It is a `COPY … FROM stdin`. */
  fromStdin = false

  /** Begins a new statement. */
  reset(): void {
    this.kind = "unknown"
    this.parentheses = 0
    this.cases = 0
    this.atomic = false
    this.primed = false
    this.fromStdin = false
  }

  /** Whether further words can change anything; most statements say so with their first. */
  get wantsWords(): boolean {
    return this.kind !== "plain"
  }

  /**
   * Whether backslashes escape in plain literals after this statement, the whole of which is given: it may set
   * `standard_conforming_strings`. Undefined where it does not.
   */
  setsBackslashes(statement: Buffer): boolean | undefined {
    const setting = this.kind === "set" ? conforming.exec(statement.toString("latin1", 0, 200)) : null
    return setting === null ? undefined : off.has((setting[1] ?? "").toLowerCase())
  }

  /** Takes a byte outside quotes and comments that may be a parenthesis. */
  parenthesis(byte: number): void {
    if (byte === opening) this.parentheses++
    else if (byte === closing && this.parentheses > 0) this.parentheses--
  }

  /** Whether a `;` that stands here ends the statement. */
  endsHere(): boolean {
    if (this.parentheses > 0) return false
    // No CASE reaches over a `;`: what looked like one was a label.
    this.cases = 0
    return !this.atomic
  }

  /** Takes the next word outside quotes and comments: `bytes` from `start` to `end`. */
  word(bytes: Uint8Array, start: number, end: number): void {
    const is = (word: string) => isWord(bytes, start, end, word)
    switch (this.kind) {
      case "unknown":
        this.kind = is("copy") ? "copy" : is("create") ? "create" : is("set") ? "set" : "plain"
        return
      case "create":
        if (is("function") || is("procedure")) this.kind = "routine"
        else if (!is("or") && !is("replace")) this.kind = "plain"
        return
      case "copy":
        if (this.parentheses > 0) return
        if (this.primed && is("stdin")) this.fromStdin = true
        this.primed = is("from")
        return
      case "routine":
        if (this.parentheses > 0) return
        if (!this.atomic) {
          this.atomic = this.primed && is("atomic")
          this.primed = is("begin")
        } else if (is("case")) this.cases++
        else if (is("end")) {
          if (this.cases > 0) this.cases--
          else this.atomic = false
        }
        return
      default:
        return
    }
  }
}

const conforming = /^set\s+(?:session\s+|local\s+)?"?standard_conforming_strings"?\s*(?:=|\s+to\s)\s*'?(\w+)/i
const off = new Set(["off", "of", "false", "f", "no", "n", "0"])

/** Compares without case; `word` is in lower case. */
const isWord = (bytes: Uint8Array, start: number, end: number, word: string): boolean => {
  if (end - start !== word.length) return false
  for (let i = 0; i < word.length; i++) {
    if ((bytes[start + i]! | 0x20) !== word.charCodeAt(i)) return false
  }
  return true
}
