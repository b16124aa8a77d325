/** One server of each major version for the whole test run, which workers find through {@link Clusters}; and a bundle. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import type { TestProject } from "vitest/node"
import * as EmbeddedServer from "../../src/demo/EmbeddedServer.ts"
import * as DatabaseUrl from "../../src/postgres/DatabaseUrl.ts"
import * as Bundle from "./Bundle.ts"
import * as Clusters from "./Clusters.ts"
import * as Memory from "./Memory.ts"
import { isLong } from "./Tier.ts"

declare module "vitest" {
  interface ProvidedContext {
    /** Superuser URLs by major version. */
    readonly clusters: Readonly<Record<string, string>>
  }
}

const startAll = Effect.fnUntraced(function* (scope: Scope.Closeable, majors: ReadonlyArray<Clusters.Major>) {
  const servers = yield* Effect.forEach(majors, (major) => EmbeddedServer.start({ major }), {
    concurrency: "unbounded"
  }).pipe(
    Scope.provide(scope),
    Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : Scope.close(scope, exit)))
  )
  return Object.fromEntries(
    servers.map((server) => [server.major, Redacted.value(DatabaseUrl.toUri(server.superuser))])
  )
})

export default async (project: TestProject): Promise<() => Promise<void>> => {
  await Bundle.ensure()
  const majors = isLong(project.config.env) ? [...Clusters.majors, ...Clusters.moreMajors] : Clusters.majors
  const scope = await Effect.runPromise(Scope.make())
  await Effect.runPromise(Scope.addFinalizer(scope, Effect.sync(Memory.useFolder())))
  project.provide("clusters", await Effect.runPromise(startAll(scope, majors)))
  return () => Effect.runPromise(Scope.close(scope, Exit.void))
}
