/**
 * The way back from a restore that has kept what it replaced: what is there now and what was there before change places,
 * by their names alone and in one transaction. So the undoing can be undone in the same way.
 */
import { basename } from "node:path"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import { DumpMissing } from "../../dumps/DumpError.ts"
import { DumpStore } from "../../dumps/DumpStore.ts"
import { type Journal, journalVersion } from "../../dumps/RestoreJournal.ts"
import * as Pipeline from "../../pipeline/Pipeline.ts"
import * as Plan from "../../pipeline/Plan.ts"
import { changing, note } from "../../pipeline/RunEvent.ts"
import type { Stakes } from "../../pipeline/Stakes.ts"
import * as Task from "../../pipeline/Task.ts"
import { listed, plural } from "../../pipeline/Words.ts"
import { quote } from "../../postgres/Identifier.ts"
import * as LockLimit from "../../postgres/LockLimit.ts"
import * as Retrying from "../../postgres/Retrying.ts"
import { Session } from "../../postgres/Session.ts"
import type { Obstacle } from "../../postgres/survey/Schemas.ts"
import * as SchemaRights from "../../postgres/survey/SchemaRights.ts"
import { type Survey, survey, type SurveyScope } from "../../postgres/survey/Survey.ts"
import * as Lock from "../clean/Lock.ts"
import { mine } from "../restore/Going.ts"
import * as FormerRights from "../restore/FormerRights.ts"
import * as Journaling from "../restore/Journaling.ts"
import { stakesOf } from "../restore/Looking.ts"
import type { Settled } from "../restore/RestoreOptions.ts"
import * as SetAside from "../restore/several/SetAside.ts"
import { hold } from "../TargetHold.ts"
import { TargetUnfit } from "../VerbError.ts"

/** What was found. */
export interface Looked {
  readonly scope: SurveyScope
  readonly found: Survey
  /** What comes back, and from under which name. */
  readonly back: ReadonlyArray<SetAside.Renamed>
  readonly stakes?: Stakes
}

/** What a schema takes along under another name, or what does not let it have one. The rest is about creating one. */
const hindering: ReadonlySet<Obstacle["reason"]> = new Set([
  "not-owner",
  "no-create-on-database",
  "extension",
  "publication",
  "outside-dependent"
])

const obstacles = ({ schemas, subscribed }: Survey): ReadonlyArray<string> => [
  ...schemas.flatMap((schema) =>
    schema.exists && schema.recreatable !== true
      ? schema.recreatable.filter(({ reason }) => hindering.has(reason)).map(({ text }) => text)
      : []
  ),
  ...subscribed.map(({ schema, subscription, table }) => `subscription ${subscription} fills table ${schema}.${table}`)
]

/** Fails with DumpMissing where what was kept is gone, and with TargetUnfit where names alone would not do. */
const look = (journal: Journal, options: Settled) =>
  Task.withLimits(
    Task.read("survey", {
      title: "Survey the target",
      session: "target",
      plan: Effect.fnUntraced(function* () {
        const { aside: back = [], file, schemas } = journal
        const there = yield* SetAside.present(back.map(({ aside }) => aside))
        const gone = back.filter(({ aside }) => !there.has(aside))
        if (gone.length > 0) {
          const { journals } = yield* Effect.flatMap(DumpStore, (store) => store.beforeRestore)
          return yield* new DumpMissing({
            message: `What was there before ${file} was restored had been kept, and is gone: ${listed(gone.map(({ aside }) => quote(aside))).join(", ")}.`,
            suggestion: "Restore a dump (`pgark list`).",
            state: "untouched",
            file: journals.path(journal)
          })
        }
        const scope: SurveyScope = { schemas }
        const found = yield* LockLimit.reading(options.lockTimeout ?? Lock.defaultLockTimeout, survey(scope))
        const hindrances = [...new Set(obstacles(found))]
        if (hindrances.length > 0) {
          return yield* new TargetUnfit({
            message: `What is there now cannot get out of the way: ${listed(hindrances, 3).join("; ")}.`,
            detail: listed(hindrances).join("\n"),
            suggestion: "Remove that first, and create it again afterwards.",
            state: "untouched"
          })
        }
        const going = { objects: found.objects.filter(mine), largeObjects: [], databaseWide: [] }
        const stakes = yield* stakesOf(found, going, { ...options, keepPrevious: options.backupFirst })
        const looked: Looked = { scope, found, back, ...stakes }
        return looked
      }),
      rows: () => [
        Plan.row("go about it by renaming schemas", { why: "the restore has kept what it replaced (--keep-previous)" })
      ],
      scope: ({ found }: Looked) => found.schemas.map(({ name }) => `schema ${name}`),
      basis: ({ found }: Looked) => Lock.basisOf(found),
      stakes: ({ stakes }: Looked) => stakes
    }),
    { retry: Retrying.reads }
  )

