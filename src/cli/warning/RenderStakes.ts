/** What is at stake, for people. */
import type { Connected, Stakes } from "../../pipeline/Stakes.ts"
import { listed, plural } from "../../pipeline/Words.ts"
import { hang } from "../output/Text.ts"
import * as Units from "../output/Units.ts"

/** Other sessions that are named. */
const named = 3

/** What goes: `about 12,345 rows in 18 tables (4.1 MB)`. Of a table that was never analyzed nobody knows the rows. */
export const amount = ({ bytes, exact, largeObjects, rows, tables, uncounted }: Stakes): string => {
  const known = `${exact ? "" : "about "}${plural(rows, "row")} in ${plural(tables - uncounted, "table")}`
  const unknown = `nobody knows how many rows in ${plural(uncounted, uncounted === tables ? "table" : "more table")}`
  const held = [...(uncounted === tables ? [] : [known]), ...(uncounted === 0 ? [] : [unknown])].join(", and ")
  return [
    ...(tables === 0 ? [] : [`${held}${bytes === 0 ? "" : ` (${Units.bytes(bytes)})`}`]),
    ...(largeObjects === 0 ? [] : [plural(largeObjects, "large object")])
  ].join(", and ")
}

/** `"psql" of journal_app from 10.0.0.3` */
const session = ({ application, client, pid, user }: Connected): string =>
  [
    application === null || application === "" ? `process ${pid}` : `"${application}"`,
    ...(user === null ? [] : [`of ${user}`]),
    ...(client === null ? [] : [`from ${client}`])
  ].join(" ")

const kept = ({ folder, kept = [] }: NonNullable<Stakes["wayBack"]>): string =>
  folder === undefined
    ? `kept as ${listed(kept, named).join(", ")} until the next restore`
    : `saved before into ${folder}`

export interface Line {
  readonly text: string
  /** It is one to be alarmed at. */
  readonly alarming: boolean
}

/** What goes, what leads back, and who is there. */
export const lines = (stakes: Stakes): ReadonlyArray<Line> => {
  const goes = amount(stakes)
  const { connected, wayBack } = stakes
  const there = plural(connected.length, "other session is", "other sessions are")
  return [
    ...(goes === "" ? [] : [{ text: hang("  goes       ", goes), alarming: false }]),
    wayBack === null
      ? {
          text: hang("  way back   ", "NONE: what goes is not saved before, and nothing brings it back"),
          alarming: true
        }
      : {
          text: hang("  way back   ", `${kept(wayBack)}: ${wayBack.command} brings it back`),
          alarming: false
        },
    ...(connected.length === 0
      ? []
      : [
          {
            text: hang("  in use     ", `${there} connected: ${listed(connected.map(session), named).join(", ")}`),
            alarming: false
          }
        ])
  ]
}
