/**
 * Tables of the sample journal app, in the words that Prisma Migrate writes: mixed-case names, enums, cuid and serial
 * keys, `timestamp(3)`, foreign keys that cascade, restrict or set null.
 *
 * `User` and `Goal` point at each other on purpose: such a pair can be dropped and restored only as one.
 */

const enums = `
CREATE TYPE "Provider" AS ENUM ('GOOGLE', 'TRELLO', 'EMAIL', 'in-house');
CREATE TYPE "EventKind" AS ENUM ('VISIT', 'CARD', 'BOOKMARK', 'NOTE');
CREATE TYPE "RunStatus" AS ENUM ('RUNNING', 'DONE', 'FAILED');
CREATE TYPE "GoalState" AS ENUM ('OPEN', 'REACHED', 'GIVEN_UP');
`

const accounts = `
CREATE TABLE "User" (
  "id" TEXT NOT NULL,
  "email" TEXT NOT NULL,
  "displayName" TEXT,
  "isActive" BOOLEAN NOT NULL DEFAULT true,
  "currentGoalId" INTEGER,
  "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  "updatedAt" TIMESTAMP(3) NOT NULL,
  CONSTRAINT "User_pkey" PRIMARY KEY ("id")
);
CREATE TABLE "AuthIdentity" (
  "id" TEXT NOT NULL,
  "userId" TEXT NOT NULL,
  "provider" "Provider" NOT NULL,
  "subject" TEXT NOT NULL,
  "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT "AuthIdentity_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "AuthIdentity_provider_subject_key" UNIQUE ("provider", "subject")
);
CREATE TABLE "ConnectedAccount" (
  "id" TEXT NOT NULL,
  "userId" TEXT NOT NULL,
  "provider" "Provider" NOT NULL,
  "label" TEXT NOT NULL DEFAULT '',
  "scopes" TEXT[] DEFAULT ARRAY[]::TEXT[],
  "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT "ConnectedAccount_pkey" PRIMARY KEY ("id")
);
CREATE TABLE "OAuthToken" (
  "id" SERIAL NOT NULL,
  "connectedAccountId" TEXT NOT NULL,
  "cipher" BYTEA NOT NULL,
  "expiresAt" TIMESTAMPTZ(6),
  CONSTRAINT "OAuthToken_pkey" PRIMARY KEY ("id")
);
`

const collected = `
CREATE TABLE "Event" (
  "id" TEXT NOT NULL,
  "userId" TEXT NOT NULL,
  "connectedAccountId" TEXT,
  "kind" "EventKind" NOT NULL DEFAULT 'NOTE',
  "title" TEXT,
  "amount" NUMERIC(12, 2),
  "latitude" DOUBLE PRECISION,
  "tags" TEXT[],
  "occurredAt" TIMESTAMP(3) NOT NULL,
  "raw" JSONB NOT NULL DEFAULT '{}',
  CONSTRAINT "Event_pkey" PRIMARY KEY ("id")
);
CREATE TABLE "EventEnrichment" (
  "eventId" TEXT NOT NULL,
  "model" VARCHAR(40) NOT NULL,
  "score" NUMERIC NOT NULL,
  "result" JSONB,
  "vector" INTEGER[] NOT NULL,
  CONSTRAINT "EventEnrichment_pkey" PRIMARY KEY ("eventId"),
  CONSTRAINT "EventEnrichment_score_check" CHECK ("score" BETWEEN -1000 AND 1000)
);
CREATE TABLE "Cursor" (
  "id" SERIAL NOT NULL,
  "connectedAccountId" TEXT NOT NULL,
  "name" TEXT NOT NULL,
  "position" BIGINT NOT NULL DEFAULT 0,
  CONSTRAINT "Cursor_pkey" PRIMARY KEY ("id")
);
CREATE TABLE "CollectorRun" (
  "id" BIGSERIAL NOT NULL,
  "connectedAccountId" TEXT,
  "status" "RunStatus" NOT NULL DEFAULT 'RUNNING',
  "startedAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  "duration" INTERVAL,
  "error" TEXT,
  CONSTRAINT "CollectorRun_pkey" PRIMARY KEY ("id")
);
`

