/**
 * A task of one's own between two of pgark's: a dump is copied to another place before older ones go. It has a service
 * and an error, which the types of the whole pipeline name.
 *
 *     DATABASE_URL=… VAULT=/mnt/vault node custom-task.ts
 */
import { basename, join } from "node:path"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Database, Dump, DumpStore, Keep, PgDump, Pipeline, Plan, Task } from "pgark"

class VaultClosed extends Schema.TaggedError<VaultClosed>()("VaultClosed", { message: Schema.String }) {}

/** Where dumps are safe from whatever happens to this machine. */
class Vault extends Context.Service<
  Vault,
  { readonly place: string; readonly put: (file: string) => Effect.Effect<string, VaultClosed> }
>()("example/Vault") {
  static readonly layer = Layer.effect(
    Vault,
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const place = yield* Config.String("VAULT")
      const put = Effect.fn("Vault.put")(function* (file: string) {
        const copy = join(place, basename(file))
        yield* Effect.mapError(fs.copyFile(file, copy), ({ message }) => new VaultClosed({ message }))
        return copy
      })
      return Vault.of({ place, put })
    })
  )
}

const dump = Dump.task()

const ship = Task.make("ship", {
  title: "Ship the dump",
  needs: { dump },
  plan: (_planned) =>
    Effect.map(Vault, ({ place, put }) => ({
      value: undefined,
      rows: [Plan.row(`copy the dump and its manifest to ${place}`)],
      run: ({ dump }) => Effect.forEach([`${dump.file}.manifest.json`, dump.file], put)
    }))
})

/** Begins when the dump is shipped; where that fails, no older dump goes. */
const keep = Keep.task({ count: 3, after: [ship.name] })

const backup = Pipeline.make("backup", [dump, ship, keep])

const program = Effect.gen(function* () {
  const { plan, results } = yield* Pipeline.run(backup)
  yield* Effect.log(`Done: ${plan.tasks.map(({ title }) => title).join(", ")}.`)
  yield* Effect.log(`Shipped ${results.ship.join(" and ")}; ${results.keep.removed.length} older dumps removed.`)
})

// The pg_dump that comes with pgark: what is on the machine does not matter.
const services = Layer.mergeAll(
  Database.layerConfig(),
  DumpStore.layer("dumps"),
  PgDump.layer("wasm"),
  Vault.layer
).pipe(Layer.provideMerge(NodeServices.layer))

NodeRuntime.runMain(Effect.provide(program, services))
