/** What to run next where the database is Prisma's: for migrations that failed, and for those that it has not seen. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { listed, plural } from "../../pipeline/Words.ts"
import type { PrismaNames } from "../../verbs/Verify.ts"
import { hang } from "../output/Text.ts"

/** Where Prisma keeps an app's migrations unless told: one folder each, named by time and purpose. */
const folder = "prisma/migrations"

/** How many names a line has. */
const shown = 4

const named = (names: ReadonlyArray<string>) => listed(names, shown).join(", ")

const inFolder = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const entries = yield* fs.readDirectory(folder)
  const migrations = yield* Effect.filter(entries, (name) => fs.exists(`${folder}/${name}/migration.sql`))
  return migrations.toSorted()
}).pipe(
  // Most often pgark is not run in the folder of an app that uses Prisma.
  Effect.orElseSucceed((): ReadonlyArray<string> => [])
)

/** Lines of a report; none where all is well, or where the working directory is no app's. */
export const lines = Effect.fn("PrismaHint.lines")(function* (
  prisma: PrismaNames | undefined
): Effect.fn.Return<ReadonlyArray<string>, never, FileSystem.FileSystem> {
  if (prisma === undefined) return []
  const { applied, failed, unfinished } = prisma
  const stuck = [...failed, ...unfinished]
  const known = new Set([...applied, ...stuck])
  const pending = (yield* inFolder).filter((name) => !known.has(name))
  return [
    ...(stuck.length === 0
      ? []
      : [
          hang(
            "  prisma     ",
            `${plural(stuck.length, "migration")} failed or did not end: ${named(stuck)}. Mend what it left, then: ` +
              `npx prisma migrate resolve --applied ${stuck[0]} (or --rolled-back)`
          )
        ]),
    ...(pending.length === 0
      ? []
      : [
          hang(
            "  prisma     ",
            `${plural(pending.length, "migration")} of ${folder}/ not applied: ${named(pending)}. Next: npx prisma migrate deploy`
          )
        ])
  ]
})
