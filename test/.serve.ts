import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { writeFileSync } from "node:fs"
import * as EmbeddedServer from "../src/demo/EmbeddedServer.ts"
import * as JournalDatabase from "../src/demo/JournalDatabase.ts"
import * as DatabaseUrl from "../src/postgres/DatabaseUrl.ts"
import { Session } from "../src/postgres/Session.ts"
const run = Effect.gen(function* () {
  const server = yield* EmbeddedServer.start({ major: 15 })
  yield* Effect.gen(function* () {
    const s = yield* Session
    yield* s.execute(`CREATE ROLE journal_owner LOGIN PASSWORD 'owner-pw'`)
    yield* s.execute(`CREATE ROLE journal_app LOGIN PASSWORD 'app-pw'`)
    yield* s.execute(`CREATE DATABASE journal`)
  }).pipe(Effect.provide(Session.layer(server.superuser)))
  const admin = { ...server.superuser, database: "journal" }
  yield* Effect.gen(function* () {
    const s = yield* Session
    yield* s.execute(`GRANT USAGE, CREATE ON SCHEMA public TO journal_owner`)
  }).pipe(Effect.provide(Session.layer(admin)))
  const owner = { ...admin, user: "journal_owner", password: Redacted.make("owner-pw") }
  yield* JournalDatabase.create({ events: 2000 }).pipe(Effect.provide(Session.layer(owner)))
  writeFileSync(
    "/tmp/serve.env",
    `OWNER='${Redacted.value(DatabaseUrl.toUri(owner))}'\nADMIN='${Redacted.value(DatabaseUrl.toUri(admin))}'\n`
  )
  yield* Effect.never
})
NodeRuntime.runMain(Effect.scoped(run).pipe(Effect.provide(NodeServices.layer)))
