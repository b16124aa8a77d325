/**
 * Names of dumps: `db_dump_2026-03-07T09-05-00-042Z.sql`, `.sql.gz` or `.sql.zst`, the moment in UTC; of a folder
 * `db_dump_2026-03-07T09-05-00-042Z`.
 */
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import { endings, type Method, methods } from "./Compression.ts"

const pattern = /^db_dump_(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)-(\d\d)-(\d{3})Z(\.sql(\.\w+)?)?$/

/** The name of a directory dump made at this moment. Names sort as the moments do. */
export const folder = (at: DateTime.DateTime): string =>
  `db_dump_${DateTime.formatIso(DateTime.toUtc(at)).replace(/[:.]/g, "-")}`

/** The file name of a dump made at this moment. */
export const format = (at: DateTime.DateTime, packed: Method = "none"): string => `${folder(at)}.sql${endings[packed]}`

/** The moment in the name of a file or folder; none for what is no dump (manifests, partial files, others). */
export const parse = (name: string): Option.Option<DateTime.Utc> => {
  const [, day, hour, minute, second, milli, , ending = ""] = pattern.exec(name) ?? []
  const packed = methods.find((method) => endings[method] === ending)
  if (day === undefined || packed === undefined) return Option.none()
  const at = DateTime.make(`${day}T${hour}:${minute}:${second}.${milli}Z`)
  // 31 February rolls over to March: such a name was not made here.
  return Option.flatMap(at, (moment) =>
    [folder(moment), format(moment, packed)].includes(name) ? Option.some(DateTime.toUtc(moment)) : Option.none()
  )
}

const manifestEnding = ".manifest.json"

/** The manifest's name beside a dump that is a file. */
export const manifestOf = (file: string): string => `${file}${manifestEnding}`

/** The dump's name beside a manifest. */
export const dumpOf = (manifest: string): string => manifest.slice(0, -manifestEnding.length)
