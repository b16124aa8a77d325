/**
 * The sample database of the demo and the tests: a personal journal that collects events, as a Prisma app keeps it.
 *
 * Needs CREATE on schema public and nothing more. Rows come from their own numbers, so the same size gives the same
 * rows everywhere; only the OIDs of the two large objects are the server's choice.
 */
import * as Effect from "effect/Effect"
import type { DatabaseError } from "../postgres/DatabaseError.ts"
import { Session } from "../postgres/Session.ts"
import { inPublic, schemaSql } from "./JournalSchema.ts"

export { schemaSql } from "./JournalSchema.ts"

/** How large the sample is. */
export interface Options {
  /** Rows of `Event`; the other tables grow with it. At least 1. */
  readonly events: number
}

/** What the demo takes. */
export const defaultEvents = 2000

/** A key that looks like Prisma's cuid, from a row's number. */
const cuid = (kind: string, number: string) => `('c' || substr(md5('${kind}' || (${number})), 1, 24))`

/** Texts that a dump may trip over: quotes, line ends, tabs, backslashes, the end-of-data mark, null beside empty. */
const texts = String.raw`(ARRAY['plain', 'it''s "quoted"', E'two\nlines\r\n', E'a\ttab', E'C:\\temp\\new', E'\\.',
  E'before\n\\.\nafter', 'Zürich, 日本語, 🚲', '', NULL, '\N', E'trailing backslash \\',
  '$$ ; -- /* no comment */'])`
const textCount = 13

const text = (number: string) => `${texts}[1 + (${number}) % ${textCount}]`

/** A moment that depends on the row's number alone. */
const at = (number: string, step: string) => `(timestamp '2024-01-01 06:30:00.125' + (${number}) * interval '${step}')`

/** Rows numbered i, from 0. */
const from = (count: number) => `FROM generate_series(0, ${count - 1}) AS i;\n`

/**
 * Fills the tables of {@link schemaSql}, to be run as one string.
 *
 * For 2,000 events: 10 users, 1,000 enrichments, 400 journal entries, 200 days, 1,000 log lines.
 */
