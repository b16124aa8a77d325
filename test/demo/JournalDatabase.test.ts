import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as JournalDatabase from "../../src/demo/JournalDatabase.ts"
import { Session } from "../../src/postgres/Session.ts"
import * as Clusters from "../support/Clusters.ts"
import { snapshot } from "../support/Snapshot.ts"
import { ofRun } from "../support/Tier.ts"

/** A new database with the sample in it, made by a role that may only create in schema public. */
const journal = Effect.fnUntraced(function* (major: Clusters.Major, events: number, by?: Clusters.Role) {
  const role = by ?? (yield* Clusters.makeRole(major))
  const admin = yield* Clusters.makeDatabase(major)
  yield* Clusters.query(admin, `GRANT CREATE ON SCHEMA public TO ${role.name}`)
  yield* JournalDatabase.create({ events }).pipe(Effect.provide(Session.layer(Clusters.as(admin, role))))
  return admin
})

const tables =
  "AuthIdentity CollectorRun ConnectedAccount Cursor Day DayEvent EmailBookmarkSettings Event EventEnrichment Goal " +
  "GoogleTimelineSettings JournalEntry JournalLog OAuthToken TrelloSettings User UserEmailDelivery _prisma_migrations"

describe.each(ofRun(Clusters.majors, [Clusters.sourceMajor]))("JournalDatabase on PostgreSQL %i", (major) => {
  it.live("has the shape of a Prisma database", () =>
    Effect.gen(function* () {
      const url = yield* journal(major, 100)
      const names = yield* Clusters.query<{ relname: string }>(
        url,
        `SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY relname COLLATE "C"`
      )
      assert.strictEqual(names.map((_) => _.relname).join(" "), tables)
      const [counts] = yield* Clusters.query(
        url,
        `SELECT
           (SELECT count(*)::int FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
            WHERE c.relnamespace = 'public'::regnamespace AND NOT indisprimary) >= 24 AS indexes,
           (SELECT count(*)::int FROM pg_views WHERE schemaname = 'public') AS views,
           (SELECT count(*)::int FROM pg_trigger WHERE NOT tgisinternal) AS triggers,
           (SELECT count(*)::int FROM pg_sequences WHERE last_value > 1) AS sequences,
           (SELECT count(*)::int FROM pg_largeobject_metadata) AS "largeObjects",
           (SELECT count(*)::int FROM "JournalEntry" e JOIN pg_largeobject_metadata m ON m.oid = e.attachment) AS attached,
           (SELECT string_agg(DISTINCT confdeltype::text, '') FROM pg_constraint WHERE contype = 'f') AS "onDelete",
           (SELECT string_agg(DISTINCT confupdtype::text, '') FROM pg_constraint WHERE contype = 'f') AS "onUpdate"`
      )
      assert.deepStrictEqual(counts, {
        indexes: true,
        views: 1,
        triggers: 2,
        sequences: 7,
        largeObjects: 2,
        attached: 2,
        onDelete: "cnr",
        onUpdate: "c"
      })
    })
  )

  it.live("holds the texts that dumps trip over", () =>
    Effect.gen(function* () {
      const url = yield* journal(major, 100)
      const rows = yield* Clusters.query<{ title: string | null }>(url, `SELECT DISTINCT title FROM "Event"`)
      assert.sameMembers(
        rows.map((_) => _.title),
        [
          "plain",
          `it's "quoted"`,
          "two\nlines\r\n",
          "a\ttab",
          "C:\\temp\\new",
          "\\.",
          "before\n\\.\nafter",
          "Zürich, 日本語, 🚲",
          "",
          null,
          "\\N",
          "trailing backslash \\",
          "$$ ; -- /* no comment */"
        ]
      )
    })
  )

  it.live("is the same every time, and the snapshot sees a single changed value", () =>
    Effect.gen(function* () {
      const role = yield* Clusters.makeRole(major)
      const one = yield* journal(major, 300, role)
      const two = yield* journal(major, 300, role)
      const before = yield* snapshot(one)
      assert.strictEqual(yield* snapshot(two), before)
      yield* Clusters.query(
        two,
        `SELECT lo_put(attachment, 0, 'x') FROM "JournalEntry" WHERE attachment IS NOT NULL LIMIT 1`
      )
      assert.notStrictEqual(yield* snapshot(two), before)
      yield* Clusters.query(one, `UPDATE "Goal" SET title = title || '!' WHERE id = 1`)
      assert.notStrictEqual(yield* snapshot(one), before)
    })
  )

  it.live("the trigger keeps updatedAt, RESTRICT and CASCADE hold", () =>
    Effect.gen(function* () {
      const url = yield* journal(major, 100)
      const touched = yield* Clusters.query(
        url,
        `UPDATE "JournalEntry" SET mood = 1 WHERE "updatedAt" < timestamp '2025-01-01';
         SELECT 1 FROM "JournalEntry" WHERE "updatedAt" < timestamp '2025-01-01'`
      )
      assert.deepStrictEqual(touched, [])
      const refused = yield* Effect.flip(Clusters.query(url, `DELETE FROM "User"`))
      assert.include(["23503", "23001"], refused.sqlstate)
      const left = yield* Clusters.query(
        url,
        `DELETE FROM "DayEvent"; DELETE FROM "Event"; SELECT 1 FROM "EventEnrichment"`
      )
      assert.deepStrictEqual(left, [])
    })
  )

  it.live("grows with the number of events", () =>
    Effect.gen(function* () {
      const sizes = (url: Effect.Success<ReturnType<typeof journal>>) =>
        Clusters.query(
          url,
          `SELECT (SELECT count(*)::int FROM "Event") AS events, (SELECT count(*)::int FROM "JournalEntry") AS entries,
             (SELECT count(*)::int FROM "User") AS users`
        )
      assert.deepStrictEqual(yield* sizes(yield* journal(major, 1)), [{ events: 1, entries: 2, users: 3 }])
      assert.deepStrictEqual(yield* sizes(yield* journal(major, 2000)), [{ events: 2000, entries: 400, users: 10 }])
    })
  )
})
