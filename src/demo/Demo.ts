/** The whole round trip on a throw-away server: what the README's first command shows. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { DumpStore } from "../dumps/DumpStore.ts"
import { count, plural } from "../pipeline/Words.ts"
import type * as DatabaseUrl from "../postgres/DatabaseUrl.ts"
import { StatementFailed } from "../postgres/DatabaseError.ts"
import { literal } from "../postgres/Identifier.ts"
import { Session } from "../postgres/Session.ts"
import { fromSqlError } from "../postgres/Sqlstate.ts"
import * as Dump from "../verbs/Dump.ts"
import * as Restore from "../verbs/Restore.ts"
import * as Verify from "../verbs/Verify.ts"
import * as EmbeddedServer from "./EmbeddedServer.ts"
import * as JournalDatabase from "./JournalDatabase.ts"

/** Migrations and restores run as this role. It owns the tables; the schema they stand in belongs to another. */
const owner = "journal_owner"
/** The app connects as this role. */
const app = "journal_app"
const database = "journal"

/** One thing that the demo tells, as it happens. */
export interface Told {
  /** Of a step its number, counted from 1; whatever else is told belongs to the step before it. */
  readonly step?: number
  readonly text: string
  /** How it is meant: something went wrong on purpose, or has been proven to be right. */
  readonly mood?: "bad" | "good"
}

/** Who is told. */
export type Say = (told: Told) => Effect.Effect<void>

/** What the demo showed. */
export const DemoReport = Schema.Struct({
  server: Schema.String.annotateKey({ description: "Version of its server." }),
  file: Schema.String.annotateKey({ description: "Path of the dump, which is gone with the server." }),
  damage: Schema.Int.annotateKey({ description: "Number of differences that were found after the damage." }),
  restore: Restore.RestoreReport.annotateKey({ description: "What the restore did." }),
  appRead: Schema.Int.annotateKey({ description: "Number of rows that the app's role has read afterwards." }),
  verify: Verify.VerifyReport.annotateKey({ description: "What the verification found." }),
  milliseconds: Schema.Finite.annotateKey({ description: "How long all of it took." })
})
export type DemoReport = typeof DemoReport.Type

const damage = `
  DELETE FROM public."JournalEntry" WHERE id IN (SELECT id FROM public."JournalEntry" ORDER BY id LIMIT 100);
  UPDATE public."JournalEntry" SET body = 'overwritten by mistake';
  DROP TABLE public."TrelloSettings" CASCADE;
  ALTER TYPE public."GoalState" ADD VALUE 'FORGOTTEN';
  CREATE TABLE public.leftover (id integer);`

/** The newest embedded server that is installed. */
const chooseMajor = Effect.map(EmbeddedServer.available, (majors) => majors.toSorted((a, b) => b - a)[0] ?? 18)

const as = (url: DatabaseUrl.DatabaseUrl, role: string, password: string): DatabaseUrl.DatabaseUrl => ({
  ...url,
  user: role,
  password: Redacted.make(password),
  database
})

/** Rows of the tables that the app reads, over a connection of the app's own; then it writes one and takes it back. */
const useAsApp = Effect.gen(function* () {
  const session = yield* Session
  const [counted] = yield* session.sql<{ readonly rows: number }>`
    select (select count(*) from public."User") + (select count(*) from public."JournalEntry") as rows`.pipe(
    Effect.map((rows) => rows.map((row) => ({ rows: Number(row.rows) }))),
    Effect.mapError(fromSqlError)
  )
  yield* session.execute(`BEGIN; UPDATE public."JournalEntry" SET body = body; ROLLBACK`)
  if (counted === undefined || counted.rows === 0) {
    return yield* new StatementFailed({
      message: `The role ${app} sees no rows.`,
      suggestion: "Please report it with the output above: the demo's own server should have let it."
    })
  }
  return counted.rows
})

