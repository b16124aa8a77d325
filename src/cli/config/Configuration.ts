/** What a configuration file may say, as a Schema: descriptions are for editors, by docs/json/config.json. */
import * as Effect from "effect/Effect"
import * as JsonSchema from "effect/JsonSchema"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Compression from "../../dumps/Compression.ts"
import { isSystemSchema } from "../../postgres/Identifier.ts"
import * as DatabaseUrlText from "../../postgres/url/DatabaseUrlText.ts"

/** Names of a shell's variables. */
const variablePattern = /^[A-Za-z_][A-Za-z0-9_]*$/u

const databaseName = Schema.String.check(
  Schema.isPattern(/^[A-Za-z0-9][A-Za-z0-9_.-]*$/u, { expected: "a name of letters, digits, - _ and ." })
)

const names = (what: string) => Schema.Array(Schema.NonEmptyString).annotate({ description: what })

/** A rule that JSON Schema has no words for; editors are told by the description. */
const rule = (expected: string, holds: (text: string) => boolean) =>
  Schema.makeFilter(holds, { expected, toJsonSchema: () => ({}) })

const schemaName = Schema.NonEmptyString.check(
  rule("a schema of the app, not one of the server", (name) => !isSystemSchema(name))
)

/** What might be a password, in a string that cannot be read as any form of connection string. */
const suspicious = /:\/\/[^/?#@:]*:[^@]+@|password\s*=/i

/** Whether a secret stands in it: before the @ of a URL, among its parameters, behind a keyword of libpq's. */
const holdsPassword = (url: string): boolean =>
  Option.match(Effect.runSync(Effect.option(DatabaseUrlText.read(url))), {
    onNone: () => suspicious.test(url),
    onSome: ({ values }) => values.some(([name, value]) => /password/i.test(name) && value !== "")
  })

/** Which rights, on what, and for whose future objects: as the flags of `grant` say it. */
export const Grant = Schema.Struct({
  to: Schema.NonEmptyArray(Schema.NonEmptyString).annotate({
    description: "Roles that the app connects as: what --grant-to and the role of grant are where none is named"
  }),
  profile: Schema.optionalKey(
    Schema.Literals(["all", "readwrite", "readonly"]).annotate({ description: "Which rights (default: all)" })
  ),
  forRoles: Schema.optionalKey(
    names("Whose future tables the roles may use too, as with --for-role (default: the connected role)")
  )
})

/** A database by name. */
export const Database = Schema.Struct({
  url: Schema.optionalKey(
    Schema.String.annotate({
      description: "Connection string without a password: that comes from PGPASSWORD or ~/.pgpass"
    }).check(
      rule(
        'a URL without a password: keep the whole URL in a variable or in .env, and name that by "urlFrom" instead',
        (url) => !holdsPassword(url)
      )
    )
  ),
  urlFrom: Schema.optionalKey(
    Schema.String.check(Schema.isPattern(variablePattern, { expected: "the name of a variable" })).annotate({
      description: "Variable of the environment, or of .env, that holds the connection string"
    })
  ),
  protected: Schema.optionalKey(
    Schema.Boolean.annotate({ description: "restore, clone, clean and undo refuse this database (default: false)" })
  ),
  schemas: Schema.optionalKey(
    Schema.NonEmptyArray(schemaName).annotate({
      description:
        "Schemas in scope: --schema of dump, clean, grant and doctor (default for a dump: the whole database)"
    })
  ),
  excludeTables: Schema.optionalKey(names("Patterns of tables that a dump leaves out, as with --exclude-table")),
  excludeTableData: Schema.optionalKey(
    names("Patterns of tables whose rows a dump leaves out, as with --exclude-table-data")
  ),
  grant: Schema.optionalKey(Grant.annotate({ description: "Rights of the app: for restore, grant, verify and doctor" }))
})
export type Database = typeof Database.Type

export const Configuration = Schema.Struct({
  $schema: Schema.optionalKey(Schema.String.annotate({ description: "For editors: where this Schema is" })),
  database: Schema.optionalKey(
    databaseName.annotate({
      description:
        "Which of the databases is meant where neither a flag, nor PGARK_DATABASE, nor DATABASE_URL says it (default: " +
        "the only one)"
    })
  ),
  databases: Schema.optionalKey(
    Schema.Record(databaseName, Database).annotate({ description: "Databases by the names that --database takes" })
  ),
  dir: Schema.optionalKey(
    Schema.NonEmptyString.annotate({ description: "Folder of the dumps, from this file (default: dumps)" })
  ),
  compress: Schema.optionalKey(
    Schema.String.annotate({ description: `How a dump is packed: ${Compression.choices} (default: none)` }).check(
      rule(Compression.choices, (text) => Compression.parse(text) !== undefined)
    )
  ),
  format: Schema.optionalKey(
    Schema.Literals(["plain", "directory"]).annotate({
      description: "Format of dumps, as with --format (default: plain)"
    })
  ),
  jobs: Schema.optionalKey(
    Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 64 })).annotate({
      description:
        "Connections that the rows of a directory dump are read over (default: one for each processor, at most 4)"
    })
  )
})
export type Configuration = typeof Configuration.Type

/** The JSON Schema of the file, draft 2020-12. */
export const jsonSchema = (): object => {
  const { definitions, schema } = Schema.toJsonSchemaDocument(Configuration, { onExcessProperty: "error" })
  return {
    $schema: JsonSchema.META_SCHEMA_URI_DRAFT_2020_12,
    title: "pgark.config.json",
    description: "Configuration of pgark: a file of this name, or the key pgark of package.json",
    ...schema,
    ...(Object.keys(definitions).length === 0 ? {} : { $defs: definitions })
  }
}
