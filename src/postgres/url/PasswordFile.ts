/**
 * libpq's password file, usually `~/.pgpass`.
 *
 * @see https://www.postgresql.org/docs/current/libpq-pgpass.html
 */
import { readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { type Surroundings, socketFolders, variable } from "./Surroundings.ts"

/** What a password is looked up by. */
export interface Login {
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
}

/** A password and, in words, where it stands; or why the file is passed over. */
export type Found = { readonly password: string; readonly from: string } | { readonly ignored: string } | undefined

/** The file: as given, `PGPASSFILE`, or the user's own. */
export const path = (around: Surroundings, given: string | undefined): string | undefined => {
  const named = given ?? variable(around, "PGPASSFILE")
  if (named !== undefined) return named
  if (process.platform === "win32") {
    const data = variable(around, "APPDATA")
    return data === undefined ? undefined : join(data, "postgresql", "pgpass.conf")
  }
  return around.home === undefined ? undefined : join(around.home, ".pgpass")
}

/** Fields between colons; a backslash takes the next character as it is. */
const fieldsOf = (line: string): ReadonlyArray<string> =>
  [...line.matchAll(/((?:[^:\\]|\\[\s\S]|\\$)*)(?::|$)/g)].map(([, field = ""]) => field)

const plain = (field: string) => field.replace(/\\([\s\S])/g, "$1")

/** The text of a file that nobody else may read, as libpq insists; of another why it is passed over. */
const text = (file: string): string | { readonly ignored: string } | undefined => {
  try {
    const stat = statSync(file)
    if (!stat.isFile()) return { ignored: `${file} is not a plain file` }
    if (process.platform !== "win32" && (stat.mode & 0o077) !== 0) {
      return { ignored: `${file} may be read by others: chmod 600 it` }
    }
    return readFileSync(file, "utf8")
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined
    return code === "ENOENT" || code === "ENOTDIR" ? undefined : { ignored: `${file} cannot be read` }
  }
}

/** The password of the first line that fits. A server's usual socket goes by the name `localhost`. */
export const find = (file: string, login: Login): Found => {
  const lines = text(file)
  if (lines === undefined || typeof lines !== "string") return lines
  const host = socketFolders.some((folder) => folder === login.host) ? "localhost" : login.host
  const wanted = [host, String(login.port), login.database, login.user]
  for (const [index, line] of lines.split(/\r?\n/).entries()) {
    if (line.startsWith("#")) continue
    const fields = fieldsOf(line)
    if (!wanted.every((value, i) => fields[i] === "*" || plain(fields[i] ?? "") === value)) continue
    const password = plain(fields[4] ?? "")
    // As libpq has it, a line without a password keeps those behind it from being looked at.
    return password === "" ? undefined : { password, from: `${file}, line ${index + 1}` }
  }
  return undefined
}