export const dataSql = ({ events }: Options): string => {
  const users = Math.max(3, Math.ceil(events / 200))
  const entries = Math.max(2, Math.ceil(events / 5))
  const days = Math.max(1, Math.ceil(events / 10))
  const user = (number: string) => cuid("user", `(${number}) % ${users}`)
  const account = (number: string) => cuid("account", `(${number}) % ${users * 2}`)
  return `${inPublic}
INSERT INTO "User" ("id", "email", "displayName", "isActive", "createdAt", "updatedAt")
  SELECT ${user("i")}, 'user' || i || '@example.org', ${text("i")}, i % 5 <> 0,
    ${at("i", "1 day")}, ${at("i", "2 days")}
  ${from(users)}
INSERT INTO "AuthIdentity" ("id", "userId", "provider", "subject", "createdAt")
  SELECT ${cuid("identity", "i")}, ${user("i")}, (enum_range(NULL::"Provider"))[1 + i % 4], 'subject-' || i,
    ${at("i", "1 day")}
  ${from(users + 2)}
INSERT INTO "ConnectedAccount" ("id", "userId", "provider", "label", "scopes", "createdAt")
  SELECT ${account("i")}, ${user("i")}, (enum_range(NULL::"Provider"))[1 + i / ${users}], coalesce(${text("i")}, ''),
    CASE i % 3 WHEN 0 THEN ARRAY['read', 'write:"all"', 'a,b'] WHEN 1 THEN ARRAY[NULL, ''] END, ${at("i", "1 day")}
  ${from(users * 2)}
INSERT INTO "OAuthToken" ("connectedAccountId", "cipher", "expiresAt")
  SELECT ${account("i")}, '\\x00ff0a5c27'::bytea || decode(md5(i::text), 'hex'),
    CASE WHEN i % 2 = 0 THEN ${at("i", "1 hour")} AT TIME ZONE 'UTC' END
  ${from(users * 2)}
INSERT INTO "Event"
  ("id", "userId", "connectedAccountId", "kind", "title", "amount", "latitude", "tags", "occurredAt", "raw")
  SELECT ${cuid("event", "i")}, ${user("i")}, CASE WHEN i % 7 <> 0 THEN ${account("i")} END,
    (enum_range(NULL::"EventKind"))[1 + i % 4], ${text("i")},
    CASE WHEN i % 11 <> 0 THEN ((i * 7919) % 200001 - 100000) / 100.0 END, i * 0.137 - 90,
    ARRAY['tag' || i % 17, ${text("i")}], ${at("i", "17 minutes")},
    jsonb_build_object('n', i, 'text', ${text("i")}, 'nested', jsonb_build_array(i % 3, NULL, -0.5))
  ${from(events)}
INSERT INTO "EventEnrichment" ("eventId", "model", "score", "result", "vector")
  SELECT ${cuid("event", "i * 2")}, 'model-' || i % 3, ((i * 31) % 2001 - 1000) / 3.0,
    CASE i % 4 WHEN 0 THEN NULL WHEN 1 THEN 'null' ELSE jsonb_build_object('label', ${text("i")}) END,
    ARRAY[i, -i, NULL]
  ${from(Math.ceil(events / 2))}
INSERT INTO "Cursor" ("connectedAccountId", "name", "position")
  SELECT ${account("i")}, 'main', 9007199254740993 + i ${from(users * 2)}
INSERT INTO "CollectorRun" ("connectedAccountId", "status", "startedAt", "duration", "error")
  SELECT CASE WHEN i % 3 <> 0 THEN ${account("i")} END, (enum_range(NULL::"RunStatus"))[1 + i % 3],
    ${at("i", "3 hours")}, i * interval '1.5 seconds', CASE WHEN i % 3 = 2 THEN coalesce(${text("i")}, 'none') END
  ${from(Math.ceil(events / 20))}
INSERT INTO "JournalEntry" ("id", "userId", "body", "mood", "attachment", "createdAt", "updatedAt")
  SELECT ${cuid("entry", "i")}, ${user("i")}, repeat(coalesce(${text("i")}, 'none') || ' ', 1 + i % 20), i % 11 - 5,
    CASE WHEN i < 2 THEN lo_from_bytea(0, decode(repeat(md5('attachment' || i), 100 + 200 * i), 'hex')) END,
    ${at("i", "5 hours")}, ${at("i", "6 hours")}
  ${from(entries)}
INSERT INTO "JournalLog" ("journalEntryId", "line", "at")
  SELECT CASE WHEN i % 4 <> 0 THEN ${cuid("entry", `i % ${entries}`)} END, coalesce(${text("i")}, 'none'),
    ${at("i", "11 minutes")} AT TIME ZONE 'UTC'
  ${from(Math.ceil(events / 2))}
INSERT INTO "Goal" ("userId", "title", "state", "target", "updatedAt")
  SELECT ${user("i")}, 'Goal ' || i, (enum_range(NULL::"GoalState"))[1 + i % 3], i * 12.345 - 100, ${at("i", "1 day")}
  ${from(users * 3)}
UPDATE "User" u SET "currentGoalId" = (SELECT min(g."id") FROM "Goal" g WHERE g."userId" = u."id") WHERE u."isActive";
INSERT INTO "Day" ("userId", "date", "summary")
  SELECT ${user("i")}, date '2024-01-01' + i, ${text("i")} ${from(days)}
INSERT INTO "DayEvent" ("dayId", "eventId", "position")
  SELECT 1 + i % ${days}, ${cuid("event", "i")}, i / ${days} ${from(events)}
INSERT INTO "EmailBookmarkSettings" ("userId", "address")
  SELECT ${user("i")}, 'bookmarks+' || i || '@example.org' ${from(users)}
INSERT INTO "GoogleTimelineSettings" ("userId", "isEnabled", "home")
  SELECT ${user("i")}, i % 2 = 0, CASE WHEN i % 3 <> 0 THEN '{"lat": 47.37, "lon": -8.54}'::jsonb END ${from(users)}
INSERT INTO "TrelloSettings" ("userId", "boards")
  SELECT ${user("i")}, jsonb_build_array('board ' || i, i) ${from(users)}
INSERT INTO "UserEmailDelivery" ("userId", "subject", "isSent", "sentAt")
  SELECT ${user("i")}, 'Your week ' || i, i % 4 <> 0, CASE WHEN i % 4 <> 0 THEN ${at("i", "7 days")} END
  ${from(users * 8)}
INSERT INTO "_prisma_migrations"
  ("id", "checksum", "finished_at", "migration_name", "started_at", "applied_steps_count")
  SELECT md5('migration' || i)::uuid, md5('a' || i) || md5('b' || i), ${at("i", "30 days")} AT TIME ZONE 'UTC',
    to_char(${at("i", "30 days")}, 'YYYYMMDDHH24MISS') || '_' || (ARRAY['init', 'goals', 'email_delivery'])[1 + i],
    ${at("i", "30 days")} AT TIME ZONE 'UTC', 1
  ${from(3)}`
}

/** Creates the sample database in schema public of the session's database, as the session's role. */
export const create = Effect.fn("JournalDatabase.create")(function* (
  options: Options = { events: defaultEvents }
): Effect.fn.Return<void, DatabaseError, Session> {
  const session = yield* Session
  yield* session.execute(schemaSql)
  yield* session.execute(dataSql(options))
})
