/** The step of a restore that applies the dump, and what it has to do around it so that the target is the dump's. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { Contents } from "../../dumps/DumpReading.ts"
import { DumpStore } from "../../dumps/DumpStore.ts"
import type { Manifest } from "../../dumps/Manifest.ts"
import * as Plan from "../../pipeline/Plan.ts"
import * as Task from "../../pipeline/Task.ts"
import { listed, plural } from "../../pipeline/Words.ts"
import * as Checksums from "../../postgres/Checksums.ts"
import type { Answer } from "../../postgres/Guarded.ts"
import { qualified, quote } from "../../postgres/Identifier.ts"
import { Session, type SessionService } from "../../postgres/Session.ts"
import type { DefaultPrivileges } from "../../postgres/survey/DefaultPrivileges.ts"
import type { CatalogObject } from "../../postgres/survey/Objects.ts"
import type { Survey } from "../../postgres/survey/Survey.ts"
import { majorOf } from "../../postgres/version/ServerVersion.ts"
import { type Feature, isLacking } from "../../postgres/version/Features.ts"
import { apply } from "./Apply.ts"
import { applyInOne, applyInSeveral } from "./ApplyDirectory.ts"
import * as Bridge from "./Bridge.ts"
import { describeObject } from "../clean/Blocker.ts"
import * as DumpProof from "./DumpProof.ts"
import { census } from "../clean/Ladder.ts"
import * as FolderSource from "./FolderSource.ts"
import { RowsElsewhere } from "./parallel/RowSource.ts"
import * as Tuning from "./parallel/Tuning.ts"
import * as Publishing from "./Publishing.ts"
import type { Replacement } from "./Replacement.ts"
import { leaving, type Standing } from "./Standing.ts"
import * as StatementPolicy from "./StatementPolicy.ts"
import { type Applied, type Explained, tableKey } from "./Statements.ts"

/** What is applied to what. */
export interface Applying {
  readonly file: string
  readonly contents: Contents
  readonly manifest?: Manifest
  /** What narrows the dump on purpose, as flags. */
  readonly leftOut: string | undefined
  readonly survey: Survey
  readonly going: Replacement
  /** Tables that come back without rows. */
  readonly hollow: ReadonlyArray<CatalogObject>
  /** The target has been emptied, or fresh schemas are filled. */
  readonly emptied: boolean
  /** Several transactions, each of which may take so many entries of the server's lock table; one that is open unless told. */
  readonly budget?: number
  /** How many connections apply it; 1 unless told. More have several transactions. */
  readonly jobs?: number
  /** How long these wait for what others hold. */
  readonly lockTimeout: Duration.Input
  /** Whether the sessions may be set as it suits. */
  readonly tune: boolean
  /** What is left alone although the dump has it. */
  readonly standing?: Standing
}

/** In words, what the dump's own statements take away, and what does not come back with them. */
const replacedRows = ({ contents, emptied, going, hollow, leftOut, manifest }: Applying) => {
  const byItself = { destroys: true, why: "the dump's own DROP statements" }
  const words = Object.entries(contents.unusual).map(([word, n]) => `${n} ${word.toUpperCase()}`)
  const partialRows = manifest?.partialRows ?? []
  const { objects, largeObjects } = emptied ? { objects: [], largeObjects: [] } : going
  return [
    ...(objects.length === 0 ? [] : [Plan.row(`replace ${census(objects)}`, byItself)]),
    ...(largeObjects.length === 0
      ? []
      : [Plan.row(`replace ${plural(largeObjects.length, "large object")}`, byItself)]),
    ...(hollow.length === 0
      ? []
      : [
          Plan.row(`bring back without rows: ${listed(hollow.map(describeObject), 6).join(", ")}`, {
            destroys: true,
            why: leftOut === undefined ? "the dump has none of theirs" : `the dump was made with ${leftOut}`
          })
        ]),
    ...(partialRows.length === 0
      ? []
      : [
          Plan.row(`restore only part of the rows of: ${listed(partialRows, 6).join(", ")}`, {
            destroys: going.objects.some(
              ({ schema, name }) => schema !== undefined && partialRows.includes(qualified(schema, name))
            ),
            why: "the dump was made with --allow-partial-rows: row-level security hid the others"
          })
        ]),
    ...going.databaseWide.map(({ kind, name }) => Plan.row(`replace ${kind.toLowerCase()} ${quote(name)}`, byItself)),
    ...(words.length === 0
      ? []
      : [
          Plan.row(`execute statements that pg_dump does not write: ${words.join(", ")}`, {
            destroys: true,
            why: "what they do only the author of the dump knows"
          })
        ])
  ]
}

