/**
 * A connection string as people and programs write it, taken apart: URLs of libpq, of drivers and of JDBC, libpq's
 * keywords and values, node-postgres's sockets. What the parts mean is another matter.
 *
 * `new URL` is of no use here: it knows one host, refuses an empty one with a user, ends the host at a raw `#`, and takes
 * a database called `..` for a place relative to the URL.
 */
import * as Effect from "effect/Effect"
import { type DatabaseUrlInvalid, invalid } from "./DatabaseUrlInvalid.ts"
import { isSeen } from "./DatabaseUrlParameters.ts"

/** What stands in it. */
export interface Written {
  /** Whose words the parameters are: JDBC's have a few other meanings. */
  readonly dialect: "libpq" | "jdbc"
  /** Decoded, in their order; of a name that stands twice the later one counts. `host` and `port` may be lists. */
  readonly values: ReadonlyArray<readonly [name: string, value: string]>
}

type Values = Array<readonly [name: string, value: string]>

/** Those that mean a PostgreSQL server: libpq's two, and what frameworks call it. */
const schemes = new Set(["postgres", "postgresql", "postgis", "pgsql", "pgx", "pgx5", "ecto"])

/** Prisma's own services: no PostgreSQL is spoken there. */
const prismaSchemes = new Set(["prisma", "prisma+postgres", "prisma+postgresql"])

/** Other databases and places. Only of these the scheme is repeated: it might be the beginning of a password. */
const foreign = new Set(
  (
    "mysql mysql2 mariadb sqlite sqlite3 file libsql mongodb mongodb+srv sqlserver mssql oracle redshift snowflake " +
    "clickhouse cockroach cockroachdb crdb redis rediss http https tcp ssh"
  ).split(" ")
)

const percent = () =>
  invalid(
    'The database URL has a "%" that is not followed by the two hexadecimal digits of a character.',
    'Write a "%" that is part of the password as %25.'
  )

const decode = Effect.fnUntraced(function* (text: string) {
  const decoded = yield* Effect.try({ try: () => decodeURIComponent(text), catch: percent })
  return decoded.includes("\0") ? yield* percent() : decoded
})

