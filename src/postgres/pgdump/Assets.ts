/**
 * Where the parts of pg_dump as WebAssembly are: in `dist/pg_dump/`, or in the npm package when run from source.
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as Glue from "./Glue.ts"

export interface Assets {
  /** The worker thread's program. */
  readonly worker: URL
  /** Specifier of the module that exports the Emscripten factory. */
  readonly glue: string
  readonly wasm: Uint8Array
  /** Of pg_dump, as it calls itself, for example `18.3`. */
  readonly version: string
}

/** Folder of the parts, relative to this file: set by the bundler; a run from source has none. */
declare const PGARK_PG_DUMP: string | undefined

const folder = typeof PGARK_PG_DUMP === "string" ? new URL(PGARK_PG_DUMP, import.meta.url) : undefined

const parts = (wasm: Buffer): Omit<Assets, "version"> =>
  folder === undefined
    ? {
        worker: new URL("./Worker.ts", import.meta.url),
        glue: `data:text/javascript;base64,${Buffer.from(Glue.source()).toString("base64")}`,
        wasm
      }
    : { worker: new URL("worker.js", folder), glue: new URL("pg_dump.js", folder).href, wasm }

/** Reads them. Throws where a part is missing. */
export const load = (): Assets => {
  const wasm = readFileSync(
    folder === undefined ? join(Glue.folder(), "pg_dump.wasm") : new URL("pg_dump.wasm", folder)
  )
  // The text that `pg_dump --version` prints.
  const version = /pg_dump \(PostgreSQL\) (\d+\.\d+)/.exec(wasm.toString("latin1"))?.[1]
  if (version === undefined) throw new Error("pg_dump.wasm does not say its version")
  return { ...parts(wasm), version }
}
