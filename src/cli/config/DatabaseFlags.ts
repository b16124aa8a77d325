/** The flags by which a command line says which database is meant, and whether the configuration file counts. */
import * as Context from "effect/Context"
import * as Schema from "effect/Schema"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import { unlessDeclined } from "../Declinable.ts"

/** The database, for every command that needs one. */
export const DatabaseUrlFlag = GlobalFlag.Setting("database-url")({
  flag: Flag.Redacted("database-url").pipe(
    Flag.withMetavar("URL"),
    Flag.withDescription(
      "Database to work on (default: --database; environment, else .env: DATABASE_URL; else PGHOST, PGDATABASE, PGSERVICE)"
    ),
    Flag.optional
  )
})

/** The same by a name of the configuration file. */
export const DatabaseFlag = GlobalFlag.Setting("database")({
  flag: Flag.String("database").pipe(
    Flag.withSchema(Schema.NonEmptyString),
    Flag.withMetavar("NAME"),
    Flag.withDescription(
      "Database by its name in pgark.config.json (default: DATABASE_URL if set, else the file's default; environment: " +
        "PGARK_DATABASE; config: database)"
    ),
    Flag.optional
  )
})

/** The flag by which a database was named, for whoever tells of it: a command with two of them has flags of its own. */
export const NamedBy = Context.Reference<string>("pgark/cli/config/NamedBy", { defaultValue: () => "--database" })

export const ConfigFlag = GlobalFlag.Setting("config")({
  flag: unlessDeclined(
    "config",
    "Take nothing from pgark.config.json here, or pgark in package.json, but the URL of --database"
  )
})
