/** An error as the user meets it: on stderr in words, with `--json` as a document. */
import * as Cause from "effect/Cause"
import { count } from "../../pipeline/Words.ts"
import type { Grant, TargetState } from "../../postgres/DatabaseError.ts"
import type { ErrorFields, Failure } from "../documents/Failure.ts"
import type { ErrorCode, ExitCode } from "../ExitCode.ts"
import * as Text from "./Text.ts"

/** What every error of pgark can say about itself; see `problemFields` and `serverFields`. */
export interface Problem extends Omit<typeof ErrorFields.Type, "code" | "exitCode"> {
  readonly _tag: ErrorCode
}

const states: Record<TargetState, string> = {
  untouched: "nothing was changed",
  "rolled-back": "the target is as it was; everything was rolled back",
  changed: "the target is NOT as it was",
  unknown: "it is not known whether the target is as it was"
}

/** Text under a label, as it stands: SQL is there to be copied. */
const indent = (label: string, text: string): string => {
  const [first, ...rest] = text.trimEnd().split("\n")
  return [`  ${label.padEnd(8)}${first}`, ...rest.map((line) => `          ${line}`)].join("\n")
}

/**
 * The same of prose, in lines that fit the terminal. Elsewhere lines stay whole: logs are searched. What a line begins
 * with stays, and its further lines begin below it.
 */
const prose = (label: string, text: string, width: number): string => {
  const folded = text
    .trimEnd()
    .split("\n")
    .flatMap((line) => {
      const margin = /^ */.exec(line)?.[0] ?? ""
      return Text.wrap(line.slice(margin.length), width - 10 - margin.length).map((part) => margin + part)
    })
  return indent(label, folded.join("\n"))
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
      ...(grants[index - 1]?.by === by ? [] : [`-- as ${Text.visibleLine(by)}, or a superuser:`]),
      sql
    ])
    .join("\n")

/**
 * The error in words: what happened, where, how the target is now, what to do next.
 *
 * @param width columns of the terminal that it is for; none where it is for a file
 */
export const render = (
  problem: Problem,
  width = process.stderr.isTTY ? Text.width([process.stderr]) : Number.POSITIVE_INFINITY
): string => {
  const { detail, grants, sqlstate, state, statement, suggestion } = problem
  const where = [problem.file, problem.line === undefined ? undefined : `line ${problem.line}`]
  const place = where.filter((part) => part !== undefined).join(", ")
  // A trace is read line by line.
  const told = problem._tag === "Defect" ? indent : (label: string, text: string) => prose(label, text, width)
  return [
    Text.wrap(`pgark: ${problem.message}`, width).join("\n"),
    ...(place === "" ? [] : [indent("where", place)]),
    ...(statement === undefined ? [] : [indent("SQL", statement)]),
    ...(sqlstate === undefined || sqlstate === "" ? [] : [indent("code", sqlstate)]),
    ...(detail === undefined ? [] : [told("detail", naming.has(problem._tag) ? shortened(detail) : detail)]),
    ...(state === undefined ? [] : [indent("state", states[state])]),
    ...(suggestion === undefined ? [] : [prose("next", suggestion, width)]),
    ...(grants === undefined ? [] : [indent("SQL", shortened(script(grants)))]),
    ...(examined.has(problem._tag) && state === "untouched" ? [prose("more", examination, width)] : [])
  ].join("\n")
}

/** Where a library's own words may have a password: in a URL, in what is like the parameters of one. */
const secrets: ReadonlyArray<readonly [where: RegExp, instead: string]> = [
  [/(:\/\/[^\s/?#:@]*):[^\s@]+@/g, "$1:***@"],
  [/(\w*(?:password|passwd|secret)["']?\s*[=:]\s*)(?:'[^']*'|"[^"]*"|[^\s&,;)}\]]+)/gi, "$1***"]
]

/** A trace as anybody may see it. */
const withoutSecrets = (trace: string): string =>
  secrets.reduce((text, [where, instead]) => text.replace(where, instead), trace)

/** What no error of pgark describes: a mistake in the program. The trace is for its report. */
export const defect = (cause: Cause.Cause<unknown>): Problem => ({
  _tag: "Defect",
  message: "this is a defect of pgark.",
  detail: withoutSecrets(Cause.pretty(cause)),
  suggestion:
    "Please report it: the command line without the URL, all of the above (there is no password in it), `pgark --version` " +
    "and what `pgark doctor` says. The same run with --log-level debug tells what led to it."
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
export const toDocument = (problem: Problem, exitCode: ExitCode): Failure => {
  const { _tag: code, message, detail, suggestion, state, sqlstate, statement, file, line } = problem
  const { blockers, findings, grants, holders } = problem
  return {
    error: {
      exitCode,
      code,
      message,
      ...(detail === undefined ? {} : { detail }),
      ...(suggestion === undefined ? {} : { suggestion }),
      ...(state === undefined ? {} : { state }),
      ...(sqlstate === undefined ? {} : { sqlstate }),
      ...(statement === undefined ? {} : { statement }),
      ...(file === undefined ? {} : { file }),
      ...(line === undefined ? {} : { line }),
      ...(grants === undefined ? {} : { grants }),
      ...(findings === undefined ? {} : { findings }),
      ...(blockers === undefined ? {} : { blockers }),
      ...(holders === undefined ? {} : { holders })
    }
  }
}

/** That document as text. */
export const toJson = (problem: Problem, exitCode: ExitCode): string =>
  JSON.stringify(toDocument(problem, exitCode), undefined, 2)
