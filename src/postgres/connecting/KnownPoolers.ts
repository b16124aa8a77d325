/** Poolers of providers, known by their hosts and ports. */
import type { DatabaseUrl } from "../DatabaseUrl.ts"

/** A pooler, and what is known of it. */
export interface PoolerFound {
  /**
   * How it was noticed: by a host that is known to be one, by a port that poolers listen on, or because the process in
   * the server's greeting (BackendKeyData) is not `pg_backend_pid()`.
   */
  readonly evidence: "host" | "port" | "process"
  /** In words: "PgBouncer", "Supabase's pooler (Supavisor)", "Neon's pooler", "a pooler". */
  readonly name: string
  readonly mode: "transaction" | "session" | "unknown"
  /** host:port of the server behind it, where it can be derived. */
  readonly direct?: string
  /** It lets no second client in while this one is there: a dump, which takes two, would wait for ever. */
  readonly full?: boolean
}

/** What the name of a host, with its port and the user, says of a pooler there. */
type Known = (host: string, port: number, user: string) => PoolerFound | undefined

/** @see https://neon.com/docs/connect/connection-pooling */
const neon: Known = (host, port) => {
  const parts = /^([^.]+)-pooler(\..+\.(?:neon\.tech|neon\.build|vercel-storage\.com))$/.exec(host)
  return parts === null
    ? undefined
    : { evidence: "host", name: "Neon's pooler", mode: "transaction", direct: `${parts[1]}${parts[2]}:${port}` }
}

/** @see https://supabase.com/docs/guides/database/connecting-to-postgres */
const supavisor: Known = (host, port, user) => {
  if (!host.endsWith(".pooler.supabase.com")) return undefined
  const project = /\.([a-z0-9]+)$/.exec(user)?.[1]
  return {
    evidence: "host",
    name: "Supabase's pooler (Supavisor)",
    mode: port === 6543 ? "transaction" : port === 5432 ? "session" : "unknown",
    ...(project === undefined ? {} : { direct: `db.${project}.supabase.co:5432` })
  }
}

/** @see https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-proxy-endpoints.html */
const rdsProxy: Known = (host) =>
  /\.proxy-[^.]+\..+\.rds\.amazonaws\.com(?:\.cn)?$/.test(host)
    ? { evidence: "host", name: "Amazon RDS Proxy", mode: "transaction" }
    : undefined

/** Providers whose pooler has the server's host and a port of its own, with the server's port. */
const ports: ReadonlyArray<readonly [suffix: RegExp, pooler: number, server: number, mode: PoolerFound["mode"]]> = [
  [/^db\.[a-z0-9]+\.supabase\.co$/, 6543, 5432, "transaction"],
  [/\.db\.ondigitalocean\.com$/, 25061, 25060, "unknown"],
  [/\.postgres\.database\.azure\.com$/, 6432, 5432, "unknown"],
  [/\.pg\.psdb\.cloud$/, 6432, 5432, "transaction"]
]

const ofProvider: Known = (host, port) => {
  const found = ports.find(([suffix, pooler]) => suffix.test(host) && pooler === port)
  return found === undefined
    ? undefined
    : { evidence: "port", name: "PgBouncer", mode: found[3], direct: `${host}:${found[2]}` }
}

/** PgBouncer's default, and Supabase's for its poolers. */
const ofPort: Known = (_, port) =>
  port === 6432 || port === 6543 ? { evidence: "port", name: "a pooler", mode: "unknown" } : undefined

/** What host and port alone say. By a port it is a guess: a server may listen there as well. */
export const guess = (url: DatabaseUrl): PoolerFound | undefined => {
  const host = url.host.toLowerCase()
  for (const known of [neon, supavisor, rdsProxy, ofProvider, ofPort]) {
    const found = known(host, url.port, url.user)
    if (found !== undefined) return found
  }
  return undefined
}