const journal = `
CREATE TABLE "JournalEntry" (
  "id" TEXT NOT NULL,
  "userId" TEXT NOT NULL,
  "body" TEXT NOT NULL,
  "mood" SMALLINT,
  "attachment" OID,
  "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  "updatedAt" TIMESTAMP(3) NOT NULL,
  CONSTRAINT "JournalEntry_pkey" PRIMARY KEY ("id")
);
CREATE TABLE "JournalLog" (
  "id" BIGSERIAL NOT NULL,
  "journalEntryId" TEXT,
  "line" TEXT NOT NULL,
  "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT "JournalLog_pkey" PRIMARY KEY ("id")
);
CREATE TABLE "Goal" (
  "id" SERIAL NOT NULL,
  "userId" TEXT NOT NULL,
  "title" TEXT NOT NULL,
  "state" "GoalState" NOT NULL DEFAULT 'OPEN',
  "target" NUMERIC(10, 3),
  "updatedAt" TIMESTAMP(3) NOT NULL,
  CONSTRAINT "Goal_pkey" PRIMARY KEY ("id")
);
CREATE TABLE "Day" (
  "id" SERIAL NOT NULL,
  "userId" TEXT NOT NULL,
  "date" DATE NOT NULL,
  "summary" TEXT,
  CONSTRAINT "Day_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "Day_userId_date_key" UNIQUE ("userId", "date")
);
CREATE TABLE "DayEvent" (
  "dayId" INTEGER NOT NULL,
  "eventId" TEXT NOT NULL,
  "position" INTEGER NOT NULL,
  CONSTRAINT "DayEvent_pkey" PRIMARY KEY ("dayId", "eventId")
);
`

const settings = `
CREATE TABLE "EmailBookmarkSettings" (
  "userId" TEXT NOT NULL,
  "address" TEXT NOT NULL,
  "folders" TEXT[] NOT NULL DEFAULT ARRAY['INBOX']::TEXT[],
  CONSTRAINT "EmailBookmarkSettings_pkey" PRIMARY KEY ("userId")
);
CREATE TABLE "GoogleTimelineSettings" (
  "userId" TEXT NOT NULL,
  "isEnabled" BOOLEAN NOT NULL DEFAULT false,
  "home" JSONB,
  CONSTRAINT "GoogleTimelineSettings_pkey" PRIMARY KEY ("userId")
);
CREATE TABLE "TrelloSettings" (
  "userId" TEXT NOT NULL,
  "boards" JSONB NOT NULL DEFAULT '[]',
  "syncedAt" TIMESTAMP(3),
  CONSTRAINT "TrelloSettings_pkey" PRIMARY KEY ("userId")
);
CREATE TABLE "UserEmailDelivery" (
  "id" BIGSERIAL NOT NULL,
  "userId" TEXT NOT NULL,
  "subject" TEXT NOT NULL,
  "isSent" BOOLEAN NOT NULL DEFAULT false,
  "sentAt" TIMESTAMP(3),
  CONSTRAINT "UserEmailDelivery_pkey" PRIMARY KEY ("id")
);
CREATE TABLE "_prisma_migrations" (
  "id" VARCHAR(36) PRIMARY KEY NOT NULL,
  "checksum" VARCHAR(64) NOT NULL,
  "finished_at" TIMESTAMPTZ,
  "migration_name" VARCHAR(255) NOT NULL,
  "logs" TEXT,
  "rolled_back_at" TIMESTAMPTZ,
  "started_at" TIMESTAMPTZ NOT NULL DEFAULT now(),
  "applied_steps_count" INTEGER NOT NULL DEFAULT 0
);
`

const indexes = `
CREATE UNIQUE INDEX "User_email_key" ON "User"("email");
CREATE INDEX "User_email_lower_idx" ON "User"(lower("email"));
CREATE INDEX "User_createdAt_idx" ON "User"("createdAt" DESC);
CREATE INDEX "AuthIdentity_userId_idx" ON "AuthIdentity"("userId");
CREATE UNIQUE INDEX "ConnectedAccount_userId_provider_key" ON "ConnectedAccount"("userId", "provider");
CREATE UNIQUE INDEX "OAuthToken_connectedAccountId_key" ON "OAuthToken"("connectedAccountId");
CREATE INDEX "OAuthToken_expiresAt_idx" ON "OAuthToken"("expiresAt") WHERE "expiresAt" IS NOT NULL;
CREATE INDEX "Event_userId_occurredAt_idx" ON "Event"("userId", "occurredAt" DESC);
CREATE INDEX "Event_connectedAccountId_idx" ON "Event"("connectedAccountId");
CREATE INDEX "Event_kind_idx" ON "Event"("kind");
CREATE INDEX "Event_raw_idx" ON "Event" USING GIN ("raw" jsonb_path_ops);
CREATE INDEX "Event_tags_idx" ON "Event" USING GIN ("tags");
CREATE INDEX "Event_occurredAt_idx" ON "Event" USING BRIN ("occurredAt");
CREATE INDEX "EventEnrichment_model_score_idx" ON "EventEnrichment"("model", "score" DESC NULLS LAST);
CREATE UNIQUE INDEX "Cursor_connectedAccountId_name_key" ON "Cursor"("connectedAccountId", "name");
CREATE INDEX "CollectorRun_status_startedAt_idx" ON "CollectorRun"("status", "startedAt");
CREATE INDEX "CollectorRun_failed_idx" ON "CollectorRun"("startedAt") WHERE "status" = 'FAILED';
CREATE INDEX "JournalEntry_userId_createdAt_idx" ON "JournalEntry"("userId", "createdAt");
CREATE INDEX "JournalEntry_body_idx" ON "JournalEntry" USING HASH ("body");
CREATE INDEX "JournalLog_journalEntryId_idx" ON "JournalLog"("journalEntryId");
CREATE INDEX "JournalLog_at_idx" ON "JournalLog"("at") INCLUDE ("id");
CREATE INDEX "Goal_userId_state_idx" ON "Goal"("userId", "state");
CREATE INDEX "Day_date_idx" ON "Day"("date");
CREATE INDEX "DayEvent_eventId_idx" ON "DayEvent"("eventId");
CREATE UNIQUE INDEX "DayEvent_dayId_position_key" ON "DayEvent"("dayId", "position");
CREATE UNIQUE INDEX "EmailBookmarkSettings_address_key" ON "EmailBookmarkSettings"("address");
CREATE INDEX "UserEmailDelivery_userId_isSent_idx" ON "UserEmailDelivery"("userId", "isSent");
`

