/** What a restore over several connections leaves: the same as one over one connection, or as psql. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { applying } from "../../../support/Applying.ts"
import * as Clusters from "../../../support/Clusters.ts"
import { divide, type Options } from "../../../support/Divided.ts"
import * as EveryKind from "../../../support/EveryKind.ts"
import * as Restores from "../../../support/Restores.ts"
import { snapshot } from "../../../support/Snapshot.ts"

/** What no dump brings back: a connection elsewhere, and a language whose handler is the system's. */
const unlike = "DROP SUBSCRIPTION listening; DROP LANGUAGE plmine CASCADE"

/** What is hard about the order. */
const hard = `
CREATE TABLE parent (id integer NOT NULL, at date NOT NULL, other integer, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE parent_old PARTITION OF parent FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE parent_new PARTITION OF parent FOR VALUES FROM ('2021-01-01') TO ('2022-01-01') PARTITION BY HASH (id);
CREATE TABLE parent_new_0 PARTITION OF parent_new FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE parent_new_1 PARTITION OF parent_new FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE INDEX ON parent (other);
INSERT INTO parent SELECT i, date '2020-06-01' + i, i % 7 FROM generate_series(1, 400) i;
CREATE TABLE child (id integer PRIMARY KEY, parent integer, at date, self integer REFERENCES child,
  FOREIGN KEY (parent, at) REFERENCES parent);
INSERT INTO child SELECT i, i, date '2020-06-01' + i, i FROM generate_series(1, 400) i;
CREATE TABLE ring_a (id integer PRIMARY KEY, b integer, UNIQUE (id, b) INCLUDE (id) WITH (fillfactor = 80));
CREATE TABLE ring_b (id integer PRIMARY KEY, a integer REFERENCES ring_a);
ALTER TABLE ring_a ADD FOREIGN KEY (b) REFERENCES ring_b DEFERRABLE INITIALLY DEFERRED;
BEGIN; INSERT INTO ring_a SELECT i, i FROM generate_series(1, 300) i; INSERT INTO ring_b SELECT i, i FROM generate_series(1, 300) i; COMMIT;
CREATE TABLE "Odd ""name""" ("the ID" integer, "WITH (" text, UNIQUE NULLS NOT DISTINCT ("the ID", "WITH (") DEFERRABLE);
INSERT INTO "Odd ""name""" SELECT i, 'x' || i FROM generate_series(1, 300) i;
CREATE TABLE booking (room integer, during int4range, EXCLUDE USING gist (during WITH &&));
INSERT INTO booking SELECT i, int4range(i, i + 1) FROM generate_series(1, 200) i;
CREATE TABLE half (id integer PRIMARY KEY, child integer);
INSERT INTO half SELECT i, i + 1000000 FROM generate_series(1, 100) i;
ALTER TABLE half ADD CONSTRAINT later FOREIGN KEY (child) REFERENCES child NOT VALID;
ALTER TABLE half ADD CONSTRAINT never CHECK (id < 0) NOT VALID;
CREATE FUNCTION counted(n integer) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT count(*) + n FROM public.child';
CREATE INDEX by_count ON half (counted(id)) WHERE counted(id) > 100;
CREATE UNIQUE INDEX half_id ON half (id);
ALTER TABLE half REPLICA IDENTITY USING INDEX half_id;
ALTER TABLE child CLUSTER ON child_pkey;
CREATE INDEX lower_odd ON "Odd ""name""" (lower("WITH ("));
ALTER INDEX lower_odd ALTER COLUMN 1 SET STATISTICS 77;
COMMENT ON INDEX lower_odd IS 'an odd one';
COMMENT ON CONSTRAINT child_pkey ON child IS 'the key';
CREATE INDEX named_alike ON child (parent);
ALTER TABLE half ADD CONSTRAINT named_alike FOREIGN KEY (child) REFERENCES child NOT VALID;
COMMENT ON CONSTRAINT named_alike ON half IS 'of no index';
CREATE FUNCTION grouped() RETURNS bigint LANGUAGE sql STABLE
  BEGIN ATOMIC SELECT max(n) FROM (SELECT id, self, count(*) AS n FROM child GROUP BY id) s; END;
CREATE VIEW grouping AS SELECT id, self, count(*) AS n FROM child GROUP BY id;
CREATE MATERIALIZED VIEW totals AS SELECT other, count(*) AS n FROM parent GROUP BY other;
CREATE UNIQUE INDEX ON totals (other);
CREATE MATERIALIZED VIEW total AS SELECT sum(n) AS n, grouped() AS g FROM totals;
CREATE INDEX ON total (n);
CREATE TABLE heir_parent (id integer PRIMARY KEY, word text);
CREATE TABLE heir (more text) INHERITS (heir_parent);
CREATE INDEX ON heir (id);
INSERT INTO heir SELECT i, 'w', 'm' FROM generate_series(1, 100) i;
INSERT INTO heir_parent SELECT i, 'w' FROM generate_series(200, 300) i;
CREATE TABLE generated (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, twice integer GENERATED ALWAYS AS (id * 2) STORED, word text);
INSERT INTO generated (word) SELECT 'w' FROM generate_series(1, 100);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''it fires''; END';
CREATE TRIGGER noted BEFORE INSERT OR UPDATE OR DELETE ON child FOR EACH ROW EXECUTE FUNCTION note();
ALTER TABLE ring_a ENABLE ROW LEVEL SECURITY;
CREATE POLICY one ON ring_a USING (id = 1);
CREATE STATISTICS two (ndistinct) ON id, b FROM ring_a;
CREATE RULE quiet AS ON DELETE TO ring_b DO INSTEAD NOTHING;
SELECT setval('generated_id_seq', 4711);
`

