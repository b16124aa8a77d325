/** Directory dumps restored by psql alone, as the README in them says. */
import { spawn, spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as DatabaseUrl from "../../../src/postgres/DatabaseUrl.ts"
import type { DumpOptions } from "../../../src/verbs/dump/DumpOptions.ts"
import * as Clusters from "../../support/Clusters.ts"
import * as Restores from "../../support/Restores.ts"
import { snapshot } from "../../support/Snapshot.ts"
import { each, long } from "../../support/Tier.ts"

const lacking = ["psql", "zstd", "gzip"].filter((tool) => spawnSync(tool, ["--version"]).status !== 0)
const title = lacking.length === 0 ? "psql" : `psql (skipped: no ${lacking.join(", ")} on PATH)`

/** Runs psql in the folder, where the locale says nothing of UTF-8. Gives what it complains of. */
const psql = (url: DatabaseUrl.DatabaseUrl, cwd: string, args: ReadonlyArray<string>, input = "") => {
  const settings = Object.entries(DatabaseUrl.toLibpqEnvironment(url)).map(([name, value]) => [
    name,
    Redacted.isRedacted(value) ? Redacted.value(value) : value
  ])
  return Effect.callback<string>((resume) => {
    const child = spawn("psql", ["-X", "-q", "-w", "-v", "ON_ERROR_STOP=1", ...args], {
      cwd,
      env: { PATH: process.env["PATH"], LC_ALL: "C", ...Object.fromEntries(settings) }
    })
    let said = ""
    child.stderr.on("data", (chunk) => (said += chunk))
    child.on("close", (code) => resume(Effect.succeed(code === 0 ? said : `exit ${code}: ${said}`)))
    child.stdin.end(input)
    return Effect.sync(() => void child.kill())
  })
}

/** Names that a shell, psql or a line cannot take as they are. */
const odd = (names: string) =>
  `
  CREATE SCHEMA "S ""q"" \\ %d;${names}";
  CREATE TYPE public.mood AS ENUM ('sad', 'o k');
  CREATE TABLE "S ""q"" \\ %d;${names}"."T'a ""b"" \\. $HOME %s;${names}"
    ("c ""1"",${names}" serial PRIMARY KEY, ok text, m public.mood, r regclass, g int GENERATED ALWAYS AS (1) STORED);
  INSERT INTO "S ""q"" \\ %d;${names}"."T'a ""b"" \\. $HOME %s;${names}" (ok, m, r)
    SELECT E'\\\\. \\n\\t ' || chr(92) || i, 'o k', 'pg_class' FROM generate_series(1, 50) i;
  CREATE TABLE public."binary" (a int, b text, c jsonb, d bytea, e timestamptz, f numeric[]);
  INSERT INTO public."binary" SELECT i, repeat('x', i), '{"a": [1, null]}', '\\x00ff5c2e0a', now(), '{1.5,NULL}'
    FROM generate_series(1, 200) i;
  CREATE TABLE public.nothing ();
  INSERT INTO public.nothing DEFAULT VALUES;
  CREATE TABLE public.empty (a int REFERENCES public.empty2 (a));
  SELECT lo_from_bytea(4711, decode(repeat('005c7831270a', 20000), 'hex')), lo_create(4712);
  COMMENT ON LARGE OBJECT 4711 IS E'COMMIT;\\nSELECT pg_catalog.lo_nothing();'`.replace(
    "CREATE TABLE public.empty ",
    "CREATE TABLE public.empty2 (a int UNIQUE);\nCREATE TABLE public.empty "
  )

const cases: ReadonlyArray<readonly [name: string, encoding: string | undefined, names: string, more: DumpOptions]> = [
  ["whatever the names are", undefined, "ü\n日本", {}],
  ["of another encoding", "LATIN1", "ü", {}],
  ["by gzip", undefined, "", { compression: { method: "gzip" } }],
  ["as it is", undefined, "", { compression: { method: "none" } }]
]

describe.skipIf(lacking.length > 0)(title, () => {
  each(
    cases,
    cases.slice(0, 1),
    ([name]) => `restores a directory dump: ${name}`,
    ([, encoding, names, more]) => {
      it.live("all of it", () =>
        Effect.gen(function* () {
          const options = encoding === undefined ? {} : { encoding, locale: "LC_COLLATE 'C' LC_CTYPE 'C'" }
          const source = yield* Clusters.makeDatabase(18, options)
          yield* Clusters.query(source, odd(names))
          const { file } = yield* Restores.dump(source, yield* Restores.folder, { format: "directory", ...more })
          const target = yield* Clusters.makeDatabase(18, options)
          assert.strictEqual(yield* psql(target, file, ["-1", "-f", "restore.psql"]), "")
          assert.deepStrictEqual(yield* snapshot(target), yield* snapshot(source))
          // One table alone, as the README says it.
          yield* Clusters.query(target, 'TRUNCATE public."binary"')
          const readme = readFileSync(join(file, "README"), "utf8")
          const [, commands = ""] = /<<'END'\n([^]*?)\nEND/.exec(readme) ?? []
          assert.include(commands, '\\copy "public"."binary" (')
          assert.strictEqual(yield* psql(target, file, [], `${commands}\n`), "")
          assert.deepStrictEqual(yield* snapshot(target), yield* snapshot(source))
        })
      )
    }
  )

  long("a file that is missing", () => {
    it.live("leaves the target as it was", () =>
      Effect.gen(function* () {
        const source = yield* Clusters.makeDatabase(18)
        yield* Clusters.query(source, odd(""))
        const { file, manifest } = yield* Restores.dump(source, yield* Restores.folder, { format: "directory" })
        const target = yield* Clusters.makeDatabase(18)
        const before = yield* snapshot(target)
        for (const lost of [manifest.files!.data.at(-1)!.file, manifest.files!.sql[1]!.file]) {
          const folder = `${file}-${lost.length}`
          spawnSync("cp", ["-r", file, folder])
          spawnSync("rm", [join(folder, lost)])
          assert.match(yield* psql(target, folder, ["-1", "-f", "restore.psql"]), /^exit 3: /)
          assert.deepStrictEqual(yield* snapshot(target), before)
        }
      })
    )
  })
})
