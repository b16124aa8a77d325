/**
 * The step of a restore that saves what will go, under the locks that keep it as it is, before anything goes. So the way
 * back leads to the last row that was committed.
 */
import { basename } from "node:path"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { DiskFull } from "../../dumps/DumpError.ts"
import type { Contents } from "../../dumps/DumpReading.ts"
import { beforeRestore, DumpStore, type StoredDump } from "../../dumps/DumpStore.ts"
import { type Journal, journalVersion } from "../../dumps/RestoreJournal.ts"
import { undoCommand } from "../../dumps/UndoCommand.ts"
import * as Plan from "../../pipeline/Plan.ts"
import * as Task from "../../pipeline/Task.ts"
import { count, plural } from "../../pipeline/Words.ts"
import { type ConnectionFailed, LockTimeout, StatementFailed, withFields } from "../../postgres/DatabaseError.ts"
import { quote } from "../../postgres/Identifier.ts"
import * as LockLimit from "../../postgres/LockLimit.ts"
import { type NamedObject, objectKey } from "../../postgres/ObjectName.ts"
import type { PgDumpFailed } from "../../postgres/PgDump.ts"
import { Session } from "../../postgres/Session.ts"
import { fromSqlError } from "../../postgres/Sqlstate.ts"
import * as Snapshot from "../../postgres/Snapshot.ts"
import * as SchemaRights from "../../postgres/survey/SchemaRights.ts"
import type { Survey } from "../../postgres/survey/Survey.ts"
import { type DumpOptions, settled } from "../dump/DumpOptions.ts"
import * as DumpRights from "../dump/DumpRights.ts"
import { written } from "../dump/DumpWrite.ts"
import { chosen } from "../dump/Tool.ts"
import * as Journaling from "./Journaling.ts"
import * as Going from "./Going.ts"
import type { Replacement } from "./Replacement.ts"
import { select, type Selection } from "./Selection.ts"
import { isLeft, type Standing, standing } from "./Standing.ts"

/** What is saved, and of what the journal tells. */
export interface Saving {
  readonly by: Journal["by"]
  readonly way: Journal["way"]
  /** With which names schemas get out of the way. */
  readonly aside?: NonNullable<Journal["aside"]>
  /** Tables of what goes that are to be published as before. */
  readonly published: Replacement["published"]
  /** The dump that is restored. */
  readonly file: string
  readonly contents: Contents
  readonly survey: Survey
  readonly going: Going.Going
  /** Roles that are granted rights on objects, also on such as stay. */
  readonly grantees: ReadonlyArray<string>
  /** What is left alone although the dump has it. */
  readonly standing?: Standing
}

/** What the way back takes: the journal's word, and the dump where something goes and is saved. */
export interface Saved {
  readonly journal: Journal
  readonly dump?: StoredDump
}

const optionsOf = ({ excludeSchemas, excludeTables, largeObjects }: Selection): DumpOptions => ({
  excludeSchemas,
  excludeTables,
  largeObjects
})

const unlessWanted = "or restore without a way back: --no-backup-first."

const megabytes = (bytes: number): string => `${count(bytes / 1_000_000)} MB`

/** Fails where this role may not read what goes, or where the disk is too small for it. */
const check = Effect.fnUntraced(function* (
  { survey: { role, server } }: Saving,
  selection: Selection,
  patience: Duration.Input
) {
  const rights = DumpRights.survey(settled(optionsOf(selection)), server.database)
  const readable = yield* LockLimit.reading(patience, rights)
  const denied = DumpRights.denial(readable, role.name, false)
  if (denied !== undefined) {
    const remedies = [
      ...(readable.denied.length === 0 ? [] : ["Have the owners, or a superuser, run the GRANT statements"]),
      ...(readable.filtered.length === 0
        ? []
        : ["where policies apply, restore as a role with BYPASSRLS or as an owner whom they spare"])
    ].join("; ")
    return yield* withFields(denied, {
      message: `What will go cannot be saved first. ${denied.message}`,
      suggestion: `${remedies.charAt(0).toUpperCase()}${remedies.slice(1)}; ${unlessWanted}`
    })
  }
  const store = yield* DumpStore
  const free = yield* store.free
  if (selection.bytes < free) return
  return yield* new DiskFull({
    message: `${store.directory} has ${megabytes(free)} left, and what will go takes about ${megabytes(selection.bytes)}: it cannot be saved first.`,
    suggestion: `Free some space, choose another folder with --dir, ${unlessWanted}`,
    state: "untouched",
    file: store.directory
  })
})

