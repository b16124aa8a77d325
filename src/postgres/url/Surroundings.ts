/** Where libpq takes from what a connection string does not say: the environment, the user, the machine. */
import { existsSync } from "node:fs"
import { homedir, userInfo } from "node:os"
import { join } from "node:path"

/** What a connection string is read in. An empty one adds nothing but libpq's constants. */
export interface Surroundings {
  readonly env?: Readonly<Record<string, string | undefined>>
  /** The user's folder, for `.pgpass` and `.pg_service.conf`. */
  readonly home?: string
  /** The login to the operating system. */
  readonly user?: string
  /** Folders where a server of this machine keeps its socket. */
  readonly sockets?: ReadonlyArray<string>
}

/** Where packages put it: Debian and its kin, PostgreSQL itself. libpq has one of them compiled in. */
export const socketFolders = ["/var/run/postgresql", "/tmp"] as const

/** A user id may have no account, in a container. */
const account = (): string | undefined => {
  try {
    return userInfo().username
  } catch {
    return process.env["USER"]
  }
}

/** Those of this process. */
export const here = (): Surroundings => {
  const user = account()
  return {
    env: process.env,
    home: homedir(),
    ...(user === undefined ? {} : { user }),
    sockets: process.platform === "win32" ? [] : socketFolders
  }
}

/** An environment variable that is set, and not to nothing. */
export const variable = ({ env = {} }: Surroundings, name: string): string | undefined =>
  env[name] === "" ? undefined : env[name]

/** libpq's default: the socket of this machine's server. Where there is none with this port, localhost, as drivers do. */
export const defaultHost = ({ sockets = [] }: Surroundings, port: number): string =>
  sockets.find((folder) => existsSync(join(folder, `.s.PGSQL.${port}`))) ?? "localhost"
