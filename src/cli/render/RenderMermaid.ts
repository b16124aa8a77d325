/** A plan as a Mermaid flowchart: tasks as nodes, what they need as arrows. https://mermaid.js.org/syntax/flowchart.html */
import type { Plan, PlannedTask } from "../../pipeline/Plan.ts"
import { plural } from "../../pipeline/Words.ts"

/** Text inside quotes: what has a meaning to Mermaid or HTML, as character references. */
const escaped = (text: string): string => text.replaceAll(/["#&<>`{}\\\r\n]/g, (sign) => `#${sign.codePointAt(0)};`)

export const renderMermaid = (plan: Plan): string => {
  const ids = new Map(plan.tasks.map((task, index) => [`${task.within ?? ""}/${task.name}`, `t${index}`]))
  const idOf = (task: PlannedTask) => ids.get(`${task.within ?? ""}/${task.name}`)
  /** A need is a neighbour's name, or that of a task outside. */
  const needed = (task: PlannedTask, name: string) => ids.get(`${task.within ?? ""}/${name}`) ?? ids.get(`/${name}`)
  const parts = (task: PlannedTask) => plan.tasks.filter(({ within }) => within === task.name)
  const node = (task: PlannedTask): ReadonlyArray<string> => {
    const inner = parts(task)
    if (inner.length > 0) {
      return [
        `subgraph ${idOf(task)} ["${escaped(task.title)}"]`,
        ...inner.flatMap(node).map((line) => `  ${line}`),
        "end"
      ]
    }
    const steps = task.rows.length === 0 ? "" : `<br/>${plural(task.rows.length, "step")}`
    const destroys = task.rows.some((row) => row.destroys)
    return [`${idOf(task)}["${escaped(task.title)}${steps}"]${destroys ? ":::destroys" : ""}`]
  }
  return [
    "flowchart TD",
    ...plan.tasks.filter(({ within }) => within === undefined).flatMap((task) => node(task).map((line) => `  ${line}`)),
    ...plan.tasks.flatMap((task) =>
      task.needs.flatMap((name) => {
        const from = needed(task, name)
        return from === undefined ? [] : [`  ${from} --> ${idOf(task)}`]
      })
    ),
    "  classDef destroys stroke:#c00,stroke-width:3px"
  ].join("\n")
}