/** Child table, column, parent table, what a DELETE of the parent does. */
const references = [
  ["User", "currentGoalId", "Goal", "SET NULL"],
  ["AuthIdentity", "userId", "User", "CASCADE"],
  ["ConnectedAccount", "userId", "User", "CASCADE"],
  ["OAuthToken", "connectedAccountId", "ConnectedAccount", "CASCADE"],
  ["Event", "userId", "User", "RESTRICT"],
  ["Event", "connectedAccountId", "ConnectedAccount", "SET NULL"],
  ["EventEnrichment", "eventId", "Event", "CASCADE"],
  ["Cursor", "connectedAccountId", "ConnectedAccount", "CASCADE"],
  ["CollectorRun", "connectedAccountId", "ConnectedAccount", "SET NULL"],
  ["JournalEntry", "userId", "User", "RESTRICT"],
  ["JournalLog", "journalEntryId", "JournalEntry", "SET NULL"],
  ["Goal", "userId", "User", "RESTRICT"],
  ["Day", "userId", "User", "CASCADE"],
  ["DayEvent", "dayId", "Day", "CASCADE"],
  ["DayEvent", "eventId", "Event", "RESTRICT"],
  ["EmailBookmarkSettings", "userId", "User", "CASCADE"],
  ["GoogleTimelineSettings", "userId", "User", "CASCADE"],
  ["TrelloSettings", "userId", "User", "CASCADE"],
  ["UserEmailDelivery", "userId", "User", "CASCADE"]
] as const

const foreignKeys = references
  .map(
    ([table, column, parent, onDelete]) =>
      `ALTER TABLE "${table}" ADD CONSTRAINT "${table}_${column}_fkey" FOREIGN KEY ("${column}") ` +
      `REFERENCES "${parent}"("id") ON DELETE ${onDelete} ON UPDATE CASCADE;\n`
  )
  .join("")

const programs = `
CREATE VIEW "DayOverview" AS
  SELECT d."userId", d."date", count(e."id") AS "events", sum(e."amount") AS "amount"
  FROM "Day" d
  LEFT JOIN "DayEvent" de ON de."dayId" = d."id"
  LEFT JOIN "Event" e ON e."id" = de."eventId"
  GROUP BY d."userId", d."date";
COMMENT ON VIEW "DayOverview" IS 'One row a day: how much happened';

CREATE FUNCTION "touchUpdatedAt"() RETURNS trigger LANGUAGE plpgsql AS $touch$
BEGIN
  NEW."updatedAt" := CURRENT_TIMESTAMP(3);
  RETURN NEW;
END;
$touch$;
CREATE TRIGGER "JournalEntry_updatedAt" BEFORE UPDATE ON "JournalEntry"
  FOR EACH ROW EXECUTE FUNCTION "touchUpdatedAt"();
CREATE TRIGGER "Goal_updatedAt" BEFORE UPDATE ON "Goal"
  FOR EACH ROW EXECUTE FUNCTION "touchUpdatedAt"();
`

/** Puts what follows in the same string into schema public, whatever the role's own search_path is. */
export const inPublic = `SET LOCAL search_path = public;\n`

/** Every CREATE of the sample database, to be run as one string (the simple protocol makes it one transaction). */
export const schemaSql: string =
  inPublic + enums + accounts + collected + journal + settings + indexes + foreignKeys + programs