/** An undoing is a step that can be taken back itself, even where it takes away nothing that a dump could hold. */
const replaces = ({ by, going }: Saving): boolean => by === "undo" || !Going.isNothing(going)

/** Begins the journal: before anything of the safety dump is written, so that it tells what a killed run has left. */
const begin = Effect.fnUntraced(function* (saving: Saving, backup: string | undefined) {
  const { aside, by, contents, file, going, grantees, published, standing: former, survey, way } = saving
  const { schemas, whole } = going
  // What is there and stays the dump does not create, although it may have the same.
  const stands = standing({ found: survey, going, left: [], largeObjects: [] })
  const created = (object: NamedObject) => !stands.keys.has(objectKey(object)) && !(former && isLeft(former, object))
  const journal: Journal = {
    version: journalVersion,
    at: yield* DateTime.now,
    target: yield* Journaling.target(),
    by,
    file,
    way,
    ...(aside === undefined ? {} : { aside }),
    ...(way === "transaction" ? {} : { published }),
    state: "begun",
    ...(backup === undefined ? {} : { backup: basename(backup) }),
    replaces: replaces(saving),
    clean: whole,
    schemas,
    newSchemas: survey.schemas.filter(({ exists }) => !exists).map(({ name }) => name),
    creates: contents.creates.filter(created),
    leaves: stands.besides,
    tables: contents.tables.map(({ schema, name }) => ({ schema, name })),
    newExtensions: contents.extensions.filter((name) => !survey.extensions.some((one) => one.name === name)),
    largeObjects: former === undefined ? contents.largeObjectIds : [...former.largeObjects],
    grantees,
    rights: yield* SchemaRights.read(schemas, grantees)
  }
  yield* Journaling.write(journal)
  return journal
})

const nested = () =>
  new StatementFailed({
    message: "What will go cannot be saved first: the restore runs within another transaction.",
    suggestion: "Run it in a transaction of its own, or with backupFirst: false.",
    state: "rolled-back"
  })

interface Waiting {
  readonly pid: number
  readonly user: string
  readonly query: string
}

/**
 * A session that wants to alter or empty a table waits for this one, and pg_dump, which only reads, behind it. The server
 * sees no deadlock in that: this session waits for pg_dump without its knowing.
 */
const behindOthers = (failure: LockTimeout | PgDumpFailed) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const found = yield* sql<Waiting>`
      select a.pid as "pid", a.usename::text as "user", a.query as "query"
      from pg_locks l join pg_stat_activity a on a.pid = l.pid
      where not l.granted and l.locktype = 'relation' and l.mode = 'AccessExclusiveLock'
        and pg_backend_pid() = any(pg_blocking_pids(l.pid))
      order by 1`.pipe(Effect.mapError(fromSqlError))
    const [first] = found
    if (first === undefined) return yield* failure
    return yield* new LockTimeout({
      message: `Process ${first.pid} of ${quote(first.user)} waits for a table that goes, and pg_dump, which saves it first, behind it.`,
      detail: found.map(({ pid, query }) => `process ${pid}: ${query}`).join("\n"),
      suggestion: `Restore again when it has ended; SELECT pg_catalog.pg_cancel_backend(${first.pid}); ends it.`,
      state: "rolled-back"
    })
  })

/** SQLSTATE of a connection that is one too many, for the role or the server. */
const tooMany = "53300"

/** A role that may have one connection can restore all the same. */
const withoutSecond = (failure: ConnectionFailed) =>
  Effect.fail(
    failure.sqlstate === tooMany
      ? withFields(failure, { suggestion: `${(failure.suggestion ?? "").replace(/\.$/, "")}; ${unlessWanted}` })
      : failure
  )

/**
 * Writes the dump, of what the session's transaction sees now; the journal first. Over several connections it is a folder,
 * which is read back over several as well; that shares the view of the transaction by itself.
 */
