/**
 * What becomes of the parameters of a connection string. libpq rejects every one that it does not know, and drivers have
 * words of their own for some that it does: those are translated where they mean the same, the others dropped, and all
 * of it is kept on record.
 */
import * as Effect from "effect/Effect"
import { type DatabaseUrlInvalid, invalid } from "./DatabaseUrlInvalid.ts"
import type { Written } from "./DatabaseUrlText.ts"

/** How libpq encrypts, from the least to the most careful. */
export const sslModes = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] as const
export type SslMode = (typeof sslModes)[number]

/** Which server of several will do. */
export const sessionAttributes = ["any", "read-write", "read-only", "primary", "standby", "prefer-standby"] as const
export type SessionAttributes = (typeof sessionAttributes)[number]

/** What became of one parameter. */
export interface Parameter {
  /** Its name, where it is one that somebody has for a parameter; any other is not repeated. */
  readonly name: string
  /** Where it stood: "the database URL", a variable of the environment, a service. */
  readonly from: string
  readonly fate: "kept" | "translated" | "dropped"
  /** What it was made: `name=value` where the value is one of a few, else the name alone. */
  readonly to?: string
  /** Why, in words. */
  readonly reason: string
}

/** A value, and where it comes from. */
export interface Sourced {
  readonly value: string
  readonly from: string
}

/** Parameters by libpq's names, and the record of how they came to them. */
export interface Sorted {
  readonly values: ReadonlyMap<string, Sourced>
  readonly record: ReadonlyArray<Parameter>
}

/** The address, the login and the database: fields of their own in what is made of the string. */
export const fields = ["host", "hostaddr", "port", "user", "password", "dbname", "service", "passfile", "schema"]

/**
 * libpq's parameters that mean the same to every client of pgark, with the variable of its environment that each has.
 *
 * @see https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
 */
export const variables: ReadonlyMap<string, string | undefined> = new Map([
  ["application_name", "PGAPPNAME"],
  ["channel_binding", "PGCHANNELBINDING"],
  ["connect_timeout", "PGCONNECT_TIMEOUT"],
  ["gssencmode", "PGGSSENCMODE"],
  ["krbsrvname", "PGKRBSRVNAME"],
  ["load_balance_hosts", "PGLOADBALANCEHOSTS"],
  ["options", "PGOPTIONS"],
  ["require_auth", "PGREQUIREAUTH"],
  ["requirepeer", "PGREQUIREPEER"],
  ["ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION"],
  ["ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION"],
  ["sslcert", "PGSSLCERT"],
  ["sslcertmode", "PGSSLCERTMODE"],
  ["sslcrl", "PGSSLCRL"],
  ["sslcrldir", "PGSSLCRLDIR"],
  ["sslkey", "PGSSLKEY"],
  ["sslmode", "PGSSLMODE"],
  ["sslnegotiation", "PGSSLNEGOTIATION"],
  ["sslpassword", undefined],
  ["sslrootcert", "PGSSLROOTCERT"],
  ["sslsni", "PGSSLSNI"],
  ["target_session_attrs", "PGTARGETSESSIONATTRS"]
])

/** What libpq knows and pgark has another way for. */
const ours: ReadonlyMap<string, string> = new Map([
  ["client_encoding", "pgark chooses the encoding: that of the database for a dump, UTF8 for its own queries"],
  ["fallback_application_name", "pgark's connections have a name"],
  ["max_protocol_version", "pgark speaks the version that every server knows"],
  ["min_protocol_version", "pgark speaks the version that every server knows"],
  ["sslcompression", "TLS is not compressed any more"],
  ["replication", "neither queries nor pg_dump work on a replication connection"],
  ...["keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval", "tcp_user_timeout"].map(
    (name) => [name, "pgark's connections are kept alive as the system does it"] as const
  )
])

