/** What doctor found, as a page. */
import * as DateTime from "effect/DateTime"
import type { Check, Group, Level, Report } from "../../verbs/Doctor.ts"
import { listed, plural } from "../../pipeline/Words.ts"
import { hang, visibleLine, width } from "../output/Text.ts"

const headings: Record<Group, string> = {
  machine: "This machine",
  url: "Database URL",
  connection: "Connection",
  server: "Server",
  dump: "To dump",
  restore: "To clean and restore"
}

/** What must not be overlooked is in capitals. */
const levels: Record<Level, string> = { ok: "ok", note: "note", problem: "PROBLEM" }

/** Lines of a list that the page shows. */
const shown = 4

const label = (level: string, title: string): string => `  ${level.padEnd(9)}${title.padEnd(12)}`

/** Below the text of a check; further left where a word, of a path or a URL, would not fit. */
const below = (title: string, text: string): string => {
  const indent = label("", title)
  return text.split(" ").some((word) => word.length > width() - indent.length)
    ? [...(title === "" ? [] : [indent.trimEnd()]), hang("    ", text)].join("\n")
    : hang(indent, text)
}

/** A statement in lines of at most `most` columns, broken nowhere within a name. */
const folded = (sql: string, most: number): ReadonlyArray<string> => {
  const lines: Array<string> = []
  for (const [word] of sql.matchAll(/(?:"(?:[^"]|"")*"|[^\s"])+/g)) {
    const line = lines.at(-1)
    if (line !== undefined && line.length + 1 + word.length <= most) lines[lines.length - 1] = `${line} ${word}`
    else lines.push(line === undefined ? word : `  ${word}`)
  }
  return lines
}

/** Whole or not at all: half a statement is of no use to anybody. */
const statements = (grants: Check["grants"] = []): ReadonlyArray<string> => {
  const each = grants.map(({ by, sql }, index) => [
    ...(grants[index - 1]?.by === by ? [] : [`-- as ${visibleLine(by)}, or a superuser:`]),
    ...folded(sql, width() - 4)
  ])
  const lengths = each.map((_, index) => each.slice(0, index + 1).flat().length)
  const fit = lengths.filter((length) => length <= shown * 3).length
  const left = each.length - fit
  const more = left === 0 ? [] : [`-- ${fit === 0 ? "" : "and "}${plural(left, "statement")} in pgark doctor --json`]
  return [...each.slice(0, fit).flat(), ...more].map((line) => `    ${line}`)
}

const lines = ({ detail = [], found, grants, level, mend, title }: Check): ReadonlyArray<string> => [
  hang(label(levels[level], title), found),
  ...listed(detail, shown).map((line) => below("", `- ${line}`)),
  ...(mend === undefined ? [] : mend.split("\n").map((line, index) => below(index === 0 ? "mend" : "", line))),
  ...statements(grants)
]

/** The page: a heading for each group, and what it comes to as the last line. */
export const page = ({ at, checks, database, pgark, summary }: Report): string => {
  const groups = Object.keys(headings) as ReadonlyArray<Group>
  return [
    hang("", `pgark ${pgark}, ${DateTime.formatIso(at)}${database === undefined ? "" : `, ${database}`}`),
    ...groups.flatMap((group) => {
      const found = checks.filter((check) => check.group === group)
      return found.length === 0 ? [] : [headings[group], ...found.flatMap(lines)]
    }),
    "",
    hang("", summary)
  ].join("\n")
}
