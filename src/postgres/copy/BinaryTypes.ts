/**
 * Types whose binary form means the same in every database.
 *
 * A binary value is what the type's send function writes, and some write OIDs, which mean something else elsewhere:
 * `regclass` and its like, `aclitem`, records (of their columns' types), arrays (of their elements' type). What others
 * have made, an extension say, may write anything.
 */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { DatabaseError } from "../DatabaseError.ts"
import { fromSqlError } from "../Sqlstate.ts"

/**
 * OIDs that are the same on every server: those of the source code, `pg_type.dat`. Not among them are tsquery (an empty
 * one, as the server writes it, is "malformed" to the server that reads it) and interval (infinity, known from 17 on, is
 * to a server before that one of 178,956,970 years, where it would refuse the word).
 */
const safe = new Map([
  [16, "bool"],
  [17, "bytea"],
  [19, "name"],
  [20, "int8"],
  [21, "int2"],
  [23, "int4"],
  [25, "text"],
  [114, "json"],
  [600, "point"],
  [601, "lseg"],
  [602, "path"],
  [603, "box"],
  [604, "polygon"],
  [628, "line"],
  [650, "cidr"],
  [700, "float4"],
  [701, "float8"],
  [718, "circle"],
  [774, "macaddr8"],
  [790, "money"],
  [829, "macaddr"],
  [869, "inet"],
  [1042, "bpchar"],
  [1043, "varchar"],
  [1082, "date"],
  [1083, "time"],
  [1114, "timestamp"],
  [1184, "timestamptz"],
  [1266, "timetz"],
  [1560, "bit"],
  [1562, "varbit"],
  [1700, "numeric"],
  [2950, "uuid"],
  [3220, "pg_lsn"],
  [3614, "tsvector"],
  [3802, "jsonb"]
])

/** Below it, and only there, a type has the same OID on every server (FirstGenbkiObjectId). */
const firstOwnOid = 10_000

/** A type, and the one that its values are made of: of a domain, an array, a range, a multirange. */
export interface TypeFacts {
  readonly oid: number
  /** `pg_type.typtype`, or `a` for an array of variable length. */
  readonly kind: string
  readonly of: number | null
}

/** Whether values of this type may be copied in binary form, as far as the facts go; unknown types may not. */
export const isSafe = (facts: ReadonlyMap<number, TypeFacts>, oid: number): boolean => {
  if (safe.has(oid)) return true
  const type = facts.get(oid)
  switch (type?.kind) {
    // Its label travels.
    case "e":
      return true
    case "d":
    case "m":
    case "r":
      return type.of !== null && isSafe(facts, type.of)
    // The element's OID travels with it, and is compared.
    case "a":
      return type.of !== null && type.of < firstOwnOid && isSafe(facts, type.of)
    default:
      return false
  }
}

/** The types of all columns of people's tables, and those that they are made of. */
export const read = Effect.fn("BinaryTypes.read")(function* (): Effect.fn.Return<
  ReadonlyMap<number, TypeFacts>,
  DatabaseError,
  SqlClient.SqlClient
> {
  const sql = yield* SqlClient.SqlClient
  // to_jsonb: multiranges have their column since 14.
  const rows = yield* sql<TypeFacts>`
    with recursive type as (
      select t.oid, case when e.typarray = t.oid then 'a' else t.typtype::text end as kind,
        case
          when t.typtype = 'd' then t.typbasetype
          when t.typtype = 'r' then (select r.rngsubtype from pg_range r where r.rngtypid = t.oid)
          when t.typtype = 'm' then
            (select r.rngtypid from pg_range r where (to_jsonb(r) ->> 'rngmultitypid')::oid = t.oid)
          when e.typarray = t.oid then t.typelem
        end as "of"
      from pg_type t left join pg_type e on e.oid = t.typelem
    ), reached as (
      select type.* from type
      where type.oid in (
        select a.atttypid from pg_attribute a join pg_class c on c.oid = a.attrelid
        where c.relkind = 'r' and a.attnum > 0 and not a.attisdropped)
      union
      select type.* from reached join type on type.oid = reached."of"
    )
    select oid::int8::float8 as "oid", kind, "of"::int8::float8 as "of" from reached`.pipe(
    Effect.mapError(fromSqlError)
  )
  return new Map(rows.map((row) => [row.oid, row]))
})
