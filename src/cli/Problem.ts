/** An error as the user meets it: on stderr in words, with `--json` as a document. */
import * as Cause from "effect/Cause"
import { count } from "../pipeline/Words.ts"
import { visibleLine } from "./Text.ts"
import type { Grant, TargetState } from "../postgres/DatabaseError.ts"

/** What every error of pgark can say about itself; see `problemFields` and `serverFields`. */
export interface Problem {
  readonly _tag: string
  readonly message: string
  readonly detail?: string
  readonly suggestion?: string
  readonly state?: TargetState
  readonly sqlstate?: string
  readonly statement?: string
  readonly file?: string
  readonly line?: number
  /** What would open to the role what is closed to it. */
  readonly grants?: ReadonlyArray<Grant>
  /** What a verification found. */
  readonly findings?: ReadonlyArray<unknown>
  /** What is in the way of a clean step. */
  readonly blockers?: ReadonlyArray<unknown>
  /** Which sessions are at work on the target. */
  readonly holders?: ReadonlyArray<unknown>
}

const states: Record<TargetState, string> = {
  untouched: "nothing was changed",
  "rolled-back": "the target is as it was; everything was rolled back",
  changed: "the target is NOT as it was",
  unknown: "it is not known whether the target is as it was"
}

const indent = (label: string, text: string): string => {
  const [first, ...rest] = text.trimEnd().split("\n")
  return [`  ${label.padEnd(8)}${first}`, ...rest.map((line) => `          ${line}`)].join("\n")
}

/** Errors whose detail is a list of names, one a line, which may be as long as the database is large. */
const naming = new Set(["DumpPartial", "PermissionDenied"])

/** Lines of such a list that a terminal is shown. */
const shown = 40

const shortened = (text: string): string => {
  const lines = text.trimEnd().split("\n")
  return lines.length <= shown
    ? text
    : [...lines.slice(0, shown), `… ${count(lines.length - shown)} lines more (all of it with --json)`].join("\n")
}

/**
 * Errors behind which there may be more of their kind, which doctor finds all at once; not of a run that was broken off.
 * What a dump brings that the target does not take (TargetUnfit) doctor cannot know.
 */
const examined = new Set(["AuthenticationFailed", "CleanRefused", "ConnectionFailed", "PermissionDenied"])

const examination = "pgark doctor tells what it makes of the URL, the role's rights and this machine"

/** The statements as a script that can be copied, those of one owner under a comment that names it. */
const script = (grants: ReadonlyArray<Grant>): string =>
  grants
    .flatMap(({ by, sql }, index) => [
      ...(grants[index - 1]?.by === by ? [] : [`-- as ${visibleLine(by)}, or a superuser:`]),
      sql
    ])
    .join("\n")

/** The error in words: what happened, where, how the target is now, what to do next. */
export const render = (problem: Problem): string => {
  const where = [
    problem.file === undefined ? undefined : problem.file,
    problem.line === undefined ? undefined : `line ${problem.line}`
  ].filter((part) => part !== undefined)
  return [
    `pgark: ${problem.message}`,
    ...(where.length === 0 ? [] : [indent("where", where.join(", "))]),
    ...(problem.statement === undefined ? [] : [indent("SQL", problem.statement)]),
    ...(problem.sqlstate === undefined ? [] : [indent("code", problem.sqlstate)]),
    ...(problem.detail === undefined
      ? []
      : [indent("detail", naming.has(problem._tag) ? shortened(problem.detail) : problem.detail)]),
    ...(problem.state === undefined ? [] : [indent("state", states[problem.state])]),
    ...(problem.suggestion === undefined ? [] : [indent("next", problem.suggestion)]),
    ...(problem.grants === undefined ? [] : [indent("SQL", shortened(script(problem.grants)))]),
    ...(examined.has(problem._tag) && problem.state === "untouched" ? [indent("more", examination)] : [])
  ].join("\n")
}

/** What no error of pgark describes: a mistake in the program. The trace is for its report. */
export const defect = (cause: Cause.Cause<unknown>): Problem => ({
  _tag: "Defect",
  message: "this is a defect of pgark.",
  detail: Cause.pretty(cause),
  suggestion: "Please report it with the command you ran, the output above and `pgark --version`."
})

/**
 * A report that could not be written, of work that is done.
 *
 * @param committed what was changed, as in `RunRecord`
 */
export const unreported = (why: string, report: string, committed: string | undefined): Problem => ({
  _tag: "StdoutFailed",
  message:
    `The report could not be written to stdout (${why}), but what was asked for is done` +
    (committed === undefined ? "." : `: ${committed} was committed.`),
  detail: report,
  suggestion: "Do not run it again for the report, which stands above. Free space where stdout goes to."
})

/** The error as data, for `--json`. */
export const toDocument = (problem: Problem, exitCode: number) => ({
  error: {
    exitCode,
    code: problem._tag,
    message: problem.message,
    ...(problem.detail === undefined ? {} : { detail: problem.detail }),
    ...(problem.suggestion === undefined ? {} : { suggestion: problem.suggestion }),
    ...(problem.state === undefined ? {} : { state: problem.state }),
    ...(problem.sqlstate === undefined ? {} : { sqlstate: problem.sqlstate }),
    ...(problem.statement === undefined ? {} : { statement: problem.statement }),
    ...(problem.file === undefined ? {} : { file: problem.file }),
    ...(problem.line === undefined ? {} : { line: problem.line }),
    ...(problem.grants === undefined ? {} : { grants: problem.grants }),
    ...(problem.findings === undefined ? {} : { findings: problem.findings }),
    ...(problem.blockers === undefined ? {} : { blockers: problem.blockers }),
    ...(problem.holders === undefined ? {} : { holders: problem.holders })
  }
})

/** That document as text. */
export const toJson = (problem: Problem, exitCode: number): string =>
  JSON.stringify(toDocument(problem, exitCode), undefined, 2)
