/** Names of dump files: `db_dump_2026-03-07T09-05-00-042Z.sql`, the moment in UTC. */
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"

const pattern = /^db_dump_(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)-(\d\d)-(\d{3})Z\.sql$/

/** The file name of a dump made at this moment. Names sort as the moments do. */
export const format = (at: DateTime.DateTime): string =>
  `db_dump_${DateTime.formatIso(DateTime.toUtc(at)).replace(/[:.]/g, "-")}.sql`

/** The moment in a file name; none for files that are no dumps (manifests, partial files, others). */
export const parse = (name: string): Option.Option<DateTime.Utc> => {
  const [, day, hour, minute, second, milli] = pattern.exec(name) ?? []
  if (day === undefined) return Option.none()
  const at = DateTime.make(`${day}T${hour}:${minute}:${second}.${milli}Z`)
  // 31 February rolls over to March: such a name was not made here.
  return Option.flatMap(at, (moment) => (format(moment) === name ? Option.some(DateTime.toUtc(moment)) : Option.none()))
}

/** The manifest's name beside a dump. */
export const manifestOf = (file: string): string => `${file}.manifest.json`