/** What the undoing notes of itself, so that it can be undone. */
const noted = Effect.fnUntraced(function* ({ found }: Looked, undoes: Journal) {
  const { grantees } = undoes
  const schemas = found.schemas.map(({ name }) => name)
  const journal: Journal = {
    version: journalVersion,
    at: yield* DateTime.now,
    target: yield* Journaling.target(),
    by: "undo",
    file: undoes.file,
    way: "transaction",
    aside: SetAside.names(found).map(SetAside.kept),
    keeps: true,
    state: "begun",
    replaces: true,
    clean: true,
    schemas,
    newSchemas: found.schemas.filter(({ exists }) => !exists).map(({ name }) => name),
    creates: [],
    leaves: [],
    tables: [],
    newExtensions: [],
    largeObjects: [],
    grantees,
    rights: yield* SchemaRights.read(schemas, grantees)
  }
  yield* Journaling.write(journal)
  return journal
})

/** The tasks of it. */
export const pipeline = (journal: Journal, options: Settled) => {
  const surveyed = Task.holding(look(journal, options), hold(options))
  const needs = { surveyed }
  const lockTimeout = options.lockTimeout ?? Lock.defaultLockTimeout
  const lock = Lock.task({
    needs,
    refuse: Lock.changed,
    what: ({ surveyed: { found, scope } }) => ({
      scope,
      survey: found,
      going: found.objects.filter(mine),
      more: true
    })
  })
  const exchange = Task.make("exchange", {
    title: "Rename the schemas",
    session: "target",
    needs,
    plan: ({ surveyed }) => {
      const { back, found } = surveyed
      const renamed = SetAside.exchanging(found, back)
      const tables = ({ schema }: SetAside.Renamed) =>
        found.objects.filter((object) => object.holdsRows && object.schema === schema).length
      return Effect.succeed({
        value: undefined,
        rows: [
          ...renamed.away.map((one) =>
            Plan.row(
              `rename schema ${quote(one.schema)} to ${quote(one.aside)}: ${plural(tables(one), "table")}, with all ` +
                `that was written there since ${basename(journal.file)} was restored`,
              {
                sql: one.sql,
                destroys: true,
                why: options.backupFirst
                  ? "it is kept until the next restore: undo again brings it back"
                  : "--no-backup-first: it is dropped then"
              }
            )
          ),
          ...renamed.back.map(({ aside, schema, sql }) =>
            Plan.row(`rename schema ${quote(aside)} to ${quote(schema)}, as it was before the restore`, { sql })
          ),
          Plan.row("make rights on schemas, default privileges and what the restore granted what they were before it")
        ],
        run: () =>
          Effect.gen(function* () {
            const session = yield* Session
            const undoing = yield* noted(surveyed, journal)
            yield* SetAside.exchange(session, found, back)
            yield* FormerRights.give(journal)
            return { undoing, ...renamed }
          })
      })
    }
  })
  const transaction = Pipeline.asTask("transaction", {
    title: "Bring back in one transaction",
    session: "target",
    needs: [surveyed],
    pipeline: Pipeline.make("transaction", [lock, exchange], [surveyed.name]),
    around: (run) =>
      Effect.gen(function* () {
        const session = yield* Session
        const { begun, committed, uncertain } = changing("the undoing")
        const done = yield* session.transaction(run, {
          begun,
          committed,
          uncertain,
          committing: Journaling.update,
          lockTimeout
        })
        // What it had kept has its own names again.
        yield* Effect.catch(Journaling.forget(journal), ({ message }) =>
          note(`The journal of the restore was left: ${message}`)
        )
        return done.exchange
      }).pipe(Journaling.within)
  })
  const drop = Task.make("drop", {
    title: "Drop what the restore had put there",
    session: "target",
    needs: { surveyed, transaction },
    plan: ({ surveyed: { found } }) => {
      const renamed = SetAside.names(found).map(SetAside.kept)
      return Effect.succeed({
        value: undefined,
        rows: renamed.map(({ aside, schema }) =>
          Plan.row(`drop ${quote(aside)}: what was in ${quote(schema)} till then`, {
            destroys: true,
            why: "--no-backup-first"
          })
        ),
        run: ({ transaction: { undoing } }) =>
          Effect.gen(function* () {
            const { journals } = yield* Effect.flatMap(DumpStore, (store) => store.beforeRestore)
            yield* SetAside.drop(
              yield* Session,
              renamed.map(({ aside }) => aside)
            )
            yield* journals.write({ ...undoing, state: "done", aside: [] })
            return true
          }).pipe(
            Effect.catch(({ message }) =>
              Effect.as(
                note(`What the restore had put there could not be dropped (${message}): the next restore drops it.`),
                false
              )
            )
          )
      })
    }
  })
  return Pipeline.make("undo", [surveyed, transaction, Task.when(!options.backupFirst, drop)])
}