/** `of "me" on tables in schema "app"` */
const describeDefaults = ({ role, schema, objects }: DefaultPrivileges): string =>
  `of ${quote(role)} on ${objects.toLowerCase()}${schema === null ? "" : ` in schema ${quote(schema)}`}`

const aside = ({ survey: { defaultPrivileges } }: Applying) =>
  defaultPrivileges.length === 0
    ? []
    : [
        Plan.row(`set default privileges aside: ${listed(defaultPrivileges.map(describeDefaults), 6).join(", ")}`, {
          sql: defaultPrivileges.flatMap(({ takeOut }) => takeOut).join("; "),
          why: "rights are then the dump's own, and what --grant-to adds"
        })
      ]

const withoutRoles = ({ contents, survey: { roles } }: Applying) => {
  const known = new Set(roles.map(({ name }) => name))
  const absent = contents.roles.filter((role) => !known.has(role)).map(quote)
  return absent.length === 0
    ? []
    : [
        Plan.row(`leave out owners and rights of roles that the server lacks: ${listed(absent, 6).join(", ")}`, {
          why: "what they own is then this role's"
        })
      ]
}

/** Behind the dump, whose own ALTER DEFAULT PRIVILEGES count: these add to them. */
const back = ({ survey: { defaultPrivileges }, going: { published } }: Applying) => [
  ...(defaultPrivileges.length === 0
    ? []
    : [
        Plan.row("put the default privileges back", {
          sql: defaultPrivileges.flatMap(({ putBack }) => putBack).join("; ")
        })
      ]),
  ...published.map((one) => Plan.row(`put ${Publishing.describe(one)} back`, { sql: one.restore }))
]

/** What several connections do at the same time. */
const sideBySide = ({ contents: { checks }, jobs = 1, manifest }: Applying) => {
  const files = manifest?.files?.data.length
  if (jobs === 1 || files === undefined) return []
  const indexes = checks.indexes + checks.primaryKeys + checks.uniqueConstraints
  const what = [
    plural(files, "file of rows", "files of rows"),
    plural(indexes, "index", "indexes"),
    plural(checks.foreignKeys, "foreign key")
  ]
  return [Plan.row(`use ${plural(jobs, "connection")} side by side for ${what.join(", ")}`)]
}

/** What was applied, and what the rows of the tables added up to when they were in. */
export interface Loaded extends Applied {
  readonly checksums: ReadonlyMap<string, Answer<Checksums.Checksum>>
  /** Says more of a refusal that comes later. */
  readonly explained: Explained
}

const withChecksums = (tables: Manifest["tables"]) => tables.filter(({ checksum }) => checksum !== undefined)

const executeAll = (session: SessionService, statements: ReadonlyArray<string>) =>
  Effect.forEach(statements, (sql) => session.execute(sql), { discard: true })

