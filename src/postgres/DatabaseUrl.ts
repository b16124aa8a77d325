/**
 * A connection string, read once and given to everything that connects.
 *
 * libpq rejects every query parameter that it does not know, so Prisma's `?schema=public` and its like break
 * `pg_dump`. Here the parameters of libpq are kept, `schema` becomes {@link DatabaseUrl.schema}, the rest is dropped
 * and listed in {@link DatabaseUrl.dropped}.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { readFileSync } from "node:fs"
import { problemFields } from "./DatabaseError.ts"

/** The connection string is missing or cannot be read. */
export class DatabaseUrlInvalid extends Schema.TaggedError<DatabaseUrlInvalid>()("DatabaseUrlInvalid", problemFields) {}

/** How libpq encrypts, from the least to the most careful. */
const sslModes = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] as const
export type SslMode = (typeof sslModes)[number]

/** A database to connect to. */
export interface DatabaseUrl {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: Redacted.Redacted | undefined
  readonly database: string
  /** The `schema` parameter of ORM URLs: the default schema of `grant` and `clean`, never the scope of a dump. */
  readonly schema: string | undefined
  readonly sslMode: SslMode
  /** Parameters that libpq knows, `sslmode` among them, as they stood. */
  readonly parameters: ReadonlyMap<string, string>
  /** Names of parameters that libpq does not know. */
  readonly dropped: ReadonlyArray<string>
}

/**
 * Names that libpq accepts in a URI besides host, port, user, password and dbname.
 *
 * @see https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
 */
const libpqParameters = new Set([
  "application_name",
  "channel_binding",
  "client_encoding",
  "connect_timeout",
  "gssencmode",
  "hostaddr",
  "keepalives",
  "keepalives_count",
  "keepalives_idle",
  "keepalives_interval",
  "krbsrvname",
  "options",
  "passfile",
  "require_auth",
  "sslcert",
  "sslcrl",
  "sslkey",
  "sslmode",
  "sslnegotiation",
  "sslpassword",
  "sslrootcert",
  "target_session_attrs",
  "tcp_user_timeout"
])

const example = "postgresql://user:password@localhost:5432/database"

const invalid = (message: string, suggestion = `Write it as ${example}`) =>
  new DatabaseUrlInvalid({ message, suggestion, state: "untouched" })

const decode = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

const first = (...values: ReadonlyArray<string | undefined>): string | undefined =>
  values.find((value) => value !== undefined && value !== "")

/**
 * Reads a connection string.
 *
 * Host, port, user and database fall back to what libpq falls back to: `PGHOST`, `PGPORT`, `PGUSER`, `PGPASSWORD`,
 * `PGDATABASE`, then localhost, 5432, and the user's name as the database.
 *
 * @throws DatabaseUrlInvalid in the error channel, with a message that never shows the password.
 */
