import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import type { JudgedDump } from "../../dumps/DumpListing.ts"
import * as Flags from "../Flags.ts"
import { handle, load } from "../Handler.ts"
import { SideEffects } from "../help/SideEffects.ts"
import * as RenderDump from "../render/RenderDump.ts"

const document = ({ size, verdict, ...known }: JudgedDump, now: DateTime.Utc) => {
  const { at, readAt } = known
  const dump = { ...known, age: RenderDump.age(at, now), bytes: size }
  return verdict.proven ? { ...dump, ...verdict, provenAt: readAt } : { ...dump, ...verdict }
}

export const list = Command.make(
  "list",
  {
    dir: Flags.dir,
    prove: Flag.Boolean("prove").pipe(
      Flag.withDescription("Read every dump to its end; otherwise only those that are new or have changed since"),
      Flag.withDefault(false)
    )
  },
  ({ dir: folder, prove }) =>
    handle(
      Effect.gen(function* () {
        const { DumpStore } = yield* load(() => import("../../dumps/DumpStore.ts"))
        const { source, value: dir } = yield* folder.chosen
        return yield* Effect.gen(function* () {
          const store = yield* DumpStore
          const fs = yield* FileSystem.FileSystem
          // The usual folder comes with the first dump; a name on the command line is a slip of the pen.
          if (
            source === "flag" &&
            dir !== Flags.defaultDir &&
            !(yield* Effect.orElseSucceed(fs.exists(dir), () => true))
          ) {
            const { DumpMissing } = yield* load(() => import("../../dumps/DumpError.ts"))
            return yield* new DumpMissing({
              message: `There is no folder ${dir}.`,
              suggestion: "Check the spelling of --dir, and the folder that you are in.",
              state: "untouched",
              file: dir
            })
          }
          const { judged } = yield* load(() => import("../../verbs/ReadingProgress.ts"))
          const dumps = yield* judged(store, prove)
          const leftovers = yield* store.leftovers
          const now = yield* DateTime.now
          return {
            text: [
              ...(dumps.length === 0 ? [`No dumps in ${store.directory}.`] : []),
              ...dumps.flatMap((dump) => RenderDump.listedDump(dump, now)),
              ...leftovers.flatMap((file) => RenderDump.leftover(file, now))
            ].join("\n"),
            document: {
              directory: store.directory,
              dumps: dumps.map((dump) => document(dump, now)),
              unfinished: leftovers.map(({ at, file, kind, size }) => ({
                file,
                kind,
                at,
                age: RenderDump.age(at, now),
                bytes: size
              }))
            }
          }
        }).pipe(Effect.provide(DumpStore.layer(dir)))
      }),
      () => import("../documents/List.ts")
    )
).pipe(
  Command.withDescription(
    "The dumps in --dir, newest first: age, size, content, name, and whether they prove. A dump that has not changed " +
      "since it was proven is not read again: the folder keeps a record (.pgark-proofs.json), which may be removed."
  ),
  Command.withShortDescription("The dumps, proven or not"),
  Command.withExamples([
    { command: "pgark list", description: "What is in dumps/" },
    { command: "pgark list --prove", description: "Read all of it again: a disk may fail silently" }
  ]),
  Command.annotate(SideEffects, {
    reads: ["The dumps in `--dir` that are new or have changed since they were proven; all of them with `--prove`."],
    writes: ["The folder's record of proven dumps, `.pgark-proofs.json`, where it can be written."],
    database: "Is not looked at."
  })
)
