/** Applies a dump that is taken apart to a target, over one connection or several, as a restore does. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { Contents } from "../../src/dumps/DumpReading.ts"
import type { DatabaseUrl } from "../../src/postgres/DatabaseUrl.ts"
import { Session } from "../../src/postgres/Session.ts"
import { survey } from "../../src/postgres/survey/Survey.ts"
import { isLacking } from "../../src/postgres/version/Features.ts"
import { majorOf } from "../../src/postgres/version/ServerVersion.ts"
import { finish } from "../../src/verbs/restore/Apply.ts"
import { applyInOne, applyInSeveral, type Divided } from "../../src/verbs/restore/ApplyDirectory.ts"
import * as StatementPolicy from "../../src/verbs/restore/StatementPolicy.ts"

export interface Options<E, R> {
  readonly url: DatabaseUrl
  readonly source: Divided<E, R>
  readonly contents: Pick<Contents, "checks" | "largeObjects" | "schemas" | "sql" | "tables">
  readonly jobs: number
  readonly tune?: boolean
  readonly lockTimeout?: `${number} seconds`
}

/** Applies it; gives what was applied. */
export const applying = <E extends { readonly _tag: string }, R>({
  contents,
  jobs,
  lockTimeout = "30 seconds",
  source,
  tune = true,
  url
}: Options<E, R>) =>
  Effect.gen(function* () {
    const session = yield* Session
    const found = yield* survey({ schemas: contents.schemas })
    const explained = () => ({})
    const options = {
      session,
      source,
      expected: { ...contents, statements: 0, copies: contents.tables.length },
      decide: StatementPolicy.make({ survey: found, cleaned: false, owner: "auto" }),
      lacks: (feature: Parameters<typeof isLacking>[0]) => isLacking(feature, majorOf(found.server.versionNumber)),
      explained,
      loaded: (session: typeof Session.Service) =>
        Effect.asVoid(Effect.provideService(Effect.service(SqlClient.SqlClient), SqlClient.SqlClient, session.sql))
    }
    if (jobs === 1) {
      return yield* session.transaction(
        Effect.flatMap(applyInOne({ ...options, freeze: true }), (applied) => finish(session, applied, explained))
      )
    }
    const none = Effect.void
    const several = { ...options, jobs, budget: 1000, lockTimeout, tune, first: none, last: none }
    const applied = yield* applyInSeveral(several)
    return yield* session.transaction(finish(session, applied, explained))
  }).pipe(Effect.provide(Session.layer(url)))