/** Runs the demo, telling each step. */
export const run = Effect.fn("Demo.run")(function* (say: Say) {
  const begun = yield* Clock.currentTimeMillis
  const fs = yield* FileSystem.FileSystem
  const major = yield* chooseMajor
  const server = yield* EmbeddedServer.start({ major })
  yield* say({ step: 1, text: `PostgreSQL ${server.version} runs on port ${server.port}, in a temporary folder.` })

  const passwords = { [owner]: "owner-of-the-demo", [app]: "app-of-the-demo" }
  yield* Effect.provide(
    Effect.flatMap(Session, (session) =>
      Effect.forEach(
        [
          ...Object.entries(passwords).map(([role, word]) => `CREATE ROLE ${role} LOGIN PASSWORD ${literal(word)}`),
          `CREATE DATABASE ${database}`
        ],
        (sql) => session.execute(sql)
      )
    ),
    Session.layer(server.superuser)
  )
  yield* Effect.provide(
    Effect.flatMap(Session, (session) => session.execute(`GRANT USAGE, CREATE ON SCHEMA public TO ${owner}`)),
    Session.layer({ ...server.superuser, database })
  )
  const ownerUrl = as(server.superuser, owner, passwords[owner]!)
  const folder = yield* Effect.orDie(fs.makeTempDirectoryScoped({ prefix: "pgark-demo-" }))

  return yield* Effect.gen(function* () {
    yield* JournalDatabase.create()
    yield* say({
      step: 2,
      text: `Database ${database} holds an app's data. ${owner} owns the tables, but not the schema they stand in.`
    })

    const { file, manifest } = yield* Dump.dump()
    const tables = manifest?.tables ?? []
    const rows = tables.reduce((sum, table) => sum + table.rows, 0)
    yield* say({
      step: 3,
      text: `dump: ${plural(tables.length, "table")} and ${plural(rows, "row")}, proven while they were written.`
    })

    const session = yield* Session
    const expected = manifest === undefined ? undefined : ({ against: "manifest", contents: manifest } as const)
    yield* session.execute(damage)
    const seen = yield* Effect.result(Verify.verify({ expected }))
    const differences =
      Result.isFailure(seen) && seen.failure._tag === "VerificationFailed" ? seen.failure.findings : []
    yield* say({ step: 4, text: "An accident: entries are deleted, others overwritten, and a table is dropped." })
    yield* say({ text: `verify finds ${plural(differences.length, "difference")}.`, mood: "bad" })

    const restore = yield* Restore.restore({
      file,
      clean: true,
      owner: "auto",
      grantTo: app,
      verify: true,
      analyze: true,
      acceptUnproven: false
    })
    yield* say({ step: 5, text: `restore --clean --grant-to ${app}, as ${owner}, in one transaction:` })
    if (restore.clean !== undefined) {
      yield* say({ text: `the schema stays and is emptied, for want of rights: ${restore.clean.why}` })
      for (const what of restore.clean.dropped) yield* say({ text: `- ${what}` })
    }
    yield* say({
      text:
        `${plural(restore.rows, "row")} in ${plural(restore.tables, "table")} and ` +
        `${plural(restore.largeObjects, "large object")} are back.`,
      mood: "good"
    })
    if (restore.grant !== undefined) {
      const { tables: granted, sequences } = restore.grant
      yield* say({
        step: 6,
        text: `${app} has its rights on ${plural(granted, "table or view", "tables and views")}, ${plural(sequences, "sequence")}: all proven.`
      })
    }
    const appRead = yield* Effect.provide(useAsApp, Session.layer(as(server.superuser, app, passwords[app]!)))
    yield* say({ text: `Connected as ${app}: it read ${count(appRead)} rows and wrote.`, mood: "good" })

    const verify = yield* Verify.verify({ expected, grantTo: { roles: [app], profile: "all" } })
    yield* say({
      step: 7,
      text: `verify: ${plural(verify.tables, "table")} and ${plural(verify.rows, "row")} as in the dump.`
    })
    yield* say({ text: "No difference.", mood: "good" })
    const milliseconds = (yield* Clock.currentTimeMillis) - begun
    const report: DemoReport = {
      server: server.version,
      file,
      damage: differences.length,
      restore,
      appRead,
      verify,
      milliseconds
    }
    return report
  }).pipe(Effect.provide(Layer.mergeAll(Session.layer(ownerUrl), DumpStore.layer(folder))))
}, Effect.scoped)
