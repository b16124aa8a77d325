import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Command from "effect/cli/Command"
import type { DumpStoreService, StoredDump } from "../dumps/DumpStore.ts"
import * as Flags from "./Flags.ts"
import { handle, load } from "./Handler.ts"
import { plural } from "../pipeline/Words.ts"
import { hang } from "./Text.ts"
import * as Units from "./Units.ts"

/** Whether the dump proves, told from a full reading. */
const judge = (store: DumpStoreService, dump: StoredDump) =>
  Effect.match(store.prove(dump), {
    onFailure: ({ message }) => ({ proven: false as const, problem: message }),
    onSuccess: ({ against, unproven }) => ({ proven: true as const, against, unproven })
  })

interface Listed {
  readonly file: string
  readonly age: string
  readonly bytes: number
}

/** Columns of the verdicts. */
const width = "  NOT PROVEN  ".length

/** A file on a line of its own, to be copied whole; what is known of it hangs below. */
const lines = ({ age, bytes, file }: Listed, label: string, more: ReadonlyArray<string>): ReadonlyArray<string> => [
  file,
  hang(label.padEnd(width), [age, Units.bytes(bytes), ...more].join(", "))
]

const entry = (
  dump: Listed & {
    readonly tables: number | undefined
    readonly rows: number | undefined
  } & Effect.Success<ReturnType<typeof judge>>
): ReadonlyArray<string> => {
  const content = [
    ...(dump.tables === undefined ? [] : [plural(dump.tables, "table")]),
    ...(dump.rows === undefined ? [] : [plural(dump.rows, "row")])
  ]
  if (!dump.proven) return [...lines(dump, "  NOT PROVEN", content), hang(" ".repeat(width), dump.problem)]
  return dump.against === "manifest"
    ? lines(dump, "  proven", content)
    : lines(dump, "  complete", ["no manifest to hold it against"])
}

const leftover = (file: Listed): ReadonlyArray<string> =>
  lines(file, "  unfinished", ["left by a run that was killed: remove it"])

export const list = Command.make("list", { dir: Flags.dir }, ({ dir }) =>
  handle(
    Effect.gen(function* () {
      const { DumpStore } = yield* load(() => import("../dumps/DumpStore.ts"))
      return yield* Effect.gen(function* () {
        const store = yield* DumpStore
        const fs = yield* FileSystem.FileSystem
        // The default folder comes with the first dump; another name that is not there is a slip of the pen.
        if (dir !== Flags.defaultDir && !(yield* Effect.orElseSucceed(fs.exists(dir), () => true))) {
          const { DumpMissing } = yield* load(() => import("../dumps/DumpError.ts"))
          return yield* new DumpMissing({
            message: `There is no folder ${dir}.`,
            suggestion: "Check the spelling of --dir, and the folder that you are in.",
            state: "untouched",
            file: dir
          })
        }
        const now = yield* DateTime.now
        const dumps = yield* Effect.forEach(yield* store.list, (dump) =>
          Effect.map(judge(store, dump), (verdict) => {
            const tables = dump.manifest?.tables
            return {
              file: dump.file,
              at: DateTime.formatIso(dump.at),
              age: Units.ago(DateTime.toEpochMillis(now) - DateTime.toEpochMillis(dump.at)),
              bytes: dump.size,
              format: dump.form.format,
              database: dump.manifest?.source.database,
              tables: tables?.length,
              rows: tables?.reduce((sum, { rows }) => sum + rows, 0),
              ...verdict
            }
          })
        )
        const unfinished = (yield* store.leftovers).map(({ at, file, size }) => ({
          file,
          at: DateTime.formatIso(at),
          age: Units.ago(DateTime.toEpochMillis(now) - DateTime.toEpochMillis(at)),
          bytes: size
        }))
        return {
          text: [
            ...(dumps.length === 0 ? [`No dumps in ${store.directory}.`] : dumps.flatMap(entry)),
            ...unfinished.flatMap(leftover)
          ].join("\n"),
          document: { directory: store.directory, dumps, unfinished }
        }
      }).pipe(Effect.provide(DumpStore.layer(dir)))
    })
  )
).pipe(
  Command.withDescription("The dumps in --dir, newest first: age, size, content, proven or not"),
  Command.withShortDescription("The dumps, proven or not"),
  Command.withExamples([{ command: "pgark list", description: "What is in dumps/" }])
)
