/**
 * Writes the pages of `docs/` that are generated, or with `--check` only tells which of them are stale:
 *
 * - `docs/commands.md`: the reference of the commands;
 * - `docs/json/<command>.json`: JSON Schemas of what the commands print with `--json`;
 * - `docs/json/config.json`: that of the configuration file.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises"
import { dirname } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { commandPages } from "./src/cli/Cli.ts"
import { jsonSchema } from "./src/cli/config/Configuration.ts"
import * as Documents from "./src/cli/documents/Documents.ts"
import { reference } from "./src/cli/help/Reference.ts"

/** A page: its path, and its text. */
type Page = readonly [path: string, text: string]

/** Without what says nothing: that other keys may come, and descriptions in a list of their own. */
const plain = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== "object" || value === null) return value
  const { additionalProperties, allOf, ...fields } = value as Record<string, unknown>
  const parts = (allOf ?? []) as ReadonlyArray<Record<string, unknown>>
  const own = (part: Record<string, unknown>) => !Object.keys(part).every((key) => key in fields)
  return {
    ...Object.fromEntries(Object.entries(fields).map(([key, field]) => [key, plain(field)])),
    ...(additionalProperties === undefined || additionalProperties === true
      ? {}
      : { additionalProperties: plain(additionalProperties) }),
    ...Object.assign({}, ...parts.filter(own).map((part) => plain(part) as object))
  }
}

const jsonSchemas: ReadonlyArray<Page> = Object.entries(Documents).flatMap(([name, document]) => {
  if (document === Documents.Failure) return []
  const { definitions, schema } = Schema.toJsonSchemaDocument(document as Schema.Constraint)
  const title =
    name === "failure" ? "What a pgark that has failed prints with --json" : `What pgark ${name} --json prints`
  const page = {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title,
    ...(plain(schema) as object),
    ...(Object.keys(definitions).length === 0 ? {} : { $defs: plain(definitions) })
  }
  return [[`docs/json/${name}.json`, `${JSON.stringify(page, undefined, 2)}\n`] as const]
})

const commands = await Effect.runPromise(Effect.provide(commandPages, NodeServices.layer))

const pages: ReadonlyArray<Page> = [
  ["docs/commands.md", reference(commands)],
  ["docs/json/config.json", `${JSON.stringify(jsonSchema(), undefined, 2)}\n`],
  ...jsonSchemas
]

const read = (path: string) => readFile(path, "utf8").catch(() => undefined)

if (process.argv.includes("--check")) {
  const stale = (
    await Promise.all(pages.map(async ([path, text]) => ((await read(path)) === text ? [] : [path])))
  ).flat()
  if (stale.length > 0) {
    process.exitCode = 1
    process.stderr.write(`Stale: ${stale.join(", ")}. \`npm run docs\` writes them again.\n`)
  }
} else {
  for (const [path, text] of pages) {
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, text)
  }
}
