/** A plan as text for people. */
import { destructive, type Plan } from "../pipeline/Plan.ts"
import * as Units from "./Units.ts"

/** Lines of SQL that a row shows. */
const shownLines = 8

const sqlLines = (sql: string): ReadonlyArray<string> => {
  const lines = sql.split("\n")
  return lines.length <= shownLines
    ? lines
    : [
        ...lines.slice(0, shownLines),
        `… ${Units.plural(lines.length - shownLines, "more line")} (all of it with --json)`
      ]
}

export const renderPlan = (plan: Plan): string => {
  const rows = plan.tasks.flatMap((task) =>
    task.rows.length === 0
      ? []
      : [
          `${task.title}`,
          ...task.rows.flatMap((row) => [
            `  ${row.destroys ? "!" : "-"} ${row.what}`,
            ...(row.why === undefined ? [] : [`      because ${row.why}`]),
            ...(row.argv === undefined ? [] : [`      $ ${row.argv.join(" ")}`]),
            ...(row.sql === undefined ? [] : sqlLines(row.sql).map((line) => `      ${line}`))
          ])
        ]
  )
  const destroys = destructive(plan).length
  return [
    `Plan of ${plan.pipeline} (dry run: nothing was changed)`,
    "",
    ...rows,
    "",
    destroys === 0
      ? "Nothing in it destroys data."
      : `${Units.plural(destroys, "step")} marked ! ${destroys === 1 ? "destroys" : "destroy"} data.`
  ].join("\n")
}
