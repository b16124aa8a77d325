/** Keeping the newest dumps, as a task for the end of a pipeline. */
import * as Effect from "effect/Effect"
import { DumpStore } from "../dumps/DumpStore.ts"
import * as Plan from "../pipeline/Plan.ts"
import * as Task from "../pipeline/Task.ts"

/**
 * Removes older dumps from the store, as `DumpStore.keep` does.
 *
 * @param options.count how many of each database are kept, at least 1
 * @param options.after names of tasks that must have ended before: the one that makes a dump
 */
export const task = (options: { readonly count: number; readonly after?: ReadonlyArray<string> }) =>
  Task.make("keep", {
    title: "Keep the newest dumps",
    ...(options.after === undefined ? {} : { after: options.after }),
    plan: () =>
      Effect.map(DumpStore, (store) => ({
        value: undefined,
        rows: [
          Plan.row(`remove older dumps than the newest ${options.count} that prove of each database`, {
            destroys: true,
            why: `${store.directory} would fill up`
          })
        ],
        run: () => store.keep(options.count)
      }))
  })
