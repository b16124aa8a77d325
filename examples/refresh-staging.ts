/**
 * Refreshes a staging database: dumps production and replaces what is in staging by it, with the app's rights and
 * without anybody's e-mail address. All of staging changes in one transaction, or none of it.
 *
 *     PRODUCTION_URL=… STAGING_URL=… STAGING_APP=app_role node refresh-staging.ts
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { Database, Dump, DumpStore, PgDump, Plan, Restore, Task } from "pgark"

class AddressLeft extends Schema.TaggedError<AddressLeft>()("AddressLeft", { message: Schema.String }) {}

const masking = `UPDATE "User" SET "email" = 'user-' || md5("id") || '@staging.invalid' RETURNING "id"`

/** Our own step of the restore. Its errors and what it needs are part of the restore's type. */
const mask = Task.make("mask", {
  title: "Mask e-mail addresses",
  plan: () =>
    Effect.succeed({
      value: undefined,
      rows: [Plan.row("mask every e-mail address", { sql: masking })],
      run: () =>
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          const masked = yield* sql.unsafe(masking)
          const left = yield* sql`SELECT FROM "User" WHERE "email" NOT LIKE '%@staging.invalid'`
          if (left.length > 0) return yield* new AddressLeft({ message: `${left.length} addresses are not masked.` })
          return masked.length
        })
    })
})

const refresh = Effect.gen(function* () {
  const grantTo = yield* Config.String("STAGING_APP")
  const { file } = yield* Dump.dump().pipe(Effect.provide(Database.layerConfig(Config.Redacted("PRODUCTION_URL"))))
  // After the verification and before the commit: nobody ever sees an address in staging.
  const { rows, tables, tasks } = yield* Restore.restore({ file, clean: true, grantTo, tasks: [mask] }).pipe(
    Effect.provide(Database.layerConfig(Config.Redacted("STAGING_URL")))
  )
  yield* Effect.log(`Staging has ${rows} rows in ${tables} tables; ${tasks.mask} addresses are masked.`)
})

const services = Layer.mergeAll(DumpStore.layer("dumps"), PgDump.layer()).pipe(Layer.provideMerge(NodeServices.layer))

NodeRuntime.runMain(Effect.provide(refresh, services))
