/** Reads the text of a configuration, and tells everything that is wrong with it at once. */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as SchemaIssue from "effect/SchemaIssue"
import { plural } from "../../pipeline/Words.ts"
import { Configuration } from "./Configuration.ts"
import { type ConfigurationInvalid, invalid } from "./ConfigurationInvalid.ts"
import { nearest } from "./Nearest.ts"

type Path = ReadonlyArray<PropertyKey>

/** `databases.staging.schemas[0]`, `databases["a b"]`, below the key that the configuration stands under. */
const place = (path: Path): string =>
  path.reduce<string>((text, key) => {
    const word = String(key)
    if (!/^[\w$-]+$/.test(word)) return `${text}[${JSON.stringify(word)}]`
    return typeof key === "number" ? `${text}[${key}]` : `${text}${text === "" ? "" : "."}${word}`
  }, "")

/** The keys that may stand at a path; none where any may, as in a list of names. */
const keysAt = (ast: SchemaAST.AST, [key, ...rest]: Path): ReadonlyArray<string> => {
  if (!SchemaAST.isObjects(ast)) return []
  if (key === undefined) return ast.propertySignatures.map(({ name }) => String(name))
  const property = ast.propertySignatures.find(({ name }) => name === key)?.type ?? ast.indexSignatures[0]?.type
  return property === undefined ? [] : keysAt(property, rest)
}

const format = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) => (issue._tag === "UnexpectedKey" ? "UnexpectedKey" : SchemaIssue.defaultLeafHook(issue))
})

/** One line for each thing that is wrong with its shape. */
const complaints = (issue: SchemaIssue.Issue): ReadonlyArray<string> =>
  format(issue).issues.map(({ message, path = [] }) => {
    const keys = path.map((segment) => (typeof segment === "object" ? segment.key : segment))
    if (message !== "UnexpectedKey") {
      return `${place(keys)}: ${message.replace(/^E/, "e").replace("Missing key", "missing, and must be there")}`
    }
    const known = keysAt(Configuration.ast, keys.slice(0, -1))
    if (known.length === 0) return `${place(keys)}: expected a name of letters, digits, - _ and .`
    const meant = nearest(String(keys.at(-1)), known)
    return `${place(keys)}: unknown key; ${meant === undefined ? `there are ${known.join(", ")}` : `did you mean ${meant}?`}`
  })

/** What no Schema of a part can say, of as much of the file as has its shape. */
const contradictions = (raw: unknown): ReadonlyArray<string> => {
  if (!Predicate.isObject(raw) || !("databases" in raw) || !Predicate.isObject(raw.databases)) {
    const named = Predicate.isObject(raw) && "database" in raw && !("databases" in raw)
    return named ? ["database: names one, and there are no databases"] : []
  }
  const names = Object.keys(raw.databases)
  const unknown = (name: string) => {
    const meant = nearest(name, names)
    return `database: there is no ${name} in databases; ${meant === undefined ? `it has ${names.join(", ")}` : `did you mean ${meant}?`}`
  }
  const database = "database" in raw ? raw.database : undefined
  const sources = new Map<unknown, string>()
  return [
    ...(typeof database === "string" && !names.includes(database) ? [unknown(database)] : []),
    ...Object.entries(raw.databases).flatMap(([name, entry]) => {
      if (!Predicate.isObject(entry)) return []
      const at = place(["databases", name])
      if ("url" in entry === "urlFrom" in entry) {
        return [`${at}: expected one of url and urlFrom, ${"url" in entry ? "and it has both" : "and it has neither"}`]
      }
      const source = "urlFrom" in entry ? entry.urlFrom : undefined
      const other = source === undefined ? undefined : sources.get(source)
      if (source !== undefined && other === undefined) sources.set(source, name)
      return other === undefined ? [] : [`${at}.urlFrom: is that of ${other} already; of which would its settings be?`]
    })
  ]
}

/** Where a text that is no JSON is wrong, as far as Node tells; never its message, which repeats the text. */
const lineOf = (text: string, error: unknown): string => {
  const position = /at position (\d+)/.exec(String(error))?.[1]
  return position === undefined ? "" : `, at line ${text.slice(0, Number(position)).split("\n").length}`
}

/** The value of a JSON text; a byte order mark before it does not matter. */
export const json = (text: string, file: string): Effect.Effect<unknown, ConfigurationInvalid> =>
  Effect.try({
    try: (): unknown => JSON.parse(text.replace(/^\uFEFF/, "")),
    catch: (error) =>
      invalid(`${file} is not JSON${lineOf(text, error)}.`, "Comments and trailing commas are not allowed in it.", {
        file
      })
  })

/**
 * Holds a value against the Schema.
 *
 * @param file where it stands, for messages
 */
export const decode = Effect.fnUntraced(function* (
  raw: unknown,
  file: string
): Effect.fn.Return<Configuration, ConfigurationInvalid> {
  const decoded = yield* Effect.result(
    Schema.decodeUnknownEffect(Configuration, { errors: "all", onExcessProperty: "error" })(raw)
  )
  const wrong = [...(decoded._tag === "Failure" ? complaints(decoded.failure.issue) : []), ...contradictions(raw)].map(
    (line) => line.replace(/^: /, "")
  )
  if (decoded._tag === "Success" && wrong.length === 0) return decoded.success
  return yield* invalid(
    `${file} has ${plural(wrong.length, "mistake")}.`,
    "Correct it; `--no-config` does without it for once.",
    { file, detail: wrong.join("\n") }
  )
})
