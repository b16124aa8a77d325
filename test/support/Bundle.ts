/** `dist/`, as users run it: built again where a source is newer. */
import { execFile } from "node:child_process"
import { readdirSync, statSync } from "node:fs"
import { join, resolve } from "node:path"
import { promisify } from "node:util"

const root = resolve(import.meta.dirname, "../..")

/** The bundled program. */
export const main = join(root, "dist/main.js")

const changedAt = (file: string) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0

const isStale = () => {
  const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" }).map((name) => `src/${name}`)
  return [...sources, "build.ts", "package.json"].some((name) => changedAt(join(root, name)) > changedAt(main))
}

/** Builds it where it is missing or older than what it is made of. */
export const ensure = async (): Promise<void> => {
  if (isStale()) await promisify(execFile)(process.execPath, ["build.ts"], { cwd: root })
}