/** A dump, and an empty database that it goes into. Gives what a restore of it over one connection leaves. */
const prepare = Effect.fnUntraced(function* (kind: Clusters.RoleKind, sql: (role: string) => string) {
  const { role, url } = yield* Clusters.makeTarget(Clusters.sourceMajor, kind)
  yield* Clusters.query(url, sql(role.name))
  const { file, manifest } = yield* Restores.dump(url, yield* Restores.folder)
  const empty = Effect.map(
    Clusters.makeDatabase(Clusters.sourceMajor, kind === "databaseOwner" ? { owner: role } : {}),
    (admin) => ({ admin, url: Clusters.as(admin, role) })
  )
  const plain = yield* empty
  yield* Restores.restore(plain.url, file)
  return { contents: manifest, empty, expected: yield* snapshot(plain.admin), file }
})

/** Restores over so many connections. */
const over = Effect.fnUntraced(function* (
  { contents, empty, expected, file }: Effect.Success<ReturnType<typeof prepare>>,
  jobs: number,
  division: Options
) {
  const { admin, url } = yield* empty
  yield* applying({ url, source: divide(file, division), contents, jobs })
  yield* Restores.same(yield* snapshot(admin), expected, `over ${jobs} connections it is another database`)
})

describe("rows and indexes over several connections leave what one connection leaves", () => {
  it.live("of what is hard about the order", () =>
    Effect.gen(function* () {
      const prepared = yield* prepare("databaseOwner", () => hard)
      yield* over(prepared, 1, { rowsOfPart: 150 })
      // As small tables, in one transaction each; and as large ones, every index by itself.
      yield* over(prepared, 2, {})
      yield* over(prepared, 3, { rowsOfPart: 150, scale: 1_000_000 })
    })
  )

  it.live("of every kind of object", () =>
    Effect.gen(function* () {
      const prepared = yield* prepare("superuser", (role) => `${EveryKind.sql(role)}; ${unlike}`)
      yield* over(prepared, 3, { rowsOfPart: 2, scale: 1_000_000 })
    })
  )
})

describe("a large table", () => {
  it.live("is emptied before its rows come only where no subscriber would hear of it", () =>
    Effect.gen(function* () {
      const { contents, empty, file } = yield* prepare(
        "superuser",
        () => "CREATE TABLE large (id int); INSERT INTO large SELECT generate_series(1, 100)"
      )
      for (const published of [false, true]) {
        const { admin, url } = yield* empty
        if (published) yield* Clusters.query(admin, "CREATE PUBLICATION everything FOR ALL TABLES")
        yield* applying({ url, source: divide(file, { scale: 1_000_000 }), contents, jobs: 2 })
        // TRUNCATE gives it another file than it was created with.
        const found = yield* Clusters.query(
          admin,
          "SELECT relfilenode = oid AS first, (SELECT count(*)::int FROM large) AS rows FROM pg_class WHERE relname = 'large'"
        )
        assert.deepStrictEqual(found, [{ first: published, rows: 100 }])
      }
    })
  )
})
