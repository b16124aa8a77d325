/**
 * A connection string, read once and given to everything that connects.
 *
 * What it does not say comes from where libpq takes it: a service file, the environment, the password file, constants.
 * The value holds the outcome, password and all, so that pg_dump, whichever it is, and both drivers get the same.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { isIP } from "node:net"
import { type DatabaseUrlInvalid, example, invalid } from "./url/DatabaseUrlInvalid.ts"
import * as Parameters from "./url/DatabaseUrlParameters.ts"
import { read } from "./url/DatabaseUrlText.ts"
import * as PasswordFile from "./url/PasswordFile.ts"
import * as ServiceFile from "./url/ServiceFile.ts"
import * as Surroundings from "./url/Surroundings.ts"

export { DatabaseUrlInvalid } from "./url/DatabaseUrlInvalid.ts"
export { toLibpqEnvironment, toUri } from "./url/DatabaseUrlForms.ts"
export type { Parameter, SessionAttributes, SslMode } from "./url/DatabaseUrlParameters.ts"
export type { Surroundings } from "./url/Surroundings.ts"

/** A server's address, and the password for it: a password file may have one for each. */
export interface Address {
  /** A name, an IP address, or the folder of a socket. */
  readonly host: string
  readonly port: number
  /** The IP address to connect to, in place of asking for that of the host. */
  readonly hostaddr: string | undefined
  /** That address is not from the URL: it is where the host answered. */
  readonly pinned?: true
  readonly password: Redacted.Redacted | undefined
  /** Where the password stood, in words; where there is none, why a password file was passed over. */
  readonly passwordFrom: string | undefined
}

/** A database to connect to. */
export interface DatabaseUrl extends Address {
  /** Where several servers are named, those behind the first, in their order. */
  readonly others: ReadonlyArray<Address>
  readonly user: string
  readonly database: string
  /** The `schema` parameter of ORM URLs: the default schema of `grant` and `clean`, never the scope of a dump. */
  readonly schema: string | undefined
  readonly sslMode: Parameters.SslMode
  /** Parameters by libpq's names, from wherever they come; `sslmode` is among them where it was given. */
  readonly parameters: ReadonlyMap<string, string>
  /** What became of each parameter, in the order in which they stood. */
  readonly record: ReadonlyArray<Parameters.Parameter>
}

const first = (...values: ReadonlyArray<string | undefined>): string | undefined =>
  values.find((value) => value !== undefined && value !== "")

/** Hosts, addresses and ports are lists, one for each server; one port may stand for all. */
const addresses = Effect.fnUntraced(function* (
  get: (name: string) => Parameters.Sourced | undefined,
  around: Surroundings.Surroundings
) {
  const listOf = (name: string) => (get(name)?.value ?? "").split(",").map((one) => one.trim())
  const [hosts, hostaddrs, ports] = [listOf("host"), listOf("hostaddr"), listOf("port")]
  const count = get("hostaddr") === undefined ? hosts.length : hostaddrs.length
  if (get("hostaddr") !== undefined && get("host") !== undefined && hosts.length !== count) {
    return yield* invalid(
      `There are not as many addresses (hostaddr in ${get("hostaddr")?.from}) as hosts.`,
      "Give each host its address, or leave out hostaddr."
    )
  }
  if (ports.length !== 1 && ports.length !== count) {
    return yield* invalid(
      `There are not as many ports (in ${get("port")?.from}) as hosts.`,
      "Give one port for all, or one for each."
    )
  }
  const found: Array<Pick<Address, "host" | "hostaddr" | "port">> = []
  for (let index = 0; index < count; index++) {
    const text = (ports.length === 1 ? ports[0] : ports[index]) ?? ""
    const [, folder, socketPort] = /^(\/.*)\/\.s\.PGSQL\.(\d+)$/.exec(hosts[index] ?? "") ?? []
    const port = /^\d*$/.test(text) ? Number(first(text, socketPort) ?? 5432) : 0
    if (port < 1 || port > 65535) {
      return yield* invalid(`The port in ${get("port")?.from} is none: the port must be 1 to 65535.`)
    }
    const hostaddr = first(hostaddrs[index])
    if (hostaddr !== undefined && isIP(hostaddr) === 0) {
      return yield* invalid(`hostaddr in ${get("hostaddr")?.from} is no IP address.`, "Name a host by host=.")
    }
    const host = first(folder, hosts[index]?.replace(/^(\/.+?)\/+$/, "$1"))
    found.push({
      host: host ?? hostaddr ?? Surroundings.defaultHost(around, port),
      port,
      hostaddr: host === undefined ? undefined : hostaddr
    })
  }
  return found
})

