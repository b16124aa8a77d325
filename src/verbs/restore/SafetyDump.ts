/**
 * The step of a restore that saves what will go, under the locks that keep it as it is, before anything goes. So the way
 * back leads to the last row that was committed.
 */
import { basename } from "node:path"
import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { DiskFull } from "../../dumps/DumpError.ts"
import type { Contents } from "../../dumps/DumpReading.ts"
import { beforeRestore, DumpStore, type StoredDump } from "../../dumps/DumpStore.ts"
import { type Journal, journalVersion } from "../../dumps/RestoreJournal.ts"
import * as Plan from "../../pipeline/Plan.ts"
import * as Task from "../../pipeline/Task.ts"
import { plural } from "../../pipeline/Words.ts"
import { StatementFailed, withFields } from "../../postgres/DatabaseError.ts"
import * as LockLimit from "../../postgres/LockLimit.ts"
import { objectKey } from "../../postgres/ObjectName.ts"
import { Session } from "../../postgres/Session.ts"
import * as Snapshot from "../../postgres/Snapshot.ts"
import * as SchemaRights from "../../postgres/survey/SchemaRights.ts"
import type { Survey } from "../../postgres/survey/Survey.ts"
import { defaultLockTimeout } from "../clean/Lock.ts"
import { type DumpOptions, settled } from "../dump/DumpOptions.ts"
import * as DumpRights from "../dump/DumpRights.ts"
import { written } from "../dump/DumpWrite.ts"
import { chosen } from "../dump/Tool.ts"
import * as Journaling from "./Journaling.ts"
import type { Replacement } from "./Replacement.ts"
import { standing } from "./Standing.ts"
import { type Going, select, type Selection } from "./Selection.ts"

/** What is saved, and of what the journal tells. */
export interface Saving {
  readonly by: Journal["by"]
  readonly way: Journal["way"]
  /** With which names schemas get out of the way. */
  readonly aside?: NonNullable<Journal["aside"]>
  /** The dump that is restored. */
  readonly file: string
  readonly contents: Contents
  /** The schemas that it is about. */
  readonly schemas: ReadonlyArray<string>
  readonly survey: Survey
  readonly going: Replacement
  /** The schemas are emptied. */
  readonly clean: boolean
}

/** What the way back takes: the journal's word, and the dump where something goes and is saved. */
export interface Saved {
  readonly journal: Journal
  readonly dump?: StoredDump
}

/** Statements that pg_dump does not write may do anything: then all that stands in the schemas is taken to go. */
const goes = ({ clean, contents, going, schemas, survey }: Saving): Going => ({
  ...going,
  ...(Object.keys(contents.unusual).length === 0
    ? {}
    : { objects: survey.objects.filter(({ extension }) => extension === null) }),
  schemas: [...new Set([...schemas, ...going.objects.map(({ schema }) => schema)])],
  configTables: clean ? survey.configTables.filter(({ rows }) => rows === true) : []
})

const isNothing = ({ configTables, databaseWide, largeObjects, objects }: Going): boolean =>
  configTables.length + databaseWide.length + largeObjects.length + objects.length === 0

const optionsOf = ({ excludeSchemas, excludeTables, largeObjects }: Selection): DumpOptions => ({
  excludeSchemas,
  excludeTables,
  largeObjects
})

const unlessWanted = "or restore without a way back: --no-backup-first."

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
    return yield* withFields(denied, {
      message: `What will go cannot be saved first. ${denied.message}`,
      suggestion: `${denied.suggestion ?? ""} Then restore again, ${unlessWanted}`.trim()
    })
  }
  const store = yield* DumpStore
  const free = yield* store.free
  if (selection.bytes < free) return
  return yield* new DiskFull({
    message: `${store.directory} has ${free} bytes left, and what will go takes about ${selection.bytes}: it cannot be saved first.`,
    suggestion: `Free some space, choose another folder with --dir, ${unlessWanted}`,
    state: "untouched",
    file: store.directory
  })
})

