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
import { unlessDeclined } from "./Declinable.ts"
import { type Definition, flagged, type Key, type Setting, setting, unflagged, values } from "./config/Setting.ts"

export { ConfigFlag, DatabaseFlag, DatabaseUrlFlag } from "./config/DatabaseFlags.ts"

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

export const ColorFlag = GlobalFlag.Setting("color")({
  flag: unlessDeclined("color", "No colours on a terminal, as with NO_COLOR in the environment")
})

export { defaultDir, flagged, values }

const folder: Definition<string> = {
  name: "dir",
  description: "Folder of the dumps",
  otherwise: defaultDir,
  standard: defaultDir,
  variable: { name: "PGARK_DIR", read: (text) => (text.trim() === "" ? undefined : text), expected: "a folder" },
  key: { of: "file", key: "dir", get: ({ dir }) => dir }
}

/** Not the empty text of a variable that a script forgot to set: as a path that is the working directory. */
const folderName = Schema.String.check(Schema.makeFilter((text) => text.trim() !== "" || "no folder is called that"))

export const dir = setting(
  Flag.String("dir").pipe(Flag.withSchema(folderName), Flag.withMetavar("FOLDER"), Flag.optional),
  folder
)

/** The folder of dumps, for commands that look into it and have no `--dir`. */
export const usualDir = unflagged(folder)

export const dryRun = Flag.Boolean("dry-run").pipe(
  Flag.withDescription("Show what would be done, and change nothing"),
  Flag.withDefault(false)
)

/** Words as in `PgDumpChoice`; repeated so that `--help` does not load what dumps. */
const pgDumps = ["auto", "native", "wasm"] as const

export const pgDump = setting<(typeof pgDumps)[number]>(Flag.Literals("pg-dump", pgDumps).pipe(Flag.optional), {
  name: "pg-dump",
  description:
    "auto: a pg_dump of this machine where one is new enough for the server, else pgark's own, as WebAssembly; " +
    "native, wasm: only that",
  otherwise: "auto",
  standard: "auto",
  variable: {
    name: "PGARK_PG_DUMP",
    read: (text) => pgDumps.find((choice) => choice === text),
    expected: pgDumps.join(", ")
  }
})

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

export const keepPrevious = Flag.Boolean("keep-previous").pipe(
  Flag.withDescription(
    "Keep what is replaced in the database, under other names, until the next restore: undo is then instant"
  ),
  Flag.withDefault(false)
)

/** @param whose the owners in the source of what is restored */
export const owner = (whose: string) =>
  Flag.Literals("owner", ["auto", "keep", "skip"]).pipe(
    Flag.withMetavar("auto|keep|skip"),
    Flag.withDescription(`Owners: ${whose} where this role may (auto, the default), always (keep) or never (skip)`),
    Flag.withDefault("auto")
  )

export const whileInUse = Flag.Boolean("while-in-use").pipe(
  Flag.withDescription(
    "Where it takes several transactions: go on although others are connected, who may see and lose half of it"
  ),
  Flag.withDefault(false)
)

/** The same words wherever something is verified before a commit. */
export const verify = (against: string) =>
  unlessDeclined("verify", `Do not hold the result against ${against} before the commit`)

export const analyze = unlessDeclined("analyze", "Do not gather the planner's statistics after the commit")

export const allowPartialRows = Flag.Boolean("allow-partial-rows").pipe(Flag.withDefault(false))

const someOf = (values: ReadonlyArray<string>) =>
  values.length === 0 ? Option.none<ReadonlyArray<string>>() : Option.some(values)

/** A flag that may be repeated, none where it is not given at all. */
export const several = (name: string, metavar: string, value: Schema.Codec<string> = Schema.NonEmptyString) =>
  Flag.String(name).pipe(Flag.withSchema(value), Flag.withMetavar(metavar), Flag.atLeast(0), Flag.map(someOf))

const show = (values: ReadonlyArray<string>): string => values.join(", ")

const schemasKey: Key<ReadonlyArray<string>> = { of: "database", key: "schemas", get: ({ schemas }) => schemas }

/** What a flag's description says, and its default in words. */
export interface Words {
  readonly description: string
  readonly standard: string
}

export const schemas = (words: Words) =>
  setting(several("schema", "SCHEMA"), { ...words, name: "schema", otherwise: [], key: schemasKey, show })

export const excludeTables = setting(several("exclude-table", "PATTERN", Schema.String), {
  name: "exclude-table",
  description: "Leave these tables out, repeatable; a pattern of pg_dump",
  otherwise: [],
  key: { of: "database", key: "excludeTables", get: ({ excludeTables }) => excludeTables },
  show
})

export const excludeTableData = setting(several("exclude-table-data", "PATTERN", Schema.String), {
  name: "exclude-table-data",
  description: "Keep these tables but not their rows, repeatable",
  otherwise: [],
  key: { of: "database", key: "excludeTableData", get: ({ excludeTableData }) => excludeTableData },
  show
})

const own = Schema.makeFilter((name: string) =>
  isSystemSchema(name) ? `${name} is a system schema, which belongs to the server` : undefined
)

/** The same where something will be changed in them. */
export const ownSchemas = (words: Words) =>
  setting(several("schema", "SCHEMA", Schema.NonEmptyString.check(own)), {
    ...words,
    name: "schema",
    otherwise: [],
    key: schemasKey,
    show
  })

const grantees: Key<ReadonlyArray<string>> = { of: "database", key: "grant.to", get: ({ grant }) => grant?.to }