/** Seen in the wild; each says whose it is. */
const known: ReadonlyMap<string, string> = new Map(
  Object.entries({
    "Prisma's pool":
      "connection_limit pool_timeout socket_timeout pgbouncer statement_cache_size max_idle_connection_lifetime single_use_connections",
    "Supabase's pooler": "supa workaround",
    "a pool":
      "pool_size max_overflow pool_mode max pool_max_conns pool_min_conns pool max_connections min_connections idle_timeout max_lifetime",
    "the driver":
      "binary_parameters prepared_statements prepareThreshold preparedStatementCacheQueries prepare default_query_exec_mode statement_cache_capacity reWriteBatchedInserts stringtype tcpKeepAlive socketTimeout async_fallback server_settings command_timeout keepAlive query_timeout statement_timeout lock_timeout idle_in_transaction_session_timeout sslfactory sslhostnameverifier assumeMinServerVersion readOnly"
  }).flatMap(([whose, names]) => names.split(" ").map((name) => [name, `a setting of ${whose}`] as const))
)

const listed = (values: ReadonlyArray<string>) => `Use one of ${values.join(", ")}.`

/** Parameters of few values. */
const choices: ReadonlyMap<string, ReadonlyArray<string>> = new Map<string, ReadonlyArray<string>>([
  ["sslmode", sslModes],
  ["target_session_attrs", sessionAttributes],
  ["load_balance_hosts", ["disable", "random"]],
  ["channel_binding", ["disable", "prefer", "require"]],
  ["gssencmode", ["disable", "prefer", "require"]],
  ["sslnegotiation", ["postgres", "direct"]],
  ["sslcertmode", ["disable", "allow", "require"]],
  ["sslsni", ["0", "1"]],
  ["ssl_min_protocol_version", ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]],
  ["ssl_max_protocol_version", ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]]
])

/** A list of methods of the login, or of those that are forbidden. As libpq has it, not of both. */
const method = "(?:password|md5|gss|sspi|scram-sha-256|oauth|none)"
const loginMethods = new RegExp(`^(?:${method}(?:,${method})*|!${method}(?:,!${method})*)?$`)

/** Fails where the value of a parameter of libpq is none that it knows. */
export const check = (name: string, { value, from }: Sourced): Effect.Effect<void, DatabaseUrlInvalid> => {
  const allowed = choices.get(name)
  if (allowed !== undefined && !allowed.includes(value)) {
    const more = name === "sslmode" ? ' A driver\'s "no-verify" is "require".' : ""
    return invalid(`${name} in ${from} has a value that PostgreSQL does not know.`, listed(allowed) + more)
  }
  // As libpq reads it: whole seconds.
  if (name === "connect_timeout" && !/^\s*[-+]?\d+\s*$/.test(value)) {
    return invalid(`connect_timeout in ${from} is not a number of seconds.`, "Write 10, say.")
  }
  if (name === "require_auth" && !loginMethods.test(value)) {
    return invalid(
      `require_auth in ${from} has a value that PostgreSQL does not know.`,
      "Name methods with commas between them, as in scram-sha-256,md5; or each with a ! before it, which forbids it."
    )
  }
  return Effect.void
}

const modeOfSsl: Readonly<Record<string, SslMode>> = {
  "": "require",
  "1": "require",
  "0": "disable",
  true: "require",
  false: "disable",
  "no-verify": "require",
  ...Object.fromEntries(sslModes.map((mode) => [mode, mode]))
}

const attributesOfJdbc: Readonly<Record<string, SessionAttributes>> = {
  any: "any",
  // pgJDBC asks for transaction_read_only.
  primary: "read-write",
  master: "read-write",
  secondary: "read-only",
  slave: "read-only",
  preferSecondary: "prefer-standby",
  preferSlave: "prefer-standby"
}

const firstSchema = (path: string): string | undefined =>
  path
    .split(",")
    .map((name) => name.trim().replace(/^"(.*)"$/, "$1"))
    .find((name) => name !== "" && name !== "$user")

/** What stands for a name that nobody knows: in a torn URL it may be a piece of the password. */
const unknownName = "(a name that is not known)"

