/** A plan as text for people. */
import { destructive, type Plan } from "../../pipeline/Plan.ts"
import * as RenderStakes from "../warning/RenderStakes.ts"
import { clip, hang } from "../output/Text.ts"
import { plural } from "../../pipeline/Words.ts"

/** Lines of SQL that a row shows, and columns of any line: a statement may name thousands of tables. */
const shownLines = 8
const width = 240

const all = "(all of it with --json)"

const sqlLines = (sql: string): ReadonlyArray<string> => {
  const lines = sql.split("\n").map((line) => clip(line, width, all))
  return lines.length <= shownLines
    ? lines
    : [...lines.slice(0, shownLines), `… ${plural(lines.length - shownLines, "more line")} ${all}`]
}

/** @param database `user@host:port/database` */
export const renderPlan = (plan: Plan, database: string): string => {
  const consisting = new Set(plan.tasks.map(({ within }) => within))
  const rows = plan.tasks.flatMap((task) =>
    task.rows.length === 0 && !consisting.has(task.name)
      ? []
      : [
          `${task.title}`,
          ...task.rows.flatMap((row) => [
            hang(row.destroys ? "  ! " : "  - ", clip(row.what, width, all)),
            ...(row.why === undefined ? [] : [hang("      because ", row.why)]),
            ...(row.argv === undefined ? [] : [`      $ ${row.argv.join(" ")}`]),
            ...(row.sql === undefined ? [] : sqlLines(row.sql).map((line) => hang("      ", line)))
          ])
        ]
  )
  const destroys = destructive(plan).length
  return [
    `Plan of ${plan.pipeline} (dry run: nothing was changed)`,
    `  database   ${database}`,
    hang("  scope      ", plan.scope.length === 0 ? "nothing" : plan.scope.join(", ")),
    ...(plan.stakes === undefined ? [] : RenderStakes.lines(plan.stakes).map(({ text }) => text)),
    "",
    ...rows,
    "",
    destroys === 0
      ? "Nothing in it destroys data."
      : `${plural(destroys, "step")} marked ! ${destroys === 1 ? "destroys" : "destroy"} data.`
  ].join("\n")
}
