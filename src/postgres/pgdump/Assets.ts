/**
 * Where the parts of pg_dump as WebAssembly are: in `dist/pg_dump/`, or in the npm package when run from source.
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { setFlagsFromString } from "node:v8"
import * as Glue from "./Glue.ts"

export interface Assets {
  /** The worker thread's program. */
  readonly worker: URL
  /** Specifier of the module that exports the Emscripten factory. */
  readonly glue: string
  /** Compiled: dumps of one process, each in a thread of its own, share what the engine has made of it. */
  readonly module: object
  /** Of pg_dump, as it calls itself, for example `18.3`. */
  readonly version: string
}

/** What is used of it; Node's types leave it out. */
declare const WebAssembly: { readonly Module: new (bytes: Uint8Array) => object }

/** Folder of the parts, relative to this file: set by the bundler; a run from source has none. */
declare const PGARK_PG_DUMP: string | undefined

const folder = typeof PGARK_PG_DUMP === "string" ? new URL(PGARK_PG_DUMP, import.meta.url) : undefined

const programs = (): Pick<Assets, "worker" | "glue"> =>
  folder === undefined
    ? {
        worker: new URL("./Worker.ts", import.meta.url),
        glue: `data:text/javascript;base64,${Buffer.from(Glue.source()).toString("base64")}`
      }
    : { worker: new URL("worker.js", folder), glue: new URL("pg_dump.js", folder).href }

/**
 * V8 compiles what runs often again, in the background: of pg_dump first of all its largest function, for half a second
 * and 95 MB, which the end of the process waits for. A dump of 170 MB gains nothing from it. With the largest budget
 * only what copies rows is compiled again, in large dumps. The module takes the budget of the moment it is made.
 */
const largestBudget = "--wasm-tiering-budget=2147483647"

const read = (): Assets => {
  const wasm = readFileSync(
    folder === undefined ? join(Glue.folder(), "pg_dump.wasm") : new URL("pg_dump.wasm", folder)
  )
  // The text that `pg_dump --version` prints.
  const version = /pg_dump \(PostgreSQL\) (\d+\.\d+)/.exec(wasm.toString("latin1"))?.[1]
  if (version === undefined) throw new Error("pg_dump.wasm does not say its version")
  setFlagsFromString(largestBudget)
  return { ...programs(), module: new WebAssembly.Module(wasm), version }
}

let loaded: Assets | undefined

/** Reads them, once in a process. Throws where a part is missing. */
export const load = (): Assets => (loaded ??= read())
