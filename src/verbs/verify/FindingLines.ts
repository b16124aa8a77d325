/** Findings in lines, grouped by kind; by itself, so that who only writes them does not load what finds them. */
import { isHindrance } from "../../postgres/Hindrance.ts"
import { listed } from "../../pipeline/Words.ts"
import type { Finding } from "../VerbError.ts"

/** How many findings of one kind are written out. */
const shown = 10

/** Findings by what was checked, in the order in which the checks came. */
export const byKind = (findings: ReadonlyArray<Finding>): ReadonlyMap<Finding["check"], ReadonlyArray<Finding>> => {
  const groups = new Map<Finding["check"], Array<Finding>>()
  for (const finding of findings) groups.set(finding.check, [...(groups.get(finding.check) ?? []), finding])
  return groups
}

/** Lines: of each kind a heading with its number and, indented, what was found; one that stands alone in one line. */
export const grouped = (findings: ReadonlyArray<Finding>): ReadonlyArray<string> =>
  [...byKind(findings)].flatMap(([check, group]) => {
    const lines = group.map(
      ({ object, expected, found }) =>
        `${object}: expected ${expected}, ${isHindrance(found) ? "and" : "found"} ${found}`
    )
    return lines.length === 1
      ? [`${check}: ${lines[0]}`]
      : [`${check} (${lines.length}):`, ...listed(lines, shown).map((line) => `  ${line}`)]
  })