/** Applies it. */
const applied = Effect.fnUntraced(function* (
  applying: Applying,
  { checksums, owner }: { readonly checksums: boolean; readonly owner: StatementPolicy.OwnerMode }
) {
  const { budget, contents, emptied, file, going, jobs = 1, lockTimeout, manifest, standing, survey, tune } = applying
  const session = yield* Session
  const store = yield* DumpStore
  const policy = StatementPolicy.make({ survey, cleaned: emptied, owner })
  const explained: Explained = (fields) => Bridge.explained(fields, survey, applying)
  const options = {
    session,
    expected: contents,
    decide: standing === undefined ? policy : leaving(policy, standing),
    lacks: (feature: Feature) => isLacking(feature, majorOf(survey.server.versionNumber)),
    explained,
    // Tables of this very transaction nobody else has seen.
    freeze: tune,
    ...(budget === undefined ? {} : { budget })
  }
  const sums = new Map<string, Answer<string>>()
  const summed = checksums ? withChecksums(manifest?.tables ?? []) : []
  const loaded = ({ sql }: SessionService) =>
    Effect.map(Checksums.read(summed), (answers) => {
      for (const [index, table] of summed.entries()) sums.set(tableKey(table), answers[index]!)
    }).pipe(Effect.provideService(SqlClient.SqlClient, sql))
  const defaults = survey.defaultPrivileges
  const first = executeAll(
    session,
    defaults.flatMap(({ takeOut }) => takeOut)
  )
  const last = Effect.andThen(
    executeAll(
      session,
      defaults.flatMap(({ putBack }) => putBack)
    ),
    Publishing.putBack(session, survey, going.published)
  )
  const giving = (applied: Applied): Loaded => ({ ...applied, checksums: sums, explained })

  const elsewhere = yield* RowsElsewhere
  const stored =
    manifest?.format === "directory"
      ? FolderSource.of(file, manifest, yield* store.openDirectory({ file, manifest }))
      : undefined
  const folder = stored === undefined || elsewhere?.file !== file ? stored : { ...stored, rows: elsewhere.source }
  if (jobs > 1 && budget !== undefined && folder !== undefined) {
    const several = { jobs, budget, lockTimeout, tune, first, last }
    const rows = summed.length === 0 ? {} : { loaded }
    return giving(yield* applyInSeveral({ ...options, ...several, ...rows, source: folder }))
  }
  const all = Effect.gen(function* () {
    if (tune) yield* session.execute(Tuning.ofOne(yield* Tuning.read(session, 1)))
    yield* first
    const inOne =
      folder === undefined
        ? Effect.flatMap(store.read(file), ({ pull }) =>
            apply({ ...options, chunk: pull, file, ...(summed.length === 0 ? {} : { loaded: loaded(session) }) })
          )
        : applyInOne({ ...options, source: folder, ...(summed.length === 0 ? {} : { loaded }) })
    const applied = yield* inOne
    yield* last
    return giving(applied)
  }).pipe(Effect.scoped)
  return yield* budget === undefined ? all : session.transaction(all, { lockTimeout })
})

/**
 * Applies a dump within a transaction that is open on the session "target".
 *
 * While it is applied the default privileges of this role are those of the server (they would add to what the dump
 * grants); afterwards they are as before and as the dump says, and tables are published as before.
 */
export const task = <N extends Task.Needs>(options: {
  readonly needs: N
  readonly owner: StatementPolicy.OwnerMode
  /** Add up the rows of the tables for which the manifest has a checksum, as soon as they are in. */
  readonly checksums: boolean
  readonly what: (needs: Task.PlannedNeeds<N>) => Applying
}) =>
  Task.make("apply", {
    title: "Apply the dump",
    session: "target",
    needs: options.needs,
    plan: (needs) => {
      const applying = options.what(needs)
      const { contents, survey } = applying
      const rows = DumpProof.totalRows(contents.tables)
      return Effect.succeed({
        value: contents,
        rows: [
          ...replacedRows(applying),
          ...withoutRoles(applying),
          ...aside(applying),
          ...Bridge.adapted(survey, contents).map(([reason, count]) =>
            Plan.row(`adapt ${plural(count, "statement")}`, { why: reason })
          ),
          Plan.row(
            `execute ${plural(contents.statements, "statement")} and copy ${plural(rows, "row")} ` +
              `into ${plural(contents.tables.length, "table")}`
          ),
          ...sideBySide(applying),
          ...back(applying)
        ],
        run: () => applied(applying, { owner: options.owner, checksums: options.checksums })
      })
    }
  })
