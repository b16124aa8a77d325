/**
 * The JavaScript half of pg_dump as WebAssembly, out of the npm package that ships it.
 *
 * The package exports only a function for its own database, which forces `--inserts` and holds the whole dump in
 * memory. What is wanted is the Emscripten factory inside its bundle.
 */
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"

const factory = /var (\w+)=\(\(\)=>\{var _scriptName=import\.meta\.url;/
const lastOfFactory = "moduleRtn=readyPromise,moduleRtn}})()"

/** Folder of the package's `pg_dump.wasm`, and above it the package's licence. */
export const folder = (): string =>
  dirname(createRequire(import.meta.url).resolve("@electric-sql/pglite-tools/pg_dump"))

/** The source of a module whose default export is the factory. Throws where the package is not built as expected. */
export const source = (): string => {
  const entry = readFileSync(join(folder(), "pg_dump.js"), "utf8")
  const chunk = /from"\.\/(chunk-\w+\.js)"/.exec(entry)?.[1]
  const text = chunk === undefined ? "" : readFileSync(join(folder(), chunk), "utf8")
  const name = factory.exec(text)?.[1]
  const end = text.indexOf(lastOfFactory)
  if (name === undefined || end < 0) throw new Error("@electric-sql/pglite-tools is not built as 0.4.8 is")
  return `${text.slice(0, end + lastOfFactory.length)};export default ${name};\n`
}
