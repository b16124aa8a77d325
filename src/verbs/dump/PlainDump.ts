/** Writes a plain dump: what pg_dump writes, as it comes. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { DumpStore } from "../../dumps/DumpStore.ts"
import * as Progress from "../../pipeline/Progress.ts"
import * as RunMetrics from "../../pipeline/RunMetrics.ts"
import * as CatalogFacts from "../../postgres/CatalogFacts.ts"
import * as DumpProgress from "./DumpProgress.ts"
import type { Prepared, Writing } from "./Prepared.ts"

/** Of this snapshot; without one pg_dump takes its own. */
export const write = Effect.fnUntraced(function* (
  { session: { url }, tool }: Writing,
  { ask, begun, clock, doing, estimates, provenance, run, what }: Prepared,
  snapshot: string | undefined
) {
  const store = yield* DumpStore
  const told = DumpProgress.make(estimates, clock)
  const of = snapshot === undefined ? what : { ...what, snapshot }
  return yield* store.write(
    provenance(yield* CatalogFacts.read(), snapshot),
    (append, file, position) =>
      Effect.andThen(
        begun(file),
        Stream.runForEach(tool.dump(url, of, run), (chunk) =>
          Effect.andThen(append(chunk), RunMetrics.add(RunMetrics.bytes, chunk.length))
        ).pipe(Progress.telling(() => told(position(), doing())))
      ),
    ask
  )
})