/** The service that the string or the environment names; a service file has libpq's words alone. */
const serviceOf = Effect.fnUntraced(function* (name: string | undefined, around: Surroundings.Surroundings) {
  if (name === undefined) return undefined
  const service = yield* ServiceFile.find(name, around)
  const strange = [...service.values.keys()].find(
    (parameter) => !Parameters.fields.includes(parameter) && !Parameters.isKnown(parameter)
  )
  if (strange === undefined) return service
  return yield* invalid(`There is a parameter in ${service.from} that libpq does not know.`, "Take it out there.")
})

/** The variables behind the fields that have one. */
const fieldVariables: Readonly<Record<string, string>> = {
  host: "PGHOST",
  hostaddr: "PGHOSTADDR",
  port: "PGPORT",
  user: "PGUSER",
  password: "PGPASSWORD",
  dbname: "PGDATABASE"
}

/**
 * Reads a connection string: a URL as libpq, ORMs, drivers, JDBC and providers write it, libpq's keywords and values, or
 * node-postgres's path of a socket. What is not in it comes from the service that it or `PGSERVICE` names, from the
 * variables of libpq, from the password file, and from libpq's constants, in this order.
 *
 * @param around the environment and the rest of what surrounds this process, unless told
 * @throws DatabaseUrlInvalid in the error channel, with a message that never shows the password.
 * @see https://www.postgresql.org/docs/current/libpq-connect.html
 */
export const parse = Effect.fn("DatabaseUrl.parse")(function* (
  text: Redacted.Redacted,
  around: Surroundings.Surroundings = Surroundings.here()
): Effect.fn.Return<DatabaseUrl, DatabaseUrlInvalid> {
  const sorted = yield* Effect.flatMap(read(Redacted.value(text)), Parameters.sort)
  const inText = (name: string) => {
    const sourced = sorted.values.get(name)
    return sourced?.value === "" ? undefined : sourced
  }
  const service = yield* serviceOf(first(inText("service")?.value, Surroundings.variable(around, "PGSERVICE")), around)
  const get = (name: string): Parameters.Sourced | undefined => {
    const given = inText(name)
    if (given !== undefined) return given
    const served = first(service?.values.get(name))
    if (served !== undefined) return { value: served, from: service?.from ?? "" }
    const variable = fieldVariables[name] ?? Parameters.variables.get(name)
    const value = variable === undefined ? undefined : Surroundings.variable(around, variable)
    return value === undefined ? undefined : { value, from: variable ?? "" }
  }
  const parameters = new Map<string, string>()
  const record = [...sorted.record]
  for (const name of Parameters.variables.keys()) {
    const sourced = get(name)
    if (sourced === undefined) continue
    yield* Parameters.check(name, sourced)
    parameters.set(name, sourced.value)
    if (inText(name) === undefined) {
      record.push({ name, from: sourced.from, fate: "kept", reason: "the database URL does not say it" })
    }
  }
  const systemRoots = parameters.get("sslrootcert") === "system"
  const sslMode = (parameters.get("sslmode") ?? (systemRoots ? "verify-full" : "prefer")) as Parameters.SslMode
  // As libpq has it: anybody can get a certificate that the system trusts, for a host of his own.
  if (systemRoots && sslMode !== "verify-full") {
    return yield* invalid(`sslrootcert=system does not go with sslmode=${sslMode}.`, "Use sslmode=verify-full with it.")
  }
  const user = get("user")?.value ?? around.user
  if (user === undefined) return yield* invalid("The database URL names no user.")
  const database = get("dbname")?.value ?? user
  // As a name it would be shown, password and all.
  if (/^[a-z+]+:\/\/|(?:^|\s)(?:password|host|user|dbname)\s*=/i.test(database)) {
    return yield* invalid(
      `The name of the database (in ${get("dbname")?.from}) is a connection string itself.`,
      "Give that one as the database URL, or the database's name alone."
    )
  }
  const given = get("password")
  const file = PasswordFile.path(around, inText("passfile")?.value ?? first(service?.values.get("passfile")))
  const passwordOf = (address: Pick<Address, "host" | "port">): Pick<Address, "password" | "passwordFrom"> => {
    const login = { ...address, database, user }
    const filed = given === undefined && file !== undefined ? PasswordFile.find(file, login) : undefined
    const known =
      given ?? (filed !== undefined && "password" in filed ? { ...filed, value: filed.password } : undefined)
    return {
      password: known === undefined ? undefined : Redacted.make(known.value, { label: "password" }),
      passwordFrom: known?.from ?? (filed !== undefined && "ignored" in filed ? `nowhere: ${filed.ignored}` : undefined)
    }
  }
  const [address, ...others] = (yield* addresses(get, around)).map((one) => ({ ...one, ...passwordOf(one) }))
  if (address === undefined) return yield* invalid("The database URL names no host.")
  return { ...address, others, user, database, schema: get("schema")?.value, sslMode, parameters, record }
})

