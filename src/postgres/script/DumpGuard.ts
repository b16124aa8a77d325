/**
 * What a dump may not do to the session that restores it.
 *
 * A dump is somebody else's program. None of its statements may end the transaction that makes a restore happen or not,
 * nor copy to or from files and programs of the server, connect elsewhere, or change the server's configuration. Each
 * statement is judged by itself: what functions and DO blocks do with the role's rights is not looked into.
 */
import type { ScriptEvent } from "./ScriptEvent.ts"
import type { StatementKind } from "./StatementKind.ts"

/** What to do with an event: send it (or use it), pass over it, or refuse the whole dump. */
export type Verdict =
  | { readonly _tag: "Run" }
  | { readonly _tag: "Skip"; readonly reason: string }
  | {
      readonly _tag: "Refuse"
      readonly reason: string
      /** What to do instead, where that is known. */
      readonly remedy?: string
    }

const run: Verdict = { _tag: "Run" }
const skip = (reason: string): Verdict => ({ _tag: "Skip", reason })
const bracket = skip("large objects are restored in the same transaction as all else")
const refuse = (reason: string): Verdict => ({ _tag: "Refuse", reason })

/** What pg_dumpall writes. */
const refuseServer = (reason: string): Verdict => ({
  _tag: "Refuse",
  reason,
  remedy:
    "For a dump of a whole server (pg_dumpall): dump each of its databases by itself, with `pgark dump` or pg_dump -d NAME, " +
    'or cut one out of this file, from `-- Database "NAME" dump` up to the next line of that kind.'
})

/** psql commands that pg_dump itself writes. Whole lines: psql would run a second command behind the first. */
const restrict = /^\\(?:un)?restrict [A-Za-z0-9]+$/
const encoding = /^\\encoding [A-Za-z0-9_]+$/
const connect = /^\\connect (?:-reuse-previous=on )?(?:[A-Za-z0-9_.]+|"(?:[^"]|"")*")$/

/** Judges the events of one dump, in their order. One guard for one reading. */
export class DumpGuard {
  private largeObjects = false
  /** The `\connect` of a dump with --create, which writes it twice where the database has settings of its own. */
  private connected: string | undefined

  /**
   * @param kind what `classify` says of a statement; undefined for all other events
   */
  judge(event: ScriptEvent, kind?: StatementKind): Verdict {
    if (event._tag === "Meta") return this.judgeMeta(event.text)
    if (kind === undefined || (event._tag !== "Statement" && event._tag !== "CopyStart")) return run
    if (this.largeObjects) return this.judgeLargeObject(kind)
    switch (kind._tag) {
      case "TransactionControl":
        // pg_dump brackets the content of large objects; what follows decides whether this is such a bracket.
        if (kind.word !== "BEGIN") return refuse(`it ends or changes the transaction by itself (${kind.word})`)
        this.largeObjects = true
        return bracket
      case "CopyFrom":
        if (event._tag === "CopyStart" && kind.source === "stdin") return run
        if (kind.source === "program") return refuse("it runs a program on the server (COPY FROM PROGRAM)")
        if (kind.source === "file") return refuse("it reads a file of the server (COPY FROM)")
        return refuse("it has a COPY statement that pgark cannot read")
      case "CopyTo":
        return refuse("it writes data out of the database (COPY TO)")
      case "Role":
        return refuseServer("it creates, changes or drops roles, which belong to the whole server (pg_dumpall does)")
      case "Grant":
        return kind.kind === undefined && kind.membership === true
          ? refuseServer("it makes roles members of others, which belong to the whole server (pg_dumpall does)")
          : run
      case "AlterSystem":
        return refuse("it changes the server's configuration (ALTER SYSTEM)")
      default:
        return event._tag === "CopyStart" ? refuse("it has a COPY statement that pgark cannot read") : run
    }
  }

  /** What is still open after the last event: a reason to refuse, or undefined. */
  end(): string | undefined {
    return this.largeObjects ? "it begins a transaction and does not end it (BEGIN)" : undefined
  }

  private judgeLargeObject(kind: StatementKind): Verdict {
    if (kind._tag === "LargeObjectCall") return run
    if (kind._tag === "TransactionControl" && kind.word === "COMMIT") {
      this.largeObjects = false
      return bracket
    }
    return refuse("it has a transaction of its own (BEGIN) around more than large objects")
  }

  private judgeMeta(text: string): Verdict {
    // It only tells psql which other commands to refuse: there is nothing to do, nor to report.
    if (restrict.test(text)) return run
    if (encoding.test(text)) return skip("the encoding is the dump's own, by its SET client_encoding")
    if (connect.test(text)) {
      if (this.connected !== undefined && this.connected !== text) {
        return refuseServer("it connects to a second database (\\connect): a dump of several databases")
      }
      this.connected = text
      return skip("all goes into the target, not where the dump would connect to")
    }
    return refuse(`it has a psql command (${text.split(/\s/, 1)[0]?.slice(0, 40)})`)
  }
}
