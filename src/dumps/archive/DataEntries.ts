/** What an archive's table of contents promises, and whether its SQL keeps it. */
import type { ScriptEvent } from "../../postgres/script/ScriptEvent.ts"

/** An entry of the table of contents that has data. */
export interface DataEntry {
  readonly id: string
  readonly kind: "TABLE DATA" | "BLOBS"
  /** Schema, name and owner, as `pg_restore --list` writes them: each may hold blanks. */
  readonly label: string
}

/** `3368; 0 16398 TABLE DATA app child postgres` */
const listed = /^(\d+); \d+ \d+ (TABLE DATA|BLOBS) (.*)$/

/** The entries with data, from the lines of `pg_restore --list`. */
export const parse = (lines: ReadonlyArray<string>): ReadonlyArray<DataEntry> =>
  lines.flatMap((line) => {
    const [, id, kind, label] = listed.exec(line) ?? []
    if (id === undefined || label === undefined || (kind !== "TABLE DATA" && kind !== "BLOBS")) return []
    return [{ id, kind, label: label.trim() }]
  })

const creates = /^SELECT\s+(?:pg_catalog\.)?lo_create\s*\(/
const opens = /^SELECT\s+(?:pg_catalog\.)?lo_open\s*\(/

/** Holds the SQL of an archive against its table of contents: push its events, in their order, then ask for {@link end}. */
export class DataEntries {
  private readonly entries: ReadonlyArray<DataEntry>
  /** How often a COPY of this label has begun, and how often one was closed. */
  private readonly begun = new Map<string, number>()
  private readonly closed = new Map<string, number>()
  private current = ""
  private readonly largeObjects = { created: 0, opened: 0 }

  constructor(entries: ReadonlyArray<DataEntry>) {
    this.entries = entries
  }

  take(event: ScriptEvent): void {
    switch (event._tag) {
      case "CopyStart": {
        const { schema = "-", name = "", owner = "" } = event.entry ?? {}
        this.current = `${schema} ${name} ${owner}`.trim()
        return count(this.begun, this.current)
      }
      case "CopyEnd":
        return count(this.closed, this.current)
      case "Statement": {
        const head = Buffer.from(event.bytes.subarray(0, 60)).toString("latin1")
        if (creates.test(head)) this.largeObjects.created++
        else if (opens.test(head)) this.largeObjects.opened++
        return
      }
      default:
        return
    }
  }

  /** Whether its rows are INSERTs: with COPY the table of contents itself holds a statement for each table. */
  private get inserts(): boolean {
    return this.begun.size === 0
  }

  /** The first way in which the SQL is not what was promised, as the end of a sentence. */
  flaw(): string | undefined {
    const { created, opened } = this.largeObjects
    if (this.entries.some(({ kind }) => kind === "BLOBS") && opened < created) {
      return `the content of ${created - opened} of its ${created} large objects is missing`
    }
    if (this.inserts) return undefined
    const wanted = new Map<string, number>()
    for (const { kind, label } of this.entries) if (kind === "TABLE DATA") count(wanted, label)
    const labels = new Set([...wanted.keys(), ...this.begun.keys()])
    const wrong = [...labels].find((label) => wanted.get(label) !== this.closed.get(label))
    return wrong === undefined
      ? undefined
      : `its table of contents promises the data of one table ${wanted.get(wrong) ?? 0} times (${wrong}), ` +
          `and it is there ${this.closed.get(wrong) ?? 0} times`
  }

  /** What could not be proven, for people. */
  unproven(): ReadonlyArray<string> {
    return this.inserts && this.entries.some(({ kind }) => kind === "TABLE DATA")
      ? ["that every table of the archive has its rows: as INSERTs they are not counted by its table of contents"]
      : []
  }
}

const count = (counts: Map<string, number>, label: string): void => {
  counts.set(label, (counts.get(label) ?? 0) + 1)
}