/** Variables each of which says which database is meant, so that nothing else needs to. */
const sufficient = ["PGHOST", "PGHOSTADDR", "PGDATABASE", "PGSERVICE"]

/**
 * `DATABASE_URL` from the configuration (environment, `.env`), where a command has no `--database-url`; else what
 * libpq's variables say; none where none of it is given. Fails where one is given and cannot be used.
 */
export const configured = Effect.fn("DatabaseUrl.configured")(function* (
  flag: Option.Option<Redacted.Redacted>,
  around: Surroundings.Surroundings = Surroundings.here()
): Effect.fn.Return<Option.Option<DatabaseUrl>, DatabaseUrlInvalid> {
  const text = Option.isSome(flag)
    ? flag
    : yield* Effect.mapError(Config.option(Config.Redacted("DATABASE_URL")), () =>
        invalid(
          "DATABASE_URL is not in the environment, and .env in this folder cannot be read.",
          "Set DATABASE_URL, pass --database-url, or let this user read .env."
        )
      )
  const libpqs = sufficient.some((name) => Surroundings.variable(around, name) !== undefined)
  if (Option.isNone(text) && !libpqs) return Option.none()
  const written = Option.getOrElse(text, () => Redacted.make("postgresql://"))
  return Option.some(yield* parse(written, around))
})

/** What is said where one is needed and none is given. */
export const missing = (): DatabaseUrlInvalid =>
  invalid(
    "No database URL is given.",
    `Pass --database-url, set DATABASE_URL, or put DATABASE_URL="${example}" into .env; ` +
      "PGHOST, PGDATABASE or PGSERVICE do, too."
  )

/** The same where there has to be one. */
export const fromConfig = Effect.fn("DatabaseUrl.fromConfig")(function* (
  flag: Option.Option<Redacted.Redacted>,
  around: Surroundings.Surroundings = Surroundings.here()
): Effect.fn.Return<DatabaseUrl, DatabaseUrlInvalid> {
  const url = yield* configured(flag, around)
  return Option.isSome(url) ? url.value : yield* missing()
})

/** `host:port`, or the folder of the socket and the port. */
export const server = ({ host, port }: Pick<Address, "host" | "port">): string =>
  `${host.includes(":") ? `[${host}]` : host}:${port}`

/** `user@host:port/database`, for people; never a password. */
export const describe = (url: DatabaseUrl): string =>
  `${url.user}@${[url, ...url.others].map(server).join(",")}/${url.database}`

/** The same server and role, another database. */
export const withDatabase = (url: DatabaseUrl, database: string): DatabaseUrl => ({
  ...url,
  database
})

/** One of its servers alone, whatever it may be asked for: the one that everything shall use from now on. */
export const narrow = (url: DatabaseUrl, address: Address): DatabaseUrl => {
  const { host, port, hostaddr, password, passwordFrom, pinned } = address
  const { pinned: _, ...rest } = url
  const parameters = new Map(url.parameters)
  parameters.delete("target_session_attrs")
  parameters.delete("load_balance_hosts")
  const one = { host, port, hostaddr, password, passwordFrom, ...(pinned === undefined ? {} : { pinned }) }
  return { ...rest, ...one, others: [], parameters }
}
