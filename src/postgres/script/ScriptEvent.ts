/** What a reader of an SQL script meets, piece by piece. Made by {@link file://./SqlScript.ts}. */

/**
 * The comment that pg_dump writes before each object. For reports and counts only: a comment decides nothing about
 * what is SQL.
 */
export interface Entry {
  readonly name: string
  /** `TABLE`, `TABLE DATA`, `FK CONSTRAINT` … as pg_dump spells it. */
  readonly type: string
  /** Absent where pg_dump writes `-`: the object lives in no schema. */
  readonly schema?: string
  /** Absent where pg_dump names no owner. */
  readonly owner?: string
}

/** Where a statement stands, and its text. */
export interface StatementText {
  /**
   * The statement as it stands in the file, in the file's encoding: from its first token up to, and without, the `;`.
   * A view of the pushed chunk or of the scanner's own buffer; never overwritten by the scanner.
   */
  readonly bytes: Uint8Array
  /** Line of the first token, counted from 1. */
  readonly line: number
  /** Offset of the first token in the file, in bytes. */
  readonly offset: number
  /** The last object comment before it; the same object for every statement that follows that comment. */
  readonly entry?: Entry
}

/** A complete statement. */
export interface Statement extends StatementText {
  readonly _tag: "Statement"
}

/** A complete `COPY … FROM stdin`; its data follows as `CopyData` (none for an empty table) up to `CopyEnd`. */
export interface CopyStart extends StatementText {
  readonly _tag: "CopyStart"
}

/** A piece of COPY data, cut anywhere, without the `\.` line. */
export interface CopyData {
  readonly _tag: "CopyData"
  readonly bytes: Uint8Array
  /** Lines of the block so far, those in earlier pieces included. */
  readonly rows: number
}

/** The `\.` line. */
export interface CopyEnd {
  readonly _tag: "CopyEnd"
  /** Lines of data. In COPY's text format a line is a row. */
  readonly rows: number
  /** Length of the data in bytes, line ends included. */
  readonly bytes: number
  /** Line of the `\.`. */
  readonly line: number
}

/** A psql command (`\connect …`) where a statement could begin: the whole line, from the backslash on. */
export interface Meta {
  readonly _tag: "Meta"
  readonly text: string
  readonly line: number
}

/** The closing comment of pg_dump: `-- PostgreSQL database dump complete` and the `--` under it. */
export interface Trailer {
  readonly _tag: "Trailer"
  readonly line: number
}

/** Something that no script of pg_dump holds and that psql would read in another way. */
export interface Malformed {
  readonly _tag: "Malformed"
  readonly reason: string
  readonly line: number
}

/** The input ends inside something; only ever the last event. */
export interface Unfinished {
  readonly _tag: "Unfinished"
  readonly what: "statement" | "copy" | "string" | "comment"
  /** Line where the unfinished thing begins (the statement's, where it is inside one). */
  readonly line: number
}

export type ScriptEvent = Statement | CopyStart | CopyData | CopyEnd | Meta | Trailer | Malformed | Unfinished

const header =
  /^-- (?:(?:Data|Statistics) for )?Name: (.*); Type: (.*?); Schema: (.*); Owner: ?(.*?)(?:; Tablespace: .*)?$/

const present = (text: string | undefined): string | undefined => (text === "-" || text === "" ? undefined : text)

/** Reads a comment as an object header, `-- Name: x; Type: TABLE; Schema: public; Owner: me`. */
export const parseEntry = (comment: string): Entry | undefined => {
  const match = header.exec(comment)
  if (match === null) return undefined
  const schema = present(match[3])
  const owner = present(match[4])
  return {
    name: match[1] ?? "",
    type: match[2] ?? "",
    ...(schema === undefined ? {} : { schema }),
    ...(owner === undefined ? {} : { owner })
  }
}
