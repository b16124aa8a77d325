import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { invalid } from "../config/ConfigurationInvalid.ts"
import * as Flags from "../Flags.ts"
import { handle, load } from "../Handler.ts"
import { SideEffects } from "../help/SideEffects.ts"
import { Output } from "../output/Output.ts"
import * as RenderReport from "../render/RenderReport.ts"

export const grant = Command.make(
  "grant",
  {
    roles: Argument.String("role").pipe(
      Argument.withDescription(
        "The role that the app connects as; several may be named (default: those of the configuration; config: " +
          "databases.NAME.grant.to)"
      ),
      Argument.atLeast(0)
    ),
    profile: Flags.profile("Which rights"),
    schemas: Flags.ownSchemas({
      description: "Schema, repeatable",
      standard: "the URL's schema parameter, else public"
    }),
    forRole: Flags.forRole("Whose future tables the role may use too, repeatable"),
    skipOthers: Flag.Boolean("skip-others").pipe(
      Flag.withDescription("Grant on what this role may, and name the objects of others (default: all or nothing)"),
      Flag.withDefault(false)
    ),
    sqlFile: Flag.String("sql-file").pipe(
      Flag.withMetavar("PATH"),
      Flag.withDescription(
        "Write the SQL to this file, for phpPgAdmin or psql, instead of running it (default: run it)"
      ),
      Flag.optional
    ),
    wait: Flags.wait,
    dryRun: Flags.dryRun,
    plan: Flags.plan
  },
  ({ dryRun, plan, roles: named, skipOthers, sqlFile, wait, ...settings }) =>
    handle(
      Effect.gen(function* () {
        const Target = yield* load(() => import("../Target.ts"))
        const Grant = yield* load(() => import("../../verbs/Grant.ts"))
        const GrantFile = yield* load(() => import("../../postgres/GrantFile.ts"))
        // A file of SQL needs no database: only the URL's schema parameter, where there is a URL at all.
        const writing = Option.isSome(sqlFile)
        const url = yield* writing ? Target.databaseUrlIfNamed("reads") : Effect.asSome(Target.databaseUrl("grants"))
        const { forRole, profile, roles, schemas } = yield* Flags.values({ ...settings, roles: Flags.roles(named) })
        if (roles.length === 0) {
          return yield* invalid(
            "No role is named.",
            "Name it: pgark grant ROLE. The configuration may name it, too: grant.to of the database."
          )
        }
        const options = {
          roles: [...new Set(roles)],
          profile,
          skipOthers,
          schemas: yield* Target.schemas(schemas, Option.getOrUndefined(url)),
          ...Flags.givenAll("forRoles", [...new Set(forRole)])
        }
        if (writing) {
          const database = Option.getOrUndefined(url)?.database
          const text = GrantFile.sqlFile(options, database)
          const statements = GrantFile.statementsOf(text)
          const document = { sqlFile: sqlFile.value, written: !dryRun, statements }
          if (dryRun) return { text: `This would be written to ${sqlFile.value}:\n\n${text.trimEnd()}`, document }
          const fs = yield* FileSystem.FileSystem
          const { unwritable } = yield* load(() => import("../../dumps/DumpFile.ts"))
          yield* Effect.mapError(fs.writeFileString(sqlFile.value, text), unwritable(sqlFile.value))
          return {
            text: `Wrote ${sqlFile.value}: upload it in phpPgAdmin (SQL, Choose File), or run psql -f ${sqlFile.value}`,
            document
          }
        }
        const target = yield* Option.match(url, { onNone: () => Target.databaseUrl("grants"), onSome: Effect.succeed })
        const layer = Target.session(target, "grant")
        if (yield* Target.isDryRun({ dryRun, plan })) {
          return yield* Effect.provide(Target.dryRun(Grant.pipeline(options), target, { dryRun, plan }), layer)
        }
        const { database, report } = yield* Target.leftover(yield* Output, (yield* Flags.usualDir.chosen).value).pipe(
          Effect.andThen(Effect.all({ database: Target.reached, report: Grant.grant({ ...options, wait }) })),
          Effect.provide(layer)
        )
        return {
          text: [`Granted in ${database}`, ...RenderReport.grant(report)].join("\n"),
          document: { grant: report }
        }
      }),
      () => import("../documents/Grant.ts")
    )
).pipe(
  Command.withDescription("Give the app's role, or several, the rights on schemas, and prove that it has them"),
  Command.withShortDescription("Give the app's role its rights"),
  Command.withExamples([
    { command: "pgark grant app", description: "All rights on schema public" },
    { command: "pgark grant app --for-role migrator", description: "Also on what migrations create as migrator" },
    { command: "pgark grant app --sql-file grants.sql", description: "For a web interface such as phpPgAdmin" }
  ]),
  Command.annotate(SideEffects, {
    reads: [],
    writes: ["`--sql-file PATH`: the SQL, instead of running it."],
    database: "Gets rights and default privileges, in one transaction; with `--sql-file` it is not looked at."
  })
)
