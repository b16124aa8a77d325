/**
 * The verb clone: a database into another one, its rows straight from connection to connection.
 *
 * It is a restore of a dump that nobody keeps. What pg_dump writes of the source lies in a temporary folder, its rows stay
 * where they are; a snapshot is held open until the last of them has gone over.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Struct from "effect/Struct"
import * as FileSystem from "effect/FileSystem"
import * as SqlClient from "effect/sql/SqlClient"
import * as DumpFile from "../dumps/DumpFile.ts"
import type { Contents } from "../dumps/DumpReading.ts"
import { DumpStore, type DumpStoreService } from "../dumps/DumpStore.ts"
import type { DatabaseError } from "../postgres/DatabaseError.ts"
import * as DatabaseUrl from "../postgres/DatabaseUrl.ts"
import { Session, type SessionService } from "../postgres/Session.ts"
import * as ServerMark from "../postgres/ServerMark.ts"
import * as SharedSnapshot from "../postgres/SharedSnapshot.ts"
import { fromSqlError } from "../postgres/Sqlstate.ts"
import * as ClonedRows from "./clone/ClonedRows.ts"
import * as Lock from "./clean/Lock.ts"
import * as Dump from "./Dump.ts"
import * as DataTables from "./dump/DataTables.ts"
import * as DirectoryCheck from "./dump/DirectoryCheck.ts"
import * as DumpDirectory from "./dump/DumpDirectory.ts"
import { type DumpOptions, settled } from "./dump/DumpOptions.ts"
import { explaining } from "./dump/DumpWrite.ts"
import { prepare } from "./dump/Prepared.ts"
import * as Tool from "./dump/Tool.ts"
import * as Restore from "./Restore.ts"
import { holding } from "./TargetHold.ts"
import { RowsElsewhere } from "./restore/parallel/RowSource.ts"
import { CloneOntoItself } from "./VerbError.ts"

/** What no dump has said, where nobody keeps one. */
const ofFiles = ["file", "against", "unproven"] as const

/** What a clone did. */
export const CloneReport = Schema.Struct({
  source: Schema.String.annotateKey({ description: "What was cloned, `user@host:port/database`." }),
  ...Struct.omit(Restore.RestoreReport.fields, ofFiles)
})
export type CloneReport = typeof CloneReport.Type

/** What of the source is cloned, and how it goes into the target. */
export interface CloneOptions
  extends
    Omit<Restore.RestoreOptions, "acceptUnproven" | "exact" | "file" | "plan">,
    Pick<DumpOptions, "excludeTableData" | "excludeTables" | "schemas"> {
  /** The database that is cloned; the one of the `Session` in the context is the target. */
  readonly source: SessionService
}

interface Encoding {
  readonly database: string
  readonly encoding: string
}

const about = ({ sql }: SessionService): Effect.Effect<Encoding, DatabaseError> =>
  sql<Encoding>`select current_database()::text as "database", current_setting('server_encoding') as "encoding"`.pipe(
    Effect.mapError(fromSqlError),
    Effect.map(([row]) => row ?? { database: "", encoding: "" })
  )

const itself = (database: string) =>
  new CloneOntoItself({
    message: `"${database}" would be cloned onto itself: source and target are one database.`,
    suggestion: "Check both URLs: the target loses what it has.",
    state: "untouched"
  })

/** A store that has one dump, of which only the texts lie in a folder. Whatever a restore writes, it writes elsewhere. */
const storeOf = Effect.fnUntraced(function* (
  outer: DumpStoreService,
  texts: DumpStoreService,
  dump: Effect.Success<ReturnType<DumpStoreService["writeDirectory"]>>,
  file: string,
  tables: ClonedRows.ClonedRows["tables"]
) {
  const proof = yield* texts.prove(dump)
  const view: DumpStoreService = {
    ...outer,
    // Whatever else is asked for, as the safety dump that leads back, is the outer store's.
    find: (wanted, database) => (wanted === file ? Effect.succeed({ ...dump, file }) : outer.find(wanted, database)),
    prove: (wanted, options) =>
      wanted.file === file
        ? Effect.succeed({ ...proof, contents: { ...proof.contents, tables } })
        : outer.prove(wanted, options),
    openDirectory: (wanted) => (wanted.file === file ? texts.openDirectory(dump) : outer.openDirectory(wanted))
  }
  return view
})

/**
 * Holds a snapshot of the source open around `use`, which is given the options of a restore that takes everything from
 * there: to be run, or to be planned.
 *
 * Fails with CloneOntoItself where both are one database, and with what a dump of the source fails with.
 */