/** Without what a copy brings along: quotes, blanks, `psql` before it, the variable's name. */
const unwrapped = (text: string): string => {
  const inner = text
    .replace(/^\uFEFF/, "")
    .trim()
    .replace(/^(?:export\s+)?[A-Z][A-Z0-9_]*=(?=\s*["'`]?\s*[a-z+]+:)/, "")
    .replace(/^psql\s+(?=["'`]?[a-z_]+\s*[:=])/, "")
    .trim()
  return /^(["'`])([\s\S]*)\1;?$/.exec(inner)?.[2] ?? inner
}

/** A string in quotes may have been put into others. Deeper than that it is none. */
const bare = (text: string): string => unwrapped(unwrapped(unwrapped(text)))

/** One host or several: names, addresses, IPv6 in brackets, each with a port or without; or nothing. */
const host = String.raw`(?:\[[^\]@/?]*\]|[^:@/?#[\],\s]*)(?::\d*)?`
const hostsPattern = new RegExp(`^${host}(?:,${host})*$`)

interface Split {
  readonly login: string | undefined
  readonly hosts: string
  /** Path and query. */
  readonly rest: string
}

/** Cuts behind an `@`, or before everything. */
const cutAt = (text: string, at: number): Split => {
  const behind = text.slice(at + 1)
  const end = behind.search(/[/?]/)
  return {
    login: at < 0 ? undefined : text.slice(0, at),
    hosts: (end < 0 ? behind : behind.slice(0, end)).trim(),
    rest: end < 0 ? "" : behind.slice(end)
  }
}

/** Whether there is an @ in the value of a parameter that nobody has: a password with ? and = in it looks so. */
const endsLogin = (rest: string): boolean =>
  (/\?([\s\S]*)$/.exec(rest)?.[1] ?? "")
    .split("&")
    .some((pair) => pair.includes("@") && !isSeen(pair.split("=", 1)[0]!))

const escapes = "@ as %40, : as %3A, / as %2F, ? as %3F, # as %23, % as %25"

/**
 * Where the login ends: at the last `@` before path or query. People paste passwords as they are, with `@`, `#`, `/` or
 * `?` in them; where that leaves one way to read the URL, it is taken.
 */
const split = (text: string): Effect.Effect<Split, DatabaseUrlInvalid> => {
  const end = text.search(/[/?]/)
  const strict = cutAt(text, text.lastIndexOf("@", end < 0 ? text.length : end))
  const readable = ({ hosts }: Split) => hostsPattern.test(hosts)
  const loose = [...text.matchAll(/@/g)]
    .filter(({ index }) => end >= 0 && index > end)
    .map(({ index }) => cutAt(text, index))
    .filter(readable)
  const contested =
    /^\/[^?]*@|^[^=]*\?[^=]*@/.test(strict.rest) || (strict.login === undefined && endsLogin(strict.rest))
  if (readable(strict) && (!contested || loose.length === 0)) return Effect.succeed(strict)
  const [only, ...more] = loose
  if (only !== undefined && more.length === 0 && !readable(strict)) return Effect.succeed(only)
  return Effect.fail(
    only === undefined
      ? invalid(
          "Host and port in the database URL cannot be read.",
          `Write host:5432, the port 1 to 65535 and IPv6 in brackets; in user and password write ${escapes}.`
        )
      : invalid("The database URL can be read in more than one way.", `In user and password write ${escapes}.`)
  )
}

/** An IPv6 zone may be written as it is, or with its `%` as `%25`. */
const decodeHost = (text: string) => {
  const address = /^\[(.*)\]$/.exec(text)?.[1]
  if (address === undefined) return decode(text)
  return Effect.succeed(address.replace(/%25/, "%"))
}

const hostValues = Effect.fnUntraced(function* (text: string) {
  const names: Array<string> = []
  const ports: Array<string> = []
  for (const [, name = "", port = ""] of text.matchAll(/(?:^|,)(\[[^\]]*\]|[^:,]*)(?::(\d*))?/g)) {
    names.push(yield* decodeHost(name))
    ports.push(port)
  }
  const values: Values = []
  if (names.some((name) => name !== "")) values.push(["host", names.join(",")])
  if (ports.some((port) => port !== "")) values.push(["port", ports.join(",")])
  return values
})

/** @param plus what a `+` stands for: itself, or for JDBC a blank */
const queryValues = Effect.fnUntraced(function* (query: string, plus = "+") {
  const values: Values = []
  for (const pair of query.split("&")) {
    if (pair.trim() === "") continue
    const [, name = "", value = ""] = /^([^=]*)=?([\s\S]*)$/.exec(pair.trim()) ?? []
    if (/\?[a-z_]+=/i.test(value)) {
      return yield* invalid('The database URL has two "?".', 'Write "&" between one parameter and the next.')
    }
    values.push([yield* decode(name), yield* decode(value.replaceAll("+", plus))])
  }
  return values
})

const url = Effect.fnUntraced(function* (text: string, plus = "+") {
  const { login, hosts, rest } = yield* split(text)
  const values: Values = []
  if (login !== undefined) {
    const colon = login.indexOf(":")
    values.push(["user", yield* decode(colon < 0 ? login : login.slice(0, colon))])
    if (colon >= 0) values.push(["password", yield* decode(login.slice(colon + 1))])
  }
  values.push(...(yield* hostValues(hosts)))
  const [, path = "", query = ""] = /^([^?]*)\??([\s\S]*)$/.exec(rest) ?? []
  if (path.length > 1) values.push(["dbname", yield* decode(path.slice(1))])
  values.push(...(yield* queryValues(query, plus)))
  return values
})

/** `jdbc:postgresql:database`, `jdbc:postgresql:/`. */
const jdbcWithoutHost = Effect.fnUntraced(function* (text: string) {
  const [, name = "", query = ""] = /^\/?([^?]*)\??([\s\S]*)$/.exec(text) ?? []
  const database: Values = name === "" ? [] : [["dbname", yield* decode(name)]]
  return [...database, ...(yield* queryValues(query, " "))]
})

/** node-postgres: `socket:/folder?db=name`, and with a login `socket://user:password@/folder?db=name`. */
const socket = Effect.fnUntraced(function* (text: string) {
  const [, login, folder = "", query = ""] = /^(?:\/\/(?:([\s\S]*)@)?)?(\/[^?]*)\??([\s\S]*)$/.exec(text) ?? []
  if (folder === "") {
    return yield* invalid(
      "The database URL names no folder of sockets.",
      "Write socket:/var/run/postgresql?db=database"
    )
  }
  const given = login === undefined ? [] : yield* url(`${login}@`)
  const names: Readonly<Record<string, string>> = { db: "dbname", encoding: "client_encoding" }
  const more = (yield* queryValues(query)).map(([name, value]) => [names[name] ?? name, value] as const)
  return [...given, ["host", yield* decode(folder.replace(/(.)\/$/, "$1"))] as const, ...more]
})

/**
 * `host=localhost dbname='my database'`.
 *
 * @see https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-KEYWORD-VALUE
 */
const keywords = Effect.fnUntraced(function* (text: string) {
  const values: Values = []
  const pattern =
    /\s*([^\s=']+)\s*=\s*(?:'((?:[^'\\]|\\[\s\S])*)'(?=\s|$)|((?:[^\s'\\]|\\[\s\S])(?:[^\s\\]|\\[\s\S])*)?)\s*/y
  for (let at = 0; at < text.length; at = pattern.lastIndex) {
    pattern.lastIndex = at
    const [, name = "", quoted, plain = ""] = pattern.exec(text) ?? []
    if (name === "") {
      return yield* invalid(
        "The connection string cannot be read: after a parameter there is no = or no closing quote.",
        "Write it as host=localhost port=5432 dbname=database user=user, values with blanks in single quotes."
      )
    }
    if (/;\s*[a-z ]+=/i.test(quoted ?? plain)) {
      return yield* invalid("The connection string is written for .NET: parameters with a semicolon between them.")
    }
    values.push([name, (quoted ?? plain).replace(/\\([\s\S])/g, "$1")])
  }
  return values
})

const otherScheme = (scheme: string): DatabaseUrlInvalid => {
  if (prismaSchemes.has(scheme)) {
    return invalid(
      `The database URL begins with "${scheme}:": it leads to a service of Prisma's, which speaks no PostgreSQL.`,
      "Give the direct URL of the database, which begins with postgres: (the directUrl or DIRECT_URL of the app)."
    )
  }
  return invalid(
    foreign.has(scheme)
      ? `The database URL begins with "${scheme}:", not with "postgresql:".`
      : 'The database URL begins with another scheme than "postgresql:".'
  )
}

/**
 * Reads it.
 *
 * @throws DatabaseUrlInvalid in the error channel where it is empty, of another scheme, or cannot be read in one way
 * alone; the error shows nothing of it.
 */
export const read = Effect.fnUntraced(function* (text: string): Effect.fn.Return<Written, DatabaseUrlInvalid> {
  const raw = bare(text)
  if (raw === "") return yield* invalid("The database URL is empty.")
  if (raw.includes("\0"))
    return yield* invalid("The database URL has a character of code 0, which no part of it may have.")
  if (raw.startsWith("/")) {
    const [folder = "", name] = raw.split(/\s+/)
    const database: Values = name === undefined ? [] : [["dbname", name]]
    return { dialect: "libpq", values: [["host", folder], ...database] }
  }
  if (/^[a-z_]+\s*=/i.test(raw)) return { dialect: "libpq", values: yield* keywords(raw) }
  // Line ends within come from a mail or a terminal that has wrapped the line.
  const [, prefix, scheme = "", slashes, rest = ""] =
    /^(jdbc:)?([a-z][a-z0-9+.-]*):(\/\/)?([\s\S]*)$/i.exec(raw.replace(/[\t\r\n]+/g, "")) ?? []
  const name = scheme.toLowerCase()
  if (name === "socket" && prefix === undefined)
    return { dialect: "libpq", values: yield* socket((slashes ?? "") + rest) }
  const jdbc = prefix !== undefined
  const dialect = jdbc ? "jdbc" : "libpq"
  if (scheme === "" || (slashes === undefined && !jdbc)) return yield* invalid("The database URL has no scheme.")
  if (!schemes.has(name.replace(/\+[\w-]+$/, "")) || prismaSchemes.has(name)) return yield* otherScheme(name)
  return { dialect, values: yield* slashes === undefined ? jdbcWithoutHost(rest) : url(rest, jdbc ? " " : "+") }
})
