/**
 * Membership of tables in publications and subscriptions: DROP TABLE takes a table out of them without a word, and
 * replication stops silently. So what goes is put back, or nothing goes.
 */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { DatabaseError } from "../../postgres/DatabaseError.ts"
import { qualified, quote } from "../../postgres/Identifier.ts"
import { objectKey } from "../../postgres/ObjectName.ts"
import type { SessionService } from "../../postgres/Session.ts"
import type { DatabaseObject } from "../../postgres/survey/DatabaseWide.ts"
import { type PublishedTable, readPublished } from "../../postgres/survey/Publications.ts"
import type { CatalogObject } from "../../postgres/survey/Objects.ts"
import type { Survey } from "../../postgres/survey/Survey.ts"
import { haveRun, wantsOf } from "../clean/Blocker.ts"
import type { Blocker } from "../VerbError.ts"

/** What becomes of the tables that go and are published. */
export interface Membership {
  /** The dump creates these again, and this role may publish them as before. */
  readonly back: ReadonlyArray<PublishedTable>
  /** These would be lost to their publications or subscriptions. */
  readonly blockers: ReadonlyArray<Blocker>
}

/** `table "public"."t" in publication "p"` */
export const describe = ({ schema, table, publication }: PublishedTable): string =>
  `table ${qualified(schema, table)} in publication ${quote(publication)}`

/**
 * Only `ALTER SUBSCRIPTION … REFRESH PUBLICATION` puts a table into a subscription. It asks the publisher and runs in no
 * transaction, so that no restore could take it back.
 */
const subscribed = (survey: Survey, going: (schema: string, table: string) => boolean): ReadonlyArray<Blocker> =>
  survey.subscribed
    .filter(({ schema, table }) => going(schema, table))
    .map(({ schema, table, subscription, owner }) => ({
      what: `subscription ${quote(subscription)}`,
      owner,
      why:
        `dropping the table ${qualified(schema, table)}, which it fills, would take it out of the subscription without a ` +
        "word, and no transaction can put it back",
      wants: wantsOf(owner, survey),
      remedy:
        `${haveRun(owner, survey)} DROP SUBSCRIPTION ${quote(subscription)} first, and create it again afterwards, WITH ` +
        "(copy_data = false) where the dump's rows are the publisher's."
    }))

/**
 * Decides by what goes and what comes.
 *
 * @param plan.going objects that are dropped
 * @param plan.replaced the database's own objects that the dump itself drops and creates: its publications are the dump's
 * @param plan.created keys of what the dump creates
 */
export const membership = (
  survey: Survey,
  plan: {
    readonly going: ReadonlyArray<CatalogObject>
    readonly replaced: ReadonlyArray<DatabaseObject>
    readonly created: ReadonlySet<string>
  }
): Membership => {
  const names = new Set(plan.going.map(({ schema, name }) => qualified(schema, name)))
  const going = (schema: string, table: string) => names.has(qualified(schema, table))
  const replaced = new Set(plan.replaced.map(objectKey))
  const concerned = survey.published.filter(
    ({ schema, table, publication }) =>
      going(schema, table) && !replaced.has(objectKey({ kind: "PUBLICATION", name: publication }))
  )
  const comesBack = ({ schema, table, owned }: PublishedTable) =>
    owned && plan.created.has(objectKey({ kind: "TABLE", schema, name: table }))
  return {
    back: concerned.filter(comesBack),
    blockers: [
      ...subscribed(survey, going),
      ...concerned
        .filter((one) => !comesBack(one))
        .map(({ schema, table, publication, owner, owned, restore }): Blocker => ({
          what: `publication ${quote(publication)}`,
          owner,
          why:
            `dropping the published table ${qualified(schema, table)} would take it out of the publication without a word` +
            (owned ? "" : ", and this role may not put it back"),
          wants: owned ? "choice" : "right",
          remedy:
            `${haveRun(owner, survey)} ALTER PUBLICATION ${quote(publication)} DROP TABLE ONLY ${qualified(schema, table)} first, ` +
            `and ${restore} afterwards.`
        }))
    ]
  }
}

/**
 * Publishes tables as they were, within the transaction that has created them again: what the dump itself has published
 * otherwise is set right. To be run before owners are given away.
 */
export const putBack = Effect.fn("Publishing.putBack")(function* (
  session: SessionService,
  survey: Survey,
  back: ReadonlyArray<PublishedTable>
): Effect.fn.Return<void, DatabaseError, SqlClient.SqlClient> {
  if (back.length === 0) return
  const schemas = [...new Set(back.map(({ schema }) => schema))]
  const now = new Map((yield* readPublished(schemas, survey.server.versionNumber)).map((one) => [describe(one), one]))
  for (const one of back) {
    const found = now.get(describe(one))
    if (found?.restore === one.restore) continue
    if (found !== undefined) {
      yield* session.execute(
        `ALTER PUBLICATION ${quote(one.publication)} DROP TABLE ONLY ${qualified(one.schema, one.table)}`
      )
    }
    yield* session.execute(one.restore)
  }
})