export const within = <A, E, R>(
  { excludeTableData, excludeTables, schemas, source, ...restoring }: CloneOptions,
  use: (options: Restore.RestoreOptions) => Effect.Effect<A, E, R>
) => {
  const { allowPartialRows = false, jobs = 1 } = restoring
  const options = settled({
    format: "directory",
    jobs,
    allowPartialRows,
    ...(excludeTableData === undefined ? {} : { excludeTableData }),
    ...(excludeTables === undefined ? {} : { excludeTables }),
    ...(schemas === undefined ? {} : { schemas })
  })
  const onSource = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    effect.pipe(Effect.provideService(Session, source), Effect.provideService(SqlClient.SqlClient, source.sql))

  const run = Effect.gen(function* () {
    const target = yield* Session
    const outer = yield* DumpStore
    const fs = yield* FileSystem.FileSystem
    const [from, to] = [yield* about(source), yield* about(target)]
    if (from.database === to.database && ServerMark.shared(source.server, target.server)) {
      return yield* itself(from.database)
    }
    const found = yield* onSource(Dump.look(options))
    const tool = yield* Tool.chosen(found.versionNumber)
    const writing = { session: source, source: found, tool, options: Dump.without(options, found) }
    const prepared = yield* onSource(prepare(writing))
    const folder = yield* Effect.mapError(
      fs.makeTempDirectoryScoped({ prefix: "pgark-clone-" }),
      DumpFile.unwritable("a temporary folder")
    )
    const texts = yield* Effect.provide(DumpStore, DumpStore.layer(folder))
    const sharing = {
      jobs,
      tables: onSource(DataTables.find(prepared.what, found.database)),
      rowSecurity: prepared.what.rowSecurity === true,
      lockTimeout: restoring.lockTimeout ?? Lock.defaultLockTimeout
    }
    return yield* SharedSnapshot.share(source, sharing, ({ name, readers }) =>
      Effect.gen(function* () {
        const { dump, tables } = yield* onSource(
          Effect.gen(function* () {
            const { catalog, what, write } = yield* DumpDirectory.texts(writing, prepared, name)
            // The bytes of other encodings than the source's are the server's to make.
            const tables = yield* DataTables.read(what, found.database, jobs, from.encoding !== to.encoding)
            const ask = (contents: Contents) =>
              Effect.andThen(
                DirectoryCheck.check({ creates: contents.creates, tables }, what, found.database),
                prepared.ask(contents)
              )
            const dump = yield* texts.writeDirectory(prepared.provenance(catalog, name), write, ask)
            return { dump, tables }
          }).pipe(Effect.catchTags(explaining(writing)))
        )
        const rows = yield* ClonedRows.make(readers, tables, prepared.estimates)
        const file = DatabaseUrl.describe(source.url)
        const store = yield* storeOf(outer, texts, dump, file, rows.tables)
        return yield* use({ ...restoring, file }).pipe(
          Effect.provideService(DumpStore, store),
          Effect.provideService(RowsElsewhere, { file, source: rows.source })
        )
      })
    )
  })
  return Effect.scoped(run)
}

/**
 * Gives `use` the pipeline of a clone, to be planned alone. Fails as {@link clone} does before anything is touched, and
 * with RestoreUnfinished where the last restore of the target was cut short.
 */
export const planned = <A, E, R>(
  options: CloneOptions,
  use: (pipeline: ReturnType<typeof Restore.pipeline<never>>) => Effect.Effect<A, E, R>
) =>
  within(options, (restoring) =>
    Effect.flatMap(Restore.planned(restoring), (pipeline) => use({ ...pipeline, name: "clone" }))
  ).pipe(Effect.withSpan("Clone.planned"))

/**
 * Clones a database: what comes of it is what a restore of a dump of this very moment would have made.
 *
 * Over one connection it happens or the target is as it was; over several the way back of such a restore holds. Fails
 * with CloneOntoItself where both are one database, with what reading the source fails with as a dump does, and with what
 * a restore fails with.
 */
export const clone = Effect.fn("Clone.clone")(function* (options: CloneOptions) {
  // Whoever has to wait for the target, or must not, shall not hold a snapshot of the source meanwhile.
  const { file, ...report } = yield* holding(options)(within(options, Restore.restore))
  const told: CloneReport = { source: file, ...Struct.omit(report, ["against", "unproven", "tasks"]) }
  return told
})
