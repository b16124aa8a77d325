/** Flags that several commands share, each with one meaning. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Argument from "effect/cli/Argument"
import * as CliError from "effect/cli/CliError"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Compression from "../dumps/Compression.ts"
import * as DumpLabel from "../dumps/DumpLabel.ts"
import { defaultDir } from "../dumps/UndoCommand.ts"
import { isSystemSchema } from "../postgres/Identifier.ts"

/** The database, for every command that needs one. */
export const DatabaseUrlFlag = GlobalFlag.Setting("database-url")({
  flag: Flag.Redacted("database-url").pipe(
    Flag.withMetavar("URL"),
    Flag.withDescription(
      "Database to work on (default: DATABASE_URL of the environment, else of .env, else PGHOST, PGDATABASE, PGSERVICE)"
    ),
    Flag.optional
  )
})

/** Milliseconds are what the server, and the timers here, count in, in an integer of 32 bits. */
const longest = 2_147_483

const seconds = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: longest }))

/** How long each connection may take to come about. */
export const ConnectTimeoutFlag = GlobalFlag.Setting("connect-timeout")({
  flag: Flag.Int("connect-timeout").pipe(
    Flag.withSchema(seconds),
    Flag.withMetavar("SECONDS"),
    Flag.withDescription(
      "How long to try to connect (default: connect_timeout of the URL, else PGCONNECT_TIMEOUT, else 10)"
    ),
    Flag.optional
  )
})

export const AllowPoolerFlag = GlobalFlag.Setting("allow-pooler")({
  flag: Flag.Boolean("allow-pooler").pipe(
    Flag.withDescription("Work through a connection pooler in session mode; one in transaction mode is always refused"),
    Flag.withDefault(false)
  )
})

export const JsonFlag = GlobalFlag.Setting("json")({
  flag: Flag.Boolean("json").pipe(
    Flag.withDescription("Print one JSON document on stdout and nothing else there"),
    Flag.withDefault(false)
  )
})

export const QuietFlag = GlobalFlag.Setting("quiet")({
  flag: Flag.Boolean("quiet").pipe(
    Flag.withAlias("q"),
    Flag.withDescription("No progress and no notes on stderr; warnings and errors stay"),
    Flag.withDefault(false)
  )
})

/**
 * What is done unless it is declined: a flag with the name that declines it, which is what help, completions and errors
 * speak of. The other form is understood too. Its value is whether to do it.
 *
 * @param name without `no-`
 */
const unlessDeclined = (name: string, description: string): Flag.Flag<boolean> =>
  Flag.Boolean(`no-${name}`).pipe(
    Flag.withNegation(name),
    Flag.withDescription(description),
    Flag.withDefault(false),
    Flag.map((declined) => !declined)
  )

export const ColorFlag = GlobalFlag.Setting("color")({
  flag: unlessDeclined("color", "No colours on a terminal, as with NO_COLOR in the environment")
})

export { defaultDir }

export const dir = Flag.String("dir").pipe(
  Flag.withMetavar("FOLDER"),
  Flag.withDescription(`Folder of the dumps (default: ${defaultDir})`),
  Flag.withDefault(defaultDir)
)

export const dryRun = Flag.Boolean("dry-run").pipe(
  Flag.withDescription("Show what would be done, and change nothing"),
  Flag.withDefault(false)
)

/** Words as in `PgDumpChoice`; repeated so that `--help` does not load what dumps. */
export const pgDump = Flag.Literals("pg-dump", ["auto", "native", "wasm"]).pipe(
  Flag.withDescription(
    "auto (default): a pg_dump of this machine where one is new enough for the server, else pgark's own, as " +
      "WebAssembly; native, wasm: only that"
  ),
  Flag.withDefault("auto")
)

export const plan = Flag.Literals("plan", ["text", "json", "mermaid"]).pipe(
  Flag.withMetavar("text|json|mermaid"),
  Flag.withDescription("With --dry-run: the plan as text (default), as JSON, or as a Mermaid flowchart"),
  Flag.optional
)

export const cascadeOutside = Flag.Boolean("cascade-outside").pipe(Flag.withDefault(false))

export const yes = Flag.Boolean("yes").pipe(
  Flag.withAlias("y"),
  Flag.withDescription("Skip the 3-second warning"),
  Flag.withDefault(false)
)

export const confirm = Flag.Boolean("confirm").pipe(
  Flag.withDescription("Ask for the name of the database in place of the 3-second warning; needs a terminal"),
  Flag.withDefault(false)
)

