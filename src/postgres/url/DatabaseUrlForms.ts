/** A database URL as libpq's programs want it. For the drivers see {@link file://../Connecting.ts}. */
import * as Redacted from "effect/Redacted"
import { devNull } from "node:os"
import type { DatabaseUrl } from "../DatabaseUrl.ts"
import * as Parameters from "./DatabaseUrlParameters.ts"

const hostOf = (host: string): string =>
  host.includes(":") ? `[${host.replace("%", "%25")}]` : encodeURIComponent(host)

/** The URL as text, with its password: for an environment variable or a file, never for a log. */
export const toUri = (url: DatabaseUrl): Redacted.Redacted => {
  const servers = [url, ...url.others]
  const password = url.password === undefined ? "" : `:${encodeURIComponent(Redacted.value(url.password))}`
  const parameters = new Map([...url.parameters, ["sslmode", url.sslMode]])
  if (servers.some(({ hostaddr }) => hostaddr !== undefined)) {
    parameters.set("hostaddr", servers.map(({ hostaddr }) => hostaddr ?? "").join(","))
  }
  // libpq knows of no + for a blank.
  const query = [...parameters].map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&")
  return Redacted.make(
    `postgresql://${encodeURIComponent(url.user)}${password}@` +
      servers.map(({ host, port }) => `${hostOf(host)}:${port}`).join(",") +
      `/${encodeURIComponent(url.database)}?${query}`,
    { label: "database-url" }
  )
}

/**
 * What a libpq program gets in its environment. It takes one password for all servers: where a password file has
 * several, the URL is to be of one server alone, as a session's is. The password goes this way and no other: argv is
 * readable by every user of the machine.
 *
 * @see https://www.postgresql.org/docs/current/libpq-envars.html
 */
export const toLibpqEnvironment = (url: DatabaseUrl): Record<string, string | Redacted.Redacted> => {
  const servers = [url, ...url.others]
  const hostaddrs = servers.map(({ hostaddr }) => hostaddr ?? "")
  const password = servers.find((one) => one.password !== undefined)?.password
  const parameters = [...Parameters.variables].flatMap(([name, variable]): ReadonlyArray<readonly [string, string]> => {
    const value = url.parameters.get(name)
    return value === undefined || variable === undefined ? [] : [[variable, value]]
  })
  return {
    ...Object.fromEntries(parameters),
    PGHOST: servers.map(({ host }) => host).join(","),
    PGPORT: servers.map(({ port }) => port).join(","),
    ...(hostaddrs.some((hostaddr) => hostaddr !== "") ? { PGHOSTADDR: hostaddrs.join(",") } : {}),
    PGUSER: url.user,
    PGDATABASE: url.database,
    PGSSLMODE: url.sslMode,
    PGAPPNAME: "pgark",
    // Where no password was found, libpq shall not find one: the others would connect without. A file that cannot be
    // there is passed over in silence.
    ...(password === undefined ? { PGPASSFILE: `${devNull}/none` } : { PGPASSWORD: password })
  }
}

/** What pg_dump as WebAssembly gets in its own: names for its messages. Its connection is opened by the `pg` driver. */
export const toWasmEnvironment = (url: DatabaseUrl): Record<string, string> => ({
  PGHOST: url.host,
  PGPORT: String(url.port),
  PGUSER: url.user,
  PGDATABASE: url.database
})
