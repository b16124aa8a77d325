/** Lines that cannot be understood: what is said of them, and what may have been meant. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { asksForJson } from "../../../src/cli/help/Presenter.ts"
import { line } from "../../support/Line.ts"
import * as Printed from "../../support/Printed.ts"

/** The line, the message, and what stands before "See …" of the suggestion. */
type Wrong = readonly [line: string, message: string, meant?: string]

const wrong: ReadonlyArray<Wrong> = [
  // commands
  ["dmup", `There is no command "dmup".`, "Did you mean dump?"],
  ["resotre --clean", `There is no command "resotre".`, "Did you mean restore?"],
  ["backup", `There is no command "backup".`, "Did you mean dump?"],
  ["drop", `There is no command "drop".`, "Did you mean clean?"],
  ["rollback", `There is no command "rollback".`, "Did you mean undo?"],
  ["completions bash", `There is no command "completions".`, "Did you mean completion?"],
  ["constructor", `There is no command "constructor".`],
  ["__proto__", `There is no command "__proto__".`],
  ["xyzzy", `There is no command "xyzzy".`],
  ["help resotre", `There is no command "resotre".`, "Did you mean restore?"],
  ["postgres://u:p4ssw0rd@h/d", "A database URL stands where a command is wanted.", "Put it behind --database-url."],
  // flags
  ["restore --claen", "`pgark restore` has no flag --claen.", "Did you mean --clean?"],
  ["restore --no-verfy", "`pgark restore` has no flag --no-verfy.", "Did you mean --no-verify?"],
  ["restore --jsno", "`pgark restore` has no flag --jsno.", "Did you mean --json?"],
  ["dump --clean", "`pgark dump` has no flag --clean.", "--clean belongs to `pgark restore` and `pgark clone`."],
  [
    "dump --no-verify",
    "`pgark dump` has no flag --no-verify.",
    "--no-verify belongs to `pgark restore`, `pgark clone` and `pgark undo`."
  ],
  [
    "dump --grant-too app",
    "`pgark dump` has no flag --grant-too.",
    "Did you mean --grant-to, of `pgark doctor`, `pgark verify`, `pgark restore` and `pgark clone`?"
  ],
  ["inspect --prove", "`pgark inspect` has no flag --prove.", "--prove belongs to `pgark list`."],
  ["--clean", "There is no flag --clean without a command.", "--clean belongs to `pgark restore` and `pgark clone`."],
  ["--frobnicate", "There is no flag --frobnicate without a command."],
  ["restore -z", "`pgark restore` has no flag -z."],
  ["restore -yqz", "`pgark restore` has no flag -z."],
  ["restore -clean", "-clean wants two dashes: --clean."],
  ["dump -schema public", "-schema wants two dashes: --schema."],
  // values
  ["dump --compress", "--compress wants a value: none, gzip or zstd[:LEVEL]."],
  [
    "dump --compress bzip2",
    `--compress cannot be "bzip2". It takes none, gzip, gzip:1 to gzip:9, zstd, zstd:1 to zstd:19.`
  ],
  ["restore --owner jeep", `--owner cannot be "jeep". It takes auto, keep or skip.`, "Did you mean keep?"],
  ["restore --owner", "--owner wants a value: auto, keep or skip."],
  [
    "grant app --profile read",
    `--profile cannot be "read". It takes all, readwrite or readonly.`,
    "Did you mean readonly?"
  ],
  ["completion zhs", `SHELL cannot be "zhs". It takes bash, zsh or fish.`, "Did you mean zsh?"],
  [
    "list --log-level loud",
    `--log-level cannot be "loud". It takes all, trace, debug, info, warn, warning, error, fatal or none.`
  ],
  ["clean --schema", "--schema wants a value: SCHEMA."],
  [
    "clean --schema pg_catalog",
    `--schema cannot be "pg_catalog": pg_catalog is a system schema, which belongs to the server.`
  ],
  ["restore --lock-timeout 0", `--lock-timeout cannot be "0". It takes a value between 1 and 2147483.`],
  ["restore --lock-timeout 30s", `--lock-timeout cannot be "30s". It takes a whole number.`],
  [
    "dump --name a.b",
    `--name cannot be "a.b". It takes letters, digits, - and _, at most 64 of them, the first a letter or a digit.`
  ],
  ["dump --database-url", "--database-url wants a value: URL."],
  ["dump --dry-run=maybe", "--dry-run takes no value: it is given, or it is not."],
  ["--version=3", "--version takes no value: it is given, or it is not."],
  // too many and too few
  ["dump foo", '`pgark dump` does not know what to do with "foo".'],
  [
    "verify a.sql b.sql c.sql",
    '`pgark verify` does not know what to do with "b.sql" and "c.sql".',
    "It takes one FILE."
  ],
  ["dump -- x y", '`pgark dump` does not know what to do with "x" and "y".'],
  [
    "dump postgres://u:p4ssw0rd@h/d",
    "`pgark dump` does not know what to do with a database URL.",
    "Put it behind --database-url."
  ],
  ["dump \u2014dry-run", '`pgark dump` does not know what to do with "\u2014dry-run".', "Flags begin with --."],
  ["completion", "`pgark completion` wants a SHELL."],
  ["restore --yes --yes", "--yes is given 2 times, and may be given once."],
  ["list --dir a --dir b", "--dir is given 2 times, and may be given once."]
]

describe("wrong usage", () => {
  it.effect.each(wrong)("%s", ([words, message, meant]) =>
    Effect.gen(function* () {
      const argv = words.split(" ")
      const { code, stderr, stdout } = yield* line(...argv)
      assert.strictEqual(code, 2)
      assert.strictEqual(stdout, "")
      const [first, ...others] = stderr.trimEnd().split("\n")
      assert.strictEqual(first, `pgark: ${message}`)
      assert.match(others.at(-1) ?? "", /^ {2}next {4}.*See `pgark( \w+)? --help`\.$/)
      assert.strictEqual(others.at(-1)?.replace(/^ {2}next {4}(.*?) ?See `.*/, "$1"), meant ?? "")
      assert.notInclude(stderr, "p4ssw0rd")

      const json = yield* line("--json", ...argv)
      assert.strictEqual(json.code, 2)
      assert.strictEqual(json.stderr, stderr)
      assert.isUndefined(Printed.problem(["failure"], json.stdout))
      assert.nestedInclude(JSON.parse(json.stdout), { "error.code": "UsageError", "error.message": message })
    })
  )

  it.effect("tells further mistakes below the first, each once", () =>
    Effect.gen(function* () {
      const { stderr } = yield* line("grant", "--frob", "--claen", "--claen", "app")
      assert.deepStrictEqual(stderr.split("\n").slice(0, 2), [
        "pgark: `pgark grant` has no flag --frob.",
        "  detail  `pgark grant` has no flag --claen. Did you mean --clean, of `pgark restore` and `pgark clone`?"
      ])
      assert.strictEqual(stderr.match(/--claen/g)?.length, 1)
    })
  )
})

describe("a document", () => {
  const asked: ReadonlyArray<readonly [line: string, json: boolean]> = [
    ["dump --json", true],
    ["dump --json=true", true],
    ["dump --json --no-json", false],
    ["dump --json=no", false],
    ["dump --no-json --json", true],
    ["inspect -- --json", false],
    ["dump", false]
  ]

  it.each(asked)("%s: %s", (words, json) => {
    assert.strictEqual(asksForJson(words.split(" ")), json)
  })
})
