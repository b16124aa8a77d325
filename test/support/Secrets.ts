/** The passwords that a run is given, and where it may have left one. */
import { createReadStream, readdirSync, readFileSync, statSync } from "node:fs"
import { basename, join } from "node:path"
import { gunzipSync } from "node:zlib"

/** What a run is started with. */
export interface Given {
  readonly args: ReadonlyArray<string>
  readonly cwd: string
  readonly env?: Readonly<Record<string, string | undefined>>
}

/**
 * Shorter ones would be found by accident, in a number or in a word. Roles of the tests have long ones; what a test
 * spells out by itself is fit to be looked for, too, or `short` in it.
 */
const shortest = 6

/** Texts that programs take for passwords and that are no secrets. */
const words = new Set(["password", "secret", "postgres"])

const decoded = (text: string): ReadonlyArray<string> => {
  try {
    return [decodeURIComponent(text)]
  } catch {
    // It is not percent-encoded well, which a run may be about.
    return []
  }
}

/** As it was given, as it is, and as a URL has it. */
const forms = (text: string): ReadonlyArray<string> => [
  ...new Set([text, ...decoded(text)].flatMap((form) => [form, encodeURIComponent(form)]))
]

/** Passwords in URLs, in their parameters, and in `password = …` of service files. */
const spelled = [/\/\/[^/?#@:\s]*:([^@\s"']+)@/g, /\b(?:ssl)?password\s*=\s*([^&\s"']+)/gi]

const inText = (text: string): ReadonlyArray<string> =>
  spelled.flatMap((pattern) => [...text.matchAll(pattern)].flatMap(([, password]) => password ?? []))

/** The last field of each line of a file of passwords, where `\` quotes what follows. */
const inPassFile = (text: string): ReadonlyArray<string> =>
  text.split("\n").flatMap((line) => /^(?:(?:\\.|[^:\\])*:){4}(.+)$/.exec(line)?.[1]?.replaceAll(/\\(.)/g, "$1") ?? [])

const read = (path: string | undefined): string => {
  try {
    return path === undefined ? "" : readFileSync(path, "utf8")
  } catch {
    return ""
  }
}

/** All passwords that a run can know: of its arguments, its environment and the files that these lead to. */
export const passwordsOf = ({ args, cwd, env = {} }: Given): ReadonlyArray<string> => {
  const home = env["HOME"] ?? process.env["HOME"] ?? cwd
  const texts = [
    ...args,
    ...Object.values(env).map((value) => value ?? ""),
    read(join(cwd, ".env")),
    read(join(cwd, "pgark.config.json")),
    read(env["PGSERVICEFILE"] ?? join(home, ".pg_service.conf"))
  ]
  const found = [
    ...texts.flatMap(inText),
    ...inPassFile(read(env["PGPASSFILE"] ?? join(home, ".pgpass"))),
    ...(env["PGPASSWORD"] === undefined ? [] : [env["PGPASSWORD"]])
  ]
  return [...new Set(found.flatMap(forms))].filter((text) => text.length >= shortest && !words.has(text.toLowerCase()))
}

/** Files that are there to hold passwords: people write them. */
const kept = /^(\.env|\.?pg_service\.conf|\.?pgpass(\.conf)?|pgark\.config\.json)$/

/** Files below a folder that have changed since; neither packages nor what is there to hold passwords. */
export const changedIn = (folder: string, since: number): ReadonlyArray<string> =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return entry.name === "node_modules" ? [] : changedIn(path, since)
    if (!entry.isFile() || kept.test(entry.name)) return []
    const { ctimeMs } = statSync(path, { throwIfNoEntry: false }) ?? { ctimeMs: 0 }
    return ctimeMs >= since ? [path] : []
  })

/** The first of the passwords that a file holds, packed by gzip or not. It may be larger than the memory. */
const heldBy = async (path: string, passwords: ReadonlyArray<string>): Promise<string | undefined> => {
  const among = (text: string) => passwords.find((password) => text.includes(password))
  if (path.endsWith(".gz")) {
    try {
      return among(gunzipSync(readFileSync(path)).toString("latin1"))
    } catch {
      // Cut short, or damaged on purpose: as it stands, then.
    }
  }
  const longest = Math.max(...passwords.map(({ length }) => length))
  let tail = ""
  for await (const chunk of createReadStream(path, { encoding: "latin1" })) {
    const found = among(tail + chunk)
    if (found !== undefined) return found
    tail = String(chunk).slice(-longest)
  }
  return undefined
}

/**
 * Where one of the passwords stands: `stdout`, `stderr`, or a file that has changed since. None is the end of a run as
 * it should be.
 *
 * @param since milliseconds of the epoch at which the run was begun
 */
export const leaks = async (
  passwords: ReadonlyArray<string>,
  said: { readonly stdout: string; readonly stderr: string },
  folders: ReadonlyArray<string>,
  since: number
): Promise<ReadonlyArray<string>> => {
  if (passwords.length === 0) return []
  const spoken = (["stdout", "stderr"] as const).filter((name) => passwords.some((word) => said[name].includes(word)))
  const files = folders.flatMap((folder) => changedIn(folder, since))
  const written = await Promise.all(
    files.map(async (file) => {
      // The name as much as the content.
      if (passwords.some((word) => basename(file).includes(word))) return [file]
      try {
        return (await heldBy(file, passwords)) === undefined ? [] : [file]
      } catch {
        // It has gone since, or is not to be read by this user.
        return []
      }
    })
  )
  return [...spoken, ...written.flat()]
}
