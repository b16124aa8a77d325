/** Dumps that act as other roles, and rights on what is another's: nothing is lost without a word. */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Clusters from "../../support/Clusters.ts"
import * as Restores from "../../support/Restores.ts"
import { ofRun } from "../../support/Tier.ts"

const sql = (reader: string) => `
  SET search_path = public;
  CREATE TABLE t (id serial PRIMARY KEY, note text CHECK (note <> ''));
  INSERT INTO t (note) VALUES ('one'), ('two');
  CREATE INDEX ON t (note);
  CREATE VIEW v AS SELECT id FROM t;
  ALTER TABLE t ENABLE ROW LEVEL SECURITY;
  CREATE POLICY p ON t TO ${reader} USING (id = 1);
  GRANT SELECT ON t, v TO ${reader}`

const state = `
  SELECT (SELECT relrowsecurity FROM pg_class WHERE oid = 'public.t'::regclass) AS secured,
    (SELECT count(*)::int FROM pg_policy) AS policies,
    (SELECT count(*)::int FROM pg_constraint WHERE conrelid = 'public.t'::regclass AND contype IN ('c', 'p')) AS constraints,
    (SELECT count(*)::int FROM pg_index WHERE indrelid = 'public.t'::regclass) AS indexes,
    (SELECT count(*)::int FROM pg_class WHERE relkind = 'v' AND relnamespace = 'public'::regnamespace) AS views,
    (SELECT last_value::int FROM public.t_id_seq) AS sequence,
    (SELECT count(*)::int FROM public.t) AS rows`

const variants: ReadonlyArray<ReadonlyArray<string>> = [[], ["--inserts"], ["--schema-only"]]

describe.each(ofRun(Clusters.majors, [Clusters.sourceMajor]))(
  "a dump with --use-set-session-authorization on PostgreSQL %i",
  (major) => {
    for (const kind of ["tableOwner", "superuser"] as const) {
      for (const options of kind === "tableOwner" ? variants : ofRun(variants, variants.slice(0, 1))) {
        it.live(`of a role that a ${kind} cannot act as loses nothing (${options.join(" ") || "COPY"})`, () =>
          Effect.gen(function* () {
            const { name: reader } = yield* Clusters.makeRole(major)
            const { admin, role, url } = yield* Clusters.makeTarget(major, kind)
            const file = yield* Effect.scoped(
              Effect.gen(function* () {
                const source = yield* Clusters.makeTarget(major, "tableOwner")
                yield* Clusters.query(source.url, sql(reader))
                // The folder goes with the scope of this role, and the dump is wanted when the role is gone.
                const dumped = yield* Restores.foreignDump(source.admin, "--use-set-session-authorization", ...options)
                return yield* Effect.sync(() => readFileSync(dumped, "utf8"))
              })
            ).pipe(Effect.flatMap((text) => Restores.script(text, false)))
            const report = yield* Restores.restore(url, file)
            const data = !options.includes("--schema-only")
            const [found] = yield* Clusters.query(admin, state)
            assert.deepStrictEqual(found, {
              secured: true,
              policies: 1,
              constraints: 2,
              indexes: 2,
              views: 1,
              sequence: data ? 2 : 1,
              rows: data ? 2 : 0
            })
            assert.isTrue(report.skipped.some(({ reason }) => /may not act as/.test(reason)))
            const [rights] = yield* Clusters.query(
              admin,
              `SELECT pg_get_userbyid(relowner) AS owner, has_table_privilege('${reader}', oid, 'SELECT') AS reads
             FROM pg_class WHERE oid = 'public.v'::regclass`
            )
            assert.deepStrictEqual(rights, { owner: role.name, reads: true })
          })
        )
      }
    }
  }
)

describe.each(ofRun(Clusters.majors, [Clusters.sourceMajor]))(
  "rights on what is not the dump's on PostgreSQL %i",
  (major) => {
    it.live("are left as they are where the role may not give them, and counted", () =>
      Effect.gen(function* () {
        const { admin, url } = yield* Clusters.makeTarget(major, "tableOwner")
        const { name: monitor } = yield* Clusters.makeRole(major)
        yield* Clusters.query(admin, "CREATE SCHEMA ext; CREATE EXTENSION pg_stat_statements SCHEMA ext")
        yield* Clusters.query(
          admin,
          `GRANT USAGE ON SCHEMA ext TO PUBLIC;
         CREATE TABLE public.t AS SELECT 1 AS id; GRANT SELECT ON public.t TO ${monitor};
         GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_file(text) TO ${monitor};
         GRANT SELECT ON ext.pg_stat_statements TO ${monitor} WITH GRANT OPTION`
        )
        const file = yield* Restores.foreignDump(admin)
        yield* Clusters.query(
          admin,
          `DROP TABLE public.t; REVOKE ALL ON ext.pg_stat_statements FROM ${monitor} CASCADE`
        )
        const report = yield* Restores.restore(url, file)
        const left = report.skipped.find(({ reason }) => reason.startsWith("rights that this role may not give"))
        // One is refused by the server, the other is taken with a warning.
        assert.strictEqual(left?.count, 2)
        const [reads] = yield* Clusters.query(
          admin,
          `SELECT has_table_privilege('${monitor}', 'public.t', 'SELECT') AS it`
        )
        assert.deepStrictEqual(reads, { it: true })
      })
    )
  }
)
