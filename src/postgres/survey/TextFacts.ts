/** What the survey says of how the database keeps and orders text, against what a dump brings. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { DatabaseError } from "../DatabaseError.ts"
import { fromSqlError } from "../Sqlstate.ts"
import type { CollationName } from "../version/FeatureReader.ts"

/** Names as PostgreSQL has them. */
export interface TextFacts {
  /** Whether the server knows the encoding that was asked about. */
  readonly known: boolean
  /** Whether it can turn text in that encoding into the database's own. */
  readonly converts: boolean
  /** `datcollate` and `datctype`. */
  readonly collate: string
  readonly ctype: string
  /** `libc`; `icu` or `builtin` (15 and later), with the locale that it uses instead of the two above. */
  readonly provider: string
  readonly locale: string | null
  /** Those of the collations asked for that the database lacks, by their place in the list. */
  readonly lacking: ReadonlyArray<number>
}

/** In one query. An encoding that is empty is the database's own. */
export const readText = Effect.fn("TextFacts.read")(function* (
  encoding: string,
  collations: ReadonlyArray<CollationName>
): Effect.fn.Return<TextFacts, DatabaseError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const asked = JSON.stringify(collations.map(({ name, schema = null }, at) => ({ at, name, schema })))
  // SQL_ASCII on either side means that nothing is converted. to_jsonb: the provider has its column since 15, its locale
  // since 15 under one name and since 17 under another.
  const [facts] = yield* sql<TextFacts>`
    with dump as (select pg_char_to_encoding(coalesce(nullif(${encoding}::text, ''), getdatabaseencoding())) as encoding)
    select
      u.encoding >= 0 as "known",
      u.encoding = d.encoding or 0 in (u.encoding, d.encoding) or exists (
        select from pg_conversion c
        where c.condefault and c.conforencoding = u.encoding and c.contoencoding = d.encoding
      ) as "converts",
      d.datcollate::text as "collate",
      d.datctype::text as "ctype",
      case to_jsonb(d) ->> 'datlocprovider' when 'i' then 'icu' when 'b' then 'builtin' else 'libc' end as "provider",
      coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale') as "locale",
      array(
        select a.at from jsonb_to_recordset(${asked}::jsonb) a (at int4, schema text, name text)
        where not exists (
          select from pg_collation c join pg_namespace n on n.oid = c.collnamespace
          where c.collname = a.name and (a.schema is null or n.nspname = a.schema)
            and c.collencoding in (-1, d.encoding)
        )
        order by 1
      )::int4[] as "lacking"
    from pg_database d, dump u
    where d.datname = current_database()`.pipe(Effect.mapError(fromSqlError))
  if (facts === undefined) return yield* Effect.die(new Error("the server does not know its own database"))
  return facts
})