export const parse = Effect.fn("DatabaseUrl.parse")(function* (
  text: Redacted.Redacted,
  env: Readonly<Record<string, string | undefined>> = process.env
): Effect.fn.Return<DatabaseUrl, DatabaseUrlInvalid> {
  const raw = Redacted.value(text).trim()
  if (raw === "") return yield* invalid("The database URL is empty.")
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(raw)?.[1]?.toLowerCase()
  if (scheme !== "postgres" && scheme !== "postgresql") {
    return yield* invalid(
      scheme === undefined
        ? "The database URL has no scheme."
        : `The database URL begins with "${scheme}:", not with "postgresql:".`
    )
  }
  if (/^\w+:\/\/([^/?#]*@)?[^@/?#]*,[^@/?#]*([/?#]|$)/.test(raw) || /[?&]host(addr)?=[^&]*(,|%2c)/i.test(raw)) {
    return yield* invalid("Several hosts in the database URL are not supported yet.", "Name one of them, the primary.")
  }
  const url = yield* Effect.try({
    try: () => new URL(raw.replace(/^postgres(?:ql)?:\/\/([^/?#]*@)?(?=[/?]|$)/i, "postgresql://$1localhost.invalid")),
    catch: () => invalid("The database URL cannot be read: a special character in it may need percent-encoding.")
  })
  const parameters = new Map<string, string>()
  const dropped: Array<string> = []
  const named = new Map<string, string>()
  for (const [name, value] of url.searchParams) {
    if (["host", "port", "user", "password", "dbname", "schema"].includes(name)) named.set(name, value)
    else if (libpqParameters.has(name)) parameters.set(name, value)
    else dropped.push(name)
  }
  // As libpq reads it: whole seconds.
  const timeout = parameters.get("connect_timeout")
  if (timeout !== undefined && !/^\s*[-+]?\d+\s*$/.test(timeout)) {
    return yield* invalid(
      `connect_timeout=${timeout} in the database URL is not a number of seconds.`,
      "Write 10, say."
    )
  }
  const attributes = parameters.get("target_session_attrs")
  if (attributes !== undefined && attributes !== "any") {
    return yield* invalid(
      `target_session_attrs=${attributes} in the database URL is not supported yet.`,
      "Leave it out, and name the host of the server that is meant."
    )
  }
  const systemRoots = parameters.get("sslrootcert") === "system"
  const sslMode = parameters.get("sslmode") ?? env["PGSSLMODE"] ?? (systemRoots ? "verify-full" : "prefer")
  if (!sslModes.some((mode) => mode === sslMode)) {
    return yield* invalid(
      `sslmode=${sslMode} is not a value that PostgreSQL knows.`,
      `Use one of ${sslModes.join(", ")} (no-verify is "require").`
    )
  }
  // As libpq has it: anybody can get a certificate that the system trusts, for a host of his own.
  if (systemRoots && sslMode !== "verify-full") {
    return yield* invalid(`sslrootcert=system does not go with sslmode=${sslMode}.`, "Use sslmode=verify-full with it.")
  }
  const [username, password, path] = [decode(url.username), decode(url.password), decode(url.pathname.slice(1))]
  const hostname = decode(url.hostname.replace(/^\[(.*)\]$/, "$1"))
  if (username === undefined || password === undefined || path === undefined || hostname === undefined) {
    return yield* invalid('The database URL has a "%" that is not followed by two hexadecimal digits.')
  }
  const user = first(named.get("user"), username, env["PGUSER"], env["USER"], env["USERNAME"])
  if (user === undefined) return yield* invalid("The database URL names no user.")
  const secret = first(named.get("password"), password, env["PGPASSWORD"])
  const port = Number(first(named.get("port"), url.port, env["PGPORT"]) ?? 5432)
  if (!Number.isInteger(port) || port < 1 || port > 65535) return yield* invalid("The port must be 1 to 65535.")
  return {
    host: first(named.get("host"), hostname === "localhost.invalid" ? "" : hostname, env["PGHOST"]) ?? "localhost",
    port,
    user,
    password: secret === undefined ? undefined : Redacted.make(secret, { label: "password" }),
    database: first(named.get("dbname"), path, env["PGDATABASE"]) ?? user,
    schema: first(named.get("schema")),
    sslMode: sslMode as SslMode,
    parameters,
    dropped
  }
})

/** Parameters that name a file of PEM text. */
export const tlsFiles = ["sslrootcert", "sslcert", "sslkey"] as const

/** The path that such a parameter names, where it is one. */
export const tlsPath = (url: DatabaseUrl, parameter: (typeof tlsFiles)[number]): string | undefined => {
  const path = url.parameters.get(parameter)
  return path === "system" ? undefined : path
}

/** Fails where a file that the URL names for TLS cannot be read: a later connection would only say that it failed. */
const checkFiles = Effect.fnUntraced(function* (url: DatabaseUrl) {
  if (url.sslMode === "disable" || url.host.startsWith("/")) return
  for (const parameter of tlsFiles) {
    const path = tlsPath(url, parameter)
    if (path === undefined) continue
    yield* Effect.try({
      try: () => readFileSync(path),
      catch: (cause) =>
        new DatabaseUrlInvalid({
          message: `The file ${path}, which ${parameter} in the database URL names, cannot be read.`,
          detail: cause instanceof Error ? cause.message : String(cause),
          suggestion: `Correct the path behind ${parameter}=, or let this user read the file.`,
          state: "untouched"
        })
    })
  }
})

/**
 * `DATABASE_URL` from the configuration (environment, `.env`), where a command has no `--database-url`; none where
 * neither is given. Fails where one is given and cannot be used.
 */
export const configured = Effect.fn("DatabaseUrl.configured")(function* (
  flag: Option.Option<Redacted.Redacted>
): Effect.fn.Return<Option.Option<DatabaseUrl>, DatabaseUrlInvalid> {
  const text = Option.isSome(flag)
    ? flag
    : yield* Effect.mapError(Config.option(Config.Redacted("DATABASE_URL")), () =>
        invalid(
          "DATABASE_URL is not in the environment, and .env in this folder cannot be read.",
          "Set DATABASE_URL, pass --database-url, or let this user read .env."
        )
      )
  if (Option.isNone(text)) return Option.none()
  return Option.some(yield* Effect.tap(parse(text.value), checkFiles))
})

/** The same where there has to be one. */
export const fromConfig = Effect.fn("DatabaseUrl.fromConfig")(function* (
  flag: Option.Option<Redacted.Redacted>
): Effect.fn.Return<DatabaseUrl, DatabaseUrlInvalid> {
  const url = yield* configured(flag)
  if (Option.isSome(url)) return url.value
  return yield* invalid(
    "No database URL is given.",
    `Pass --database-url, set DATABASE_URL, or put DATABASE_URL="${example}" into .env`
  )
})

/** `user@host:port/database`, for people; never a password. */
export const describe = (url: DatabaseUrl): string => `${url.user}@${url.host}:${url.port}/${url.database}`

/** The same server and role, another database. */
export const withDatabase = (url: DatabaseUrl, database: string): DatabaseUrl => ({
  ...url,
  database
})

/** The URL as text, with its password: for an environment variable or a file, never for a log. */
export const toUri = (url: DatabaseUrl): Redacted.Redacted => {
  const host = url.host.includes(":") ? `[${url.host}]` : encodeURIComponent(url.host)
  const password = url.password === undefined ? "" : `:${encodeURIComponent(Redacted.value(url.password))}`
  const query = new URLSearchParams([...url.parameters]).toString()
  return Redacted.make(
    `postgresql://${encodeURIComponent(url.user)}${password}@${host}:${url.port}/${encodeURIComponent(url.database)}` +
      (query === "" ? "" : `?${query}`),
    { label: "database-url" }
  )
}

/**
 * What a libpq program gets in its environment. The password goes this way and no other: argv is readable by every
 * user of the machine.
 *
 * @see https://www.postgresql.org/docs/current/libpq-envars.html
 */
export const toLibpqEnvironment = (url: DatabaseUrl): Record<string, string | Redacted.Redacted> => {
  const names: ReadonlyArray<readonly [string, string]> = [
    ["sslcert", "PGSSLCERT"],
    ["sslkey", "PGSSLKEY"],
    ["sslrootcert", "PGSSLROOTCERT"],
    ["sslcrl", "PGSSLCRL"],
    ["channel_binding", "PGCHANNELBINDING"],
    ["connect_timeout", "PGCONNECT_TIMEOUT"],
    ["options", "PGOPTIONS"],
    ["target_session_attrs", "PGTARGETSESSIONATTRS"],
    ["gssencmode", "PGGSSENCMODE"],
    ["passfile", "PGPASSFILE"],
    ["hostaddr", "PGHOSTADDR"],
    ["require_auth", "PGREQUIREAUTH"],
    ["krbsrvname", "PGKRBSRVNAME"]
  ]
  return {
    PGHOST: url.host,
    PGPORT: String(url.port),
    PGUSER: url.user,
    PGDATABASE: url.database,
    PGSSLMODE: url.sslMode,
    PGAPPNAME: "pgark",
    ...(url.password === undefined ? {} : { PGPASSWORD: url.password }),
    ...Object.fromEntries(
      names.flatMap(([parameter, variable]) => {
        const value = url.parameters.get(parameter)
        return value === undefined ? [] : [[variable, value]]
      })
    )
  }
}