const save = Effect.fnUntraced(function* (saving: Saving, lockTimeout: Duration.Input, jobs: number) {
  const session = yield* Session
  const outer = yield* DumpStore
  const store = yield* outer.beforeRestore
  const { role, server } = saving.survey
  const snapshot = yield* Snapshot.ofTransaction(session)
  if (snapshot === undefined) return yield* nested()
  const form = jobs === 1 ? {} : { format: "directory" as const, jobs }
  const selection = yield* select(saving.going)
  const { database, version, versionNumber } = server
  let journal: Journal | undefined
  const dump = yield* written({
    session,
    ...(jobs === 1 ? { snapshot } : {}),
    source: { database, version, versionNumber, role: role.name, schemas: selection.schemas, partialRows: [] },
    tool: yield* chosen(versionNumber),
    options: settled({
      ...optionsOf(selection),
      ...form,
      lockWaitTimeout: Math.ceil(Duration.toMillis(Duration.fromInputUnsafe(lockTimeout))),
      note: `what was there before ${basename(saving.file)} was restored`
    }),
    begun: (file) =>
      Effect.map(Effect.provideService(begin(saving, file), DumpStore, outer), (begun) => {
        journal = begun
      })
  }).pipe(
    Effect.provideService(DumpStore, store),
    Effect.catchTags({ ConnectionFailed: withoutSecond, LockTimeout: behindOthers, PgDumpFailed: behindOthers })
  )
  return { journal: journal ?? (yield* begin(saving, dump.file)), dump } satisfies Saved
})

const tables = ({ objects }: Going.Going) => objects.filter(({ holdsRows }) => holdsRows).length

/**
 * Saves what goes, in a transaction that is open on the session "target" and has locked it; and begins the journal.
 *
 * Fails before anything is touched with PermissionDenied, the GRANT statements named, where this role may not read all of
 * it, and with DiskFull where the folder has too little space; with LockTimeout where pg_dump waits for too long behind
 * another session that waits for the same tables.
 */
export const task = <N extends Task.Needs>(options: {
  readonly needs: N
  /** Do without the dump; the journal is kept all the same. */
  readonly skip: boolean
  /** What is replaced stays in the database: no dump is needed that leads back. */
  readonly keeps?: boolean
  /** How many connections read it; of one it is a plain dump. */
  readonly jobs: number
  /** What leads back already. */
  readonly known?: Journal
  /** How long planning, and pg_dump, wait for what others hold. */
  readonly lockTimeout: Duration.Input
  readonly what: (needs: Task.PlannedNeeds<N>) => Saving
}) =>
  Task.make("backup", {
    title: "Save what goes",
    session: "target",
    needs: options.needs,
    plan: Effect.fnUntraced(function* (needs) {
      const saving = options.what(needs)
      const { going, survey } = saving
      const { known } = options
      if (known !== undefined) {
        return {
          value: undefined,
          does: "nothing" as const,
          rows: [],
          run: () => Effect.succeed<Saved>({ journal: known })
        }
      }
      const goes = replaces(saving)
      const keeps = options.keeps === true
      if (!goes || options.skip || keeps) {
        const nothing = keeps
          ? Plan.row("save nothing: what is there stays, under other names", { why: "--keep-previous" })
          : Plan.row("save nothing: there will be no way back", { why: "--no-backup-first" })
        const rows = goes ? [nothing] : []
        return {
          value: undefined,
          ...(goes ? {} : { does: "nothing" as const }),
          rows,
          run: () => Effect.map(begin(saving, undefined), (journal): Saved => ({ journal }))
        }
      }
      yield* chosen(survey.server.versionNumber)
      const patience = options.lockTimeout
      yield* check(saving, yield* LockLimit.reading(patience, select(going)), patience)
      const { directory } = yield* DumpStore
      return {
        value: undefined,
        rows: [
          Plan.row(
            `dump what goes into ${directory}/${beforeRestore}/: ${plural(tables(going), "table")} and the rest` +
              (options.jobs === 1 ? "" : `, over ${plural(options.jobs, "connection")}`),
            {
              why: `\`${undoCommand(directory)}\` brings it back`
            }
          )
        ],
        run: () => Effect.map(save(saving, options.lockTimeout, options.jobs), (saved): Saved => saved)
      }
    })
  })
