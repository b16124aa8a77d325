/** A server that dies while it is being dumped. */
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as EmbeddedServer from "../../src/demo/EmbeddedServer.ts"
import * as Clusters from "../support/Clusters.ts"
import * as Pgark from "../support/Pgark.ts"
import { backends, folder, until } from "../support/Restores.ts"
import * as Tier from "../support/Tier.ts"

const ends = (name: string, kill: (server: number, backend: number) => void) =>
  it.live(`a server that ${name}: exit code 6, no file, no process that waits`, () =>
    Effect.gen(function* () {
      const { pid, superuser } = yield* EmbeddedServer.start()
      yield* Clusters.query(
        superuser,
        "CREATE TABLE public.large AS SELECT i, repeat(md5(i::text), 20) AS t FROM generate_series(1, 300000) i"
      )
      const cwd = yield* folder
      const running = yield* Pgark.start(["dump", "--pg-dump", "wasm"], {
        cwd,
        env: { DATABASE_URL: Pgark.uri(superuser) }
      })
      const [backend] = yield* until(backends(superuser, "COPY public.large%"), (pids) => pids.length > 0, "20 seconds")
      assert.match(readdirSync(join(cwd, "dumps")).join(), /\.partial$/)
      kill(pid, backend!)
      const ended = yield* Effect.timeout(running.ended, "10 seconds")
      assert.strictEqual(ended.code, 6, ended.stderr)
      assert.match(ended.stderr, /^pgark: The server went away while it was being dumped\.$/m)
      assert.match(ended.stderr, /^ {2}state {3}nothing was changed$/m)
      assert.deepStrictEqual(readdirSync(join(cwd, "dumps")), [])
    })
  )

describe("in the middle of a dump", () => {
  ends("is killed", (server, backend) => {
    process.kill(server, "SIGKILL")
    process.kill(backend, "SIGKILL")
  })
})

Tier.long("in the middle of a dump, too", () => {
  ends("is shut down at once", (server) => process.kill(server, "SIGQUIT"))
  ends("loses the backend, and with it all others", (_, backend) => process.kill(backend, "SIGKILL"))
})
