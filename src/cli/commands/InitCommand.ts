import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Command from "effect/cli/Command"
import { fileName, found, packageFile, packageKey } from "../config/ConfigFile.ts"
import { invalid } from "../config/ConfigurationInvalid.ts"
import type { Named, Starter } from "../config/Starter.ts"
import * as Flags from "../Flags.ts"
import { handle, load } from "../Handler.ts"
import { SideEffects } from "../help/SideEffects.ts"
import { hang } from "../output/Text.ts"

const already = (file: string) =>
  invalid(`There is a configuration already: ${file}.`, "Edit it; `pgark doctor` tells what it comes to.", { file })

const database = ({ name, protected: kept, set, urlFrom }: Named): string =>
  `${name}, from ${urlFrom}${set ? "" : ", which is not set"}` +
  (kept ? '; "protected": restore, clone, clean and undo refuse it' : "")

const advice = ({ databases, dir, ignored }: Starter): ReadonlyArray<string> => {
  const unset = databases.find(({ name, set }) => name === "main" && !set)
  return [
    ...(ignored === false
      ? [hang("  git         ", `does not ignore ${dir}/: add it to .gitignore, for a dump holds all the rows`)]
      : []),
    hang(
      "  next        ",
      unset === undefined
        ? "pgark doctor, then pgark dump"
        : `put ${unset.urlFrom}="postgresql://user:password@host:5432/database" into .env, then pgark doctor`
    )
  ]
}

export const init = Command.make("init", { dryRun: Flags.dryRun }, ({ dryRun }) =>
  handle(
    Effect.gen(function* () {
      const Starter = yield* load(() => import("../config/Starter.ts"))
      const { own, packaged } = yield* found
      if (own !== undefined) return yield* already(fileName)
      if (packaged !== undefined) return yield* already(`${packageFile} (${packageKey})`)
      const starter = yield* Starter.find()
      const { configuration, databases, dir, ignored } = starter
      const text = `${JSON.stringify(configuration, undefined, 2)}\n`
      const document = {
        file: fileName,
        written: !dryRun,
        configuration,
        databases,
        ...(ignored === undefined ? {} : { dumpsIgnored: ignored })
      }
      if (dryRun) return { text: `This would be written to ${fileName}:\n\n${text.trimEnd()}`, document }
      const fs = yield* FileSystem.FileSystem
      const { FolderUnusable } = yield* load(() => import("../../dumps/DumpError.ts"))
      const { unwritable } = yield* load(() => import("../../dumps/DumpFile.ts"))
      yield* fs.writeFileString(fileName, text, { flag: "wx" }).pipe(
        Effect.mapError(unwritable(fileName)),
        // There is no --dir here: it is written where the app is.
        Effect.catchTag("FolderUnusable", (error) =>
          Effect.fail(
            new FolderUnusable({
              ...error,
              message: error.message,
              suggestion: "See who may write in this folder. `pgark init --dry-run` shows what the file would say."
            })
          )
        )
      )
      return {
        text: [
          `Wrote ${fileName}`,
          ...databases.map((named, index) => hang(index === 0 ? "  databases   " : "              ", database(named))),
          hang("  dumps       ", `in ${dir}/`),
          ...advice(starter)
        ].join("\n"),
        document
      }
    }),
    () => import("../documents/Init.ts")
  )
).pipe(
  Command.withDescription(
    "Write a first pgark.config.json here: the databases whose URLs are in the environment, in .env or in a Prisma " +
      "schema, by the names of their variables, and the folder of dumps. It holds no secret, and never replaces a file."
  ),
  Command.withShortDescription("Write a first pgark.config.json"),
  Command.withExamples([
    { command: "pgark init", description: "In the folder of the app" },
    { command: "pgark init --dry-run", description: "Only show what it would write" }
  ]),
  Command.annotate(SideEffects, {
    reads: [
      "The names of the variables in `.env` and in the environment, and whether they hold PostgreSQL URLs.",
      "`prisma/schema.prisma`, `schema.prisma` or `prisma.config.*`, for the variables that it takes URLs from.",
      "The names in `dumps/`, `backups/` and `backup/`; `git check-ignore` is asked about the folder of dumps."
    ],
    writes: ["`pgark.config.json`, where there is none and `package.json` has no key `pgark`; none with `--dry-run`."],
    database: "Is not looked at."
  })
)
