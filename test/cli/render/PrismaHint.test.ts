/** What a user of Prisma is told to run after a restore. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Clusters from "../../support/Clusters.ts"
import * as Pgark from "../../support/Pgark.ts"
import { dump, fillJournal, folder } from "../../support/Restores.ts"
import { ofRun } from "../../support/Tier.ts"

describe("a database of Prisma", () => {
  it.live("is told what to run for migrations that failed, and for those of the app that are not applied", () =>
    Effect.gen(function* () {
      const { url } = yield* Clusters.makeTarget(Clusters.sourceMajor, "tableOwner")
      yield* fillJournal(url)
      const cwd = yield* folder
      const options = { cwd, env: { DATABASE_URL: Pgark.uri(url) } }
      const migration = (name: string) => {
        mkdirSync(join(cwd, "prisma/migrations", name), { recursive: true })
        writeFileSync(join(cwd, "prisma/migrations", name, "migration.sql"), "SELECT 1;\n")
      }
      const names = yield* Clusters.query<{ name: string }>(
        url,
        `SELECT migration_name AS name FROM public."_prisma_migrations" ORDER BY 1`
      )
      for (const { name } of names) migration(name)
      mkdirSync(join(cwd, "prisma/migrations/no migration"))
      yield* dump(url, join(cwd, "dumps"))
      const commands = [["verify"], ["restore", "--clean", "--yes"]]
      for (const command of ofRun(commands, commands.slice(0, 1))) {
        const quiet = yield* Pgark.run(command, options)
        assert.strictEqual(quiet.code, 0, quiet.stderr)
        assert.notInclude(quiet.stdout, "prisma ")
      }

      migration("20991231000000_later")
      yield* Clusters.query(
        url,
        `UPDATE public."_prisma_migrations" SET finished_at = NULL, logs = 'it broke' WHERE migration_name = $1`,
        [names[0]!.name]
      )
      yield* dump(url, join(cwd, "dumps"))
      for (const command of commands.toReversed()) {
        const { code, stderr, stdout } = yield* Pgark.run(command, options)
        assert.strictEqual(code, 0, stderr)
        const text = stdout.replaceAll(/\s+/g, " ")
        assert.include(text, `1 migration failed or did not end: ${names[0]!.name}.`)
        assert.include(text, `npx prisma migrate resolve --applied ${names[0]!.name}`)
        assert.include(text, "1 migration of prisma/migrations/ not applied: 20991231000000_later.")
        assert.include(text, "Next: npx prisma migrate deploy")
      }
    })
  )
})
