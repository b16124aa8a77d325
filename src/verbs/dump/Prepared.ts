/** What every way to write a dump needs. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { DiskFull, FolderUnusable } from "../../dumps/DumpError.ts"
import type { Contents } from "../../dumps/DumpReading.ts"
import type { Provenance } from "../../dumps/DumpWriting.ts"
import { Version } from "../../dumps/Version.ts"
import { note } from "../../pipeline/RunEvent.ts"
import type * as CatalogFacts from "../../postgres/CatalogFacts.ts"
import type { DatabaseError } from "../../postgres/DatabaseError.ts"
import type { PgDumpOptions, PgDumpProgram, PgDumpRun } from "../../postgres/PgDump.ts"
import type { Session, SessionService } from "../../postgres/Session.ts"
import { findings, stillHidden } from "./DumpFindings.ts"
import type { Settled } from "./DumpOptions.ts"
import * as DumpSequences from "./DumpSequences.ts"
import { forPgDump, narrowed, narrowing, type Source } from "./DumpSource.ts"
import * as TableEstimates from "./TableEstimates.ts"

/** A dump that is to be written. */
export interface Writing {
  readonly session: SessionService
  readonly source: Source
  readonly tool: PgDumpProgram
  readonly options: Settled
  /** The session is in a transaction that has exported this snapshot, which is dumped; one is made for it otherwise. */
  readonly snapshot?: string
  /** Run before anything is written, with the path that the dump will have. */
  readonly begun?: (
    file: string
  ) => Effect.Effect<void, DatabaseError | DiskFull | FolderUnusable, Session | SqlClient.SqlClient>
}

/** What pg_dump tells of its steps begins so; what it warns of has another word before it. */
const step = /^pg_dump: (?!warning:|error:|detail:|hint:)(.+)$/

/** Hears what pg_dump says: its steps are what is told of the dump while it is written, all else is noted. */
const hearing = () => {
  let doing = "written"
  return {
    doing: () => doing,
    onLine: (line: string) =>
      Effect.suspend(() => {
        const what = step.exec(line)?.[1]
        if (what === undefined) return note(line)
        doing = what
        return Effect.void
      })
  }
}

/** Looks at what the dump is to be held against later, and says what is known of it before. */
export const prepare = Effect.fnUntraced(function* ({ begun, options, session, source, tool }: Writing) {
  const { host, port, user } = session.url
  const { checksums = false, compression, name, note: remark } = options
  const { database, partialRows } = source
  const what: PgDumpOptions = forPgDump(options, source)
  // Should pg_dump be killed, its backend ends too, with its locks, and not only when a statement ends. Of a pooler it
  // is one of many, and PgBouncer refuses who brings settings with him.
  const dies = source.versionNumber >= 140000 && session.pooler === undefined
  const { doing, onLine } = hearing()
  const run: PgDumpRun = { settings: dies ? { client_connection_check_interval: "500" } : {}, onLine }
  const within = narrowed(options, source)
  // Outside of the snapshot's transaction, which would keep a lock on each of them to its end.
  const before = yield* DumpSequences.read(within)
  return {
    what,
    run,
    /** What pg_dump is at. */
    doing,
    begun: begun ?? (() => Effect.void),
    estimates: yield* TableEstimates.read(what, database),
    clock: yield* Clock.Clock,
    provenance: (catalog: CatalogFacts.CatalogFacts, snapshot: string | undefined): Provenance => ({
      pgark: Version,
      source: { host, port, user, database, serverVersion: source.version },
      tool: { name: "pg_dump", version: tool.tool.version, kind: tool.tool.kind },
      schemas: source.schemas,
      catalog: { ...catalog, parts: [], states: [], snapshot: snapshot === undefined ? "separate" : "shared" },
      compression,
      ...(name === undefined ? {} : { name }),
      ...(remark === undefined ? {} : { note: remark }),
      ...(partialRows.length === 0 ? {} : { partialRows }),
      ...narrowing(options, source)
    }),
    /** Holds what was written against the source, and asks it for what no dump says. */
    ask: (contents: Contents) =>
      stillHidden(options, source).pipe(
        Effect.andThen(DumpSequences.read(within)),
        Effect.flatMap((after) => DumpSequences.check(contents, before, after)),
        Effect.andThen(findings(contents, within, checksums))
      )
  }
})

export type Prepared = Effect.Success<ReturnType<typeof prepare>>