export const grantTo = (description: string) =>
  setting(several("grant-to", "ROLE"), { name: "grant-to", description, otherwise: [], key: grantees, show })

/** The same where the roles are arguments. */
export const roles = (named: ReadonlyArray<string>): Setting<ReadonlyArray<string>> =>
  unflagged({ name: "role", description: "", otherwise: [], key: grantees, show }, someOf(named))

export const forRole = (description: string) =>
  setting(several("for-role", "ROLE"), {
    name: "for-role",
    description,
    otherwise: [],
    standard: "the connected role",
    key: { of: "database", key: "grant.forRoles", get: ({ grant }) => grant?.forRoles },
    show
  })

/** Its names are those of `Grants.profiles`, which would load the database driver for `--help`. */
const profiles = ["all", "readwrite", "readonly"] as const

export const profile = (description: string) =>
  setting<(typeof profiles)[number]>(
    Flag.Literals("profile", profiles).pipe(Flag.withMetavar("all|readwrite|readonly"), Flag.optional),
    {
      name: "profile",
      description,
      otherwise: "all",
      standard: "all",
      key: { of: "database", key: "grant.profile", get: ({ grant }) => grant?.profile }
    }
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
const packing = Flag.String("compress").pipe(
  Flag.mapEffect((value) => {
    const compression = Compression.parse(value)
    return compression === undefined
      ? Effect.fail(
          new CliError.InvalidValue({ option: "compress", value, expected: Compression.choices, kind: "flag" })
        )
      : Effect.succeed(compression)
  }),
  Flag.withMetavar("none|gzip|zstd[:LEVEL]"),
  Flag.optional
)

export const compress = setting<Compression.Compression | undefined>(packing, {
  name: "compress",
  description: "Pack the dump; LEVEL 1 to 9 for gzip, 1 to 19 for zstd",
  otherwise: undefined,
  standard: "none; of a directory zstd:1, or gzip:1 where Node has no zstd",
  variable: { name: "PGARK_COMPRESS", read: Compression.parse, expected: Compression.choices },
  key: {
    of: "file",
    key: "compress",
    get: ({ compress }) => (compress === undefined ? undefined : Compression.parse(compress))
  },
  show: (compression) => (compression === undefined ? "" : Compression.show(compression))
})

/** Words as in `DumpOptions.Format`. */
const formats = ["plain", "directory"] as const

export const format = setting<(typeof formats)[number]>(
  Flag.Literals("format", formats).pipe(Flag.withMetavar("plain|directory"), Flag.optional),
  {
    name: "format",
    description: "plain: one file of SQL; directory: a folder with the rows in files of their own, read side by side",
    otherwise: "plain",
    standard: "plain",
    variable: {
      name: "PGARK_FORMAT",
      read: (text) => formats.find((format) => format === text),
      expected: formats.join(", ")
    },
    key: { of: "file", key: "format", get: ({ format }) => format }
  }
)

/** How many connections one may ask for. */
const connections = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 64 }))

/** Of a command line that says nothing of it the number depends on the machine, and on the format. */
export const dumpJobs = setting<number | undefined>(
  Flag.Int("jobs").pipe(Flag.withAlias("j"), Flag.withSchema(connections), Flag.withMetavar("N"), Flag.optional),
  {
    name: "jobs",
    description: "Connections that the rows of a directory are read over",
    otherwise: undefined,
    standard: "one for each processor, at most 4",
    variable: {
      name: "PGARK_JOBS",
      read: (text) => (/^\d{1,2}$/.test(text) && Number(text) >= 1 && Number(text) <= 64 ? Number(text) : undefined),
      expected: "1 to 64"
    },
    key: { of: "file", key: "jobs", get: ({ jobs }) => jobs },
    show: (jobs) => (jobs === undefined ? "" : String(jobs))
  }
)

/** The same of a target. More than one cannot share its transaction, so that nobody gets them unasked. */
const targetJobs = (description: string) =>
  Flag.Int("jobs").pipe(
    Flag.withAlias("j"),
    Flag.withSchema(connections),
    Flag.withMetavar("N"),
    Flag.withDescription(description),
    Flag.withDefault(1)
  )

export const restoreJobs = targetJobs(
  "Connections that restore a directory dump (default: 1, in one transaction); more take several transactions"
)

export const cloneJobs = targetJobs(
  "Connections to each of the two (default: 1, in one transaction); more take several transactions"
)

/** One of two databases: a URL, or a name of the configuration file. */
const end = (name: string, description: string) =>
  Flag.Redacted(name).pipe(Flag.withMetavar("URL"), Flag.withDescription(description))

export const from = end(
  "from",
  "Database to clone, which is only read: its URL, or its name in pgark.config.json; no default"
)

export const to = end("to", "Database that becomes its clone: its URL, or its name in pgark.config.json; no default")

export const tune = unlessDeclined(
  "tune",
  "Leave memory for indexes, and how commits reach the disk, as the server has them, rather than set both for the restore"
)

export const name = Flag.String("name").pipe(
  Flag.withSchema(DumpLabel.Name),
  Flag.withMetavar("NAME"),
  Flag.withDescription(
    "A short name to ask for the dump by (default: none): letters, digits, - and _; the newest dump of a name counts"
  ),
  Flag.optional
)

export const note = Flag.String("note").pipe(
  Flag.withSchema(DumpLabel.Note),
  Flag.withMetavar("TEXT"),
  Flag.withDescription("A line about the dump, which list and inspect show (default: none)"),
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