export const backupFirst = unlessDeclined(
  "backup-first",
  "Do not save what goes into before-restore/ in --dir first: NO WAY BACK, undo then has nothing to bring back"
)

export const whileInUse = Flag.Boolean("while-in-use").pipe(
  Flag.withDescription(
    "Where it takes several transactions: go on although others are connected, who may see and lose half of it"
  ),
  Flag.withDefault(false)
)

/** The same words wherever something is verified before a commit. */
export const verify = unlessDeclined("verify", "Do not hold the result against the dump before the commit")

export const analyze = unlessDeclined("analyze", "Do not gather the planner's statistics after the commit")

export const allowPartialRows = Flag.Boolean("allow-partial-rows").pipe(Flag.withDefault(false))

export const schemas = Flag.String("schema").pipe(
  Flag.withSchema(Schema.NonEmptyString),
  Flag.withMetavar("SCHEMA"),
  Flag.atLeast(0)
)

const own = Schema.makeFilter((name: string) =>
  isSystemSchema(name) ? `${name} is a system schema, which belongs to the server` : undefined
)

/** The same where something will be changed in them. */
export const ownSchemas = Flag.String("schema").pipe(
  Flag.withSchema(Schema.NonEmptyString.check(own)),
  Flag.withMetavar("SCHEMA"),
  Flag.atLeast(0)
)

export const grantTo = Flag.String("grant-to").pipe(
  Flag.withSchema(Schema.NonEmptyString),
  Flag.withMetavar("ROLE"),
  Flag.atLeast(0)
)

export const forRole = Flag.String("for-role").pipe(
  Flag.withSchema(Schema.NonEmptyString),
  Flag.withMetavar("ROLE"),
  Flag.atLeast(0)
)

/** Its names are those of `Grants.profiles`, which would load the database driver for `--help`. */
export const profile = Flag.Literals("profile", ["all", "readwrite", "readonly"]).pipe(
  Flag.withMetavar("all|readwrite|readonly"),
  Flag.withDefault("all")
)

export const lockTimeout = Flag.Int("lock-timeout").pipe(
  Flag.withSchema(seconds),
  Flag.withMetavar("SECONDS"),
  Flag.withDescription("How long to wait for what others hold locked (default: 30)"),
  Flag.map(Duration.seconds),
  Flag.optional
)

export const wait = Flag.Boolean("wait").pipe(
  Flag.withDescription("Wait while another pgark is at work on the database (default: exit code 6 at once)"),
  Flag.withDefault(false)
)

/** How a dump is packed. */
export const compress = Flag.String("compress").pipe(
  Flag.mapEffect((value) => {
    const compression = Compression.parse(value)
    return compression === undefined
      ? Effect.fail(
          new CliError.InvalidValue({ option: "compress", value, expected: Compression.choices, kind: "flag" })
        )
      : Effect.succeed(compression)
  }),
  Flag.withMetavar("none|gzip|zstd[:LEVEL]"),
  Flag.withDescription("Pack the dump (default: none); LEVEL 1 to 9 for gzip, 1 to 19 for zstd"),
  Flag.withDefault({ method: "none" } satisfies Compression.Compression as Compression.Compression)
)

export const name = Flag.String("name").pipe(
  Flag.withSchema(DumpLabel.Name),
  Flag.withMetavar("NAME"),
  Flag.withDescription(
    "A short name to ask for the dump by: letters, digits, - and _; a newer dump of the same name comes first"
  ),
  Flag.optional
)

export const note = Flag.String("note").pipe(
  Flag.withSchema(DumpLabel.Note),
  Flag.withMetavar("TEXT"),
  Flag.withDescription("A line about the dump, which list and inspect show"),
  Flag.optional
)

export const file = Argument.String("file").pipe(
  Argument.withDescription("The dump: its file, or the name it was given (default: the newest in --dir)"),
  Argument.optional
)

/** The list as an optional property, absent where it is empty. */
export const givenAll = <K extends string, A>(
  key: K,
  values: ReadonlyArray<A>
): { readonly [P in K]?: ReadonlyArray<A> } =>
  values.length === 0 ? {} : ({ [key]: values } as { readonly [P in K]: ReadonlyArray<A> })

/** `Option` as the optional property that the verbs' options have. */
export const given = <K extends string, A>(key: K, value: Option.Option<A>): { readonly [P in K]?: A } =>
  Option.isSome(value) ? ({ [key]: value.value } as { readonly [P in K]: A }) : {}