const journalOf = Effect.fnUntraced(function* (saving: Saving, replaces: boolean, backup: string | undefined) {
  const { aside, by, clean, contents, file, going, schemas, survey, way } = saving
  // What is there and stays the dump does not create, although it may have the same.
  const stands = standing(survey, going, []).keys
  const journal: Journal = {
    version: journalVersion,
    at: yield* DateTime.now,
    target: yield* Journaling.target(),
    by,
    file,
    way,
    ...(aside === undefined ? {} : { aside }),
    state: "begun",
    ...(backup === undefined ? {} : { backup: basename(backup) }),
    replaces,
    clean,
    schemas,
    newSchemas: survey.schemas.filter(({ exists }) => !exists).map(({ name }) => name),
    creates: contents.creates.filter((object) => !stands.has(objectKey(object))),
    newExtensions: contents.extensions.filter((name) => !survey.extensions.some((one) => one.name === name)),
    largeObjects: contents.largeObjectIds,
    rights: yield* SchemaRights.read(schemas)
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

/** Writes the dump, of what the session's transaction sees now. */
const save = Effect.fnUntraced(function* (saving: Saving, going: Going) {
  const session = yield* Session
  const store = yield* Effect.flatMap(DumpStore, (store) => store.beforeRestore)
  const { role, server } = saving.survey
  const snapshot = yield* Snapshot.ofTransaction(session)
  if (snapshot === undefined) return yield* nested()
  const selection = yield* select(going)
  const { database, version, versionNumber } = server
  return yield* written({
    session,
    snapshot,
    source: { database, version, versionNumber, role: role.name, schemas: selection.schemas, partialRows: [] },
    tool: yield* chosen(versionNumber),
    options: settled({ ...optionsOf(selection), note: `what was there before ${basename(saving.file)} was restored` })
  }).pipe(Effect.provideService(DumpStore, store))
})

const tables = ({ objects }: Going) => objects.filter(({ holdsRows }) => holdsRows).length

/**
 * Saves what goes, in a transaction that is open on the session "target" and has locked it; and begins the journal.
 *
 * Fails before anything is touched with PermissionDenied, the GRANT statements named, where this role may not read all of
 * it, and with DiskFull where the folder has too little space.
 */
export const task = <N extends Task.Needs>(options: {
  readonly needs: N
  /** Do without the dump; the journal is kept all the same. */
  readonly skip: boolean
  /** What leads back already. */
  readonly known?: Journal
  /** How long planning waits for what others hold; 30 seconds unless told. */
  readonly lockTimeout?: Duration.Input | undefined
  readonly what: (needs: Task.PlannedNeeds<N>) => Saving
}) =>
  Task.make("backup", {
    title: "Save what goes",
    session: "target",
    needs: options.needs,
    plan: Effect.fnUntraced(function* (needs) {
      const saving = options.what(needs)
      const { known } = options
      if (known !== undefined) {
        return {
          value: undefined,
          does: "nothing" as const,
          rows: [],
          run: () => Effect.succeed<Saved>({ journal: known })
        }
      }
      const going = goes(saving)
      const replaces = !isNothing(going)
      const noted = (dump: StoredDump | undefined) =>
        Effect.map(journalOf(saving, replaces, dump?.file), (journal): Saved => ({
          journal,
          ...(dump === undefined ? {} : { dump })
        }))
      if (!replaces || options.skip) {
        const rows = replaces ? [Plan.row("save nothing: there will be no way back", { why: "--no-backup-first" })] : []
        return {
          value: undefined,
          ...(replaces ? {} : { does: "nothing" as const }),
          rows,
          run: () => noted(undefined)
        }
      }
      yield* chosen(saving.survey.server.versionNumber)
      const patience = options.lockTimeout ?? defaultLockTimeout
      yield* check(saving, yield* LockLimit.reading(patience, select(going)), patience)
      const { directory } = yield* DumpStore
      return {
        value: undefined,
        rows: [
          Plan.row(
            `dump what goes into ${directory}/${beforeRestore}/: ${plural(tables(going), "table")} and the rest`,
            {
              why: "`pgark undo` brings it back"
            }
          )
        ],
        run: () => Effect.flatMap(save(saving, going), noted)
      }
    })
  })