/** Sorts what stands in a connection string. Fails where a driver's word for encryption is not understood. */
export const sort = Effect.fnUntraced(function* ({
  dialect,
  values: given
}: Written): Effect.fn.Return<Sorted, DatabaseUrlInvalid> {
  const from = "the database URL"
  const raw = new Map(given)
  const values = new Map<string, Sourced>()
  const record: Array<Parameter> = []
  const has = (name: string) => values.has(name) || (raw.get(name) ?? "") !== ""
  const drop = (name: string, reason: string) => void record.push({ name, from, fate: "dropped", reason })
  const become = (name: string, parameter: string, value: string, reason: string) => {
    values.set(parameter, { value, from })
    const to = choices.get(parameter)?.includes(value) === true ? `${parameter}=${value}` : parameter
    record.push({ name, from, fate: "translated", to, reason })
  }
  /** Translates unless the URL says it in libpq's own word, too. */
  const unless = (name: string, parameter: string, value: string | undefined, reason: string) => {
    if (value === undefined) drop(name, `libpq has no such ${parameter}`)
    else if (has(parameter)) drop(name, `${parameter} stands beside it`)
    else become(name, parameter, value, reason)
  }

  // Words for encryption first: what they say of the certificate decides on the others.
  const mode = raw.get("sslmode")
  const strict = raw.get("sslaccept") === "strict"
  const lax =
    mode === "no-verify" ||
    (mode === undefined && raw.get("ssl") === "no-verify") ||
    (mode?.startsWith("verify") !== true && raw.get("sslaccept") === "accept_invalid_certs")
  const prisma = raw.has("sslaccept") || raw.has("sslidentity")
  /** Translations that take the place of the plain reading, by name. */
  const rules: Readonly<Record<string, (value: string) => void | Effect.Effect<never, DatabaseUrlInvalid>>> = {
    sslmode: (value) => {
      const plain = value.toLowerCase().replaceAll("_", "-")
      if (value === "no-verify") become("sslmode", "sslmode", "require", "encrypted, the certificate not looked at")
      else if (strict && plain !== "disable") drop("sslmode", "sslaccept=strict, beside it, wants more")
      else if (plain !== value && sslModes.some((one) => one === plain)) {
        become("sslmode", "sslmode", plain, "libpq writes it in small letters, with hyphens")
      } else keep("sslmode", value, "libpq's own")
    },
    ssl: (value) => {
      const wanted = Object.hasOwn(modeOfSsl, value) ? modeOfSsl[value] : undefined
      if (wanted === undefined) {
        return Effect.fail(
          invalid(`ssl in ${from} has a value that is not understood.`, `Write sslmode instead. ${listed(sslModes)}`)
        )
      }
      // pgJDBC's ssl=true looks at certificate and host, libpq's own and other drivers' does not.
      const verified = dialect === "jdbc" && wanted === "require" && value !== "require" && value !== "no-verify"
      if (verified && raw.get("sslfactory")?.endsWith("NonValidatingFactory") !== true) {
        return unless("ssl", "sslmode", "verify-full", "pgJDBC looks at the certificate and at the host's name")
      }
      unless("ssl", "sslmode", wanted, value === "no-verify" ? "the certificate is not looked at" : "as libpq reads it")
    },
    sslaccept: (value) => {
      if (value !== "strict") return drop("sslaccept", "libpq looks at no certificate unless sslmode says so")
      if (mode === "disable") return drop("sslaccept", "sslmode=disable stands beside it")
      become("sslaccept", "sslmode", "verify-full", "Prisma then looks at the certificate and at the host's name")
      // Prisma, unlike libpq, then trusts whom the system trusts.
      if (!raw.has("sslcert") && !raw.has("sslrootcert")) values.set("sslrootcert", { value: "system", from })
    },
    sslidentity: () =>
      drop("sslidentity", "libpq reads no PKCS#12 file: write sslcert and sslkey (openssl pkcs12 takes it apart)"),
    sslrootcert: (value) => {
      if (lax) drop("sslrootcert", "the certificate is not looked at")
      else keep("sslrootcert", value, "libpq's own")
    },
    sslcert: (value) => {
      if (!prisma || raw.has("sslkey")) return keep("sslcert", value, "libpq's own")
      if (lax) return drop("sslcert", "Prisma's certificate of the server, which is not looked at")
      unless("sslcert", "sslrootcert", value, "Prisma calls the server's authority so")
    },
    sslpassword: (value) => {
      if (raw.has("sslidentity")) drop("sslpassword", "it belongs to sslidentity")
      else keep("sslpassword", value, "libpq's own")
    },
    uselibpqcompat: () => drop("uselibpqcompat", "sslmode has libpq's meaning in any case"),
    currentSchema: (value) => schemaOf("currentSchema", value),
    search_path: (value) => schemaOf("search_path", value),
    ApplicationName: (value) => unless("ApplicationName", "application_name", value, "libpq's name for it"),
    connectTimeout: (value) => unless("connectTimeout", "connect_timeout", value, "libpq's name for it, in seconds"),
    loginTimeout: (value) => unless("loginTimeout", "connect_timeout", value, "libpq's name for it, in seconds"),
    connectionTimeoutMillis: (value) => {
      const seconds = /^\d+$/.test(value) ? String(Math.ceil(Number(value) / 1000)) : undefined
      unless("connectionTimeoutMillis", "connect_timeout", seconds, "libpq's name for it, in seconds")
    },
    targetServerType: (value) =>
      unless(
        "targetServerType",
        "target_session_attrs",
        Object.hasOwn(attributesOfJdbc, value) ? attributesOfJdbc[value] : undefined,
        "libpq's name for it"
      ),
    loadBalanceHosts: (value) =>
      unless("loadBalanceHosts", "load_balance_hosts", value === "true" ? "random" : "disable", "libpq's name for it")
  }
  const keep = (name: string, value: string, reason: string) => {
    values.set(name, { value, from })
    record.push({ name, from, fate: "kept", reason })
  }
  const schemaOf = (name: string, path: string) => {
    const schema = firstSchema(path)
    if (schema === undefined) drop(name, "it names no schema")
    else if (has("schema")) drop(name, "schema stands beside it")
    else {
      values.set("schema", { value: schema, from })
      record.push({ name, from, fate: "translated", to: "schema", reason: schemaMeaning })
    }
  }
  for (const [name, value] of raw) {
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined
    const refused = rule?.(value)
    if (refused !== undefined) return yield* refused
    if (rule !== undefined) continue
    if (name === "schema") keep(name, value, schemaMeaning)
    else if (fields.includes(name)) values.set(name, { value, from })
    else if (variables.has(name)) keep(name, value, "libpq's own")
    else if (name !== "") {
      const reason = ours.get(name) ?? known.get(name)
      drop(reason === undefined ? unknownName : name, reason ?? "libpq does not know it")
    }
  }
  const path = /(?:^|\s)(?:-c\s*|--)search_path=((?:\\.|\S)+)/.exec(raw.get("options") ?? "")?.[1]
  const schema = firstSchema((path ?? "").replace(/\\(.)/g, "$1"))
  if (schema !== undefined && !has("schema")) {
    values.set("schema", { value: schema, from })
    record.push({ name: "options", from, fate: "translated", to: "schema", reason: schemaMeaning })
  }
  return { values, record }
})

const schemaMeaning = "the default schema of grant and clean, never the scope of a dump"

/** Whether a parameter of that name may be meant: libpq's, or one that is seen in the wild. */
export const isSeen = (name: string): boolean =>
  isKnown(name) || fields.includes(name) || known.has(name) || seenNames.has(name)

/** Those that are translated and may be given any text. */
const seenNames = new Set(["ApplicationName", "currentSchema", "search_path", "sslidentity"])

/** Whether libpq has a parameter of that name. */
export const isKnown = (name: string): boolean => variables.has(name) || ours.has(name)
