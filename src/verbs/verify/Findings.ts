/** What a verification found, and what to do next. */
import { plural } from "../../pipeline/Words.ts"
import { isHindrance } from "../../postgres/Hindrance.ts"
import { type Finding, VerificationFailed } from "../VerbError.ts"
import { byKind, grouped } from "./FindingLines.ts"

/** Something that is not as it should be. */
export const finding = (check: Finding["check"], object: string, expected: string, found: string): Finding => ({
  check,
  object,
  expected,
  found,
  severity: "finding"
})

/** Something to know that fails no verification. */
export const warning = (...parts: Parameters<typeof finding>): Finding => ({
  ...finding(...parts),
  severity: "warning"
})

/** `certain`: whether the dump rules it out; without that it is a warning. */
export const judged = (certain: boolean, ...parts: Parameters<typeof finding>): Finding =>
  (certain ? finding : warning)(...parts)

/** When the verification took place, which decides what to do about its findings. */
export type Occasion =
  /** Within a restore, before its commit. */
  | { readonly during: "restore" }
  /** By itself: the dump's file, and the roles whose rights were asked for. */
  | { readonly during: "verify"; readonly file?: string; readonly roles?: ReadonlyArray<string> }

const structure = "event triggers of the target, and what was there before: `--clean` empties first"

/** What to look at where a restore did not give what the dump says. */
const suspects: Record<Finding["check"], string> = {
  tables: structure,
  rows: "triggers and rules on these tables: they drop or add rows while the dump is loaded",
  content: "the encoding and locale of the target, and versions of extensions whose types the tables have",
  objects: structure,
  states: structure,
  "table parts": structure,
  extensions: "the extensions that the server offers",
  "foreign keys": structure,
  "primary keys": structure,
  "unique constraints": structure,
  indexes: structure,
  validity: structure,
  sequences: "triggers and event triggers that use these sequences while the dump is loaded",
  migrations: "triggers and rules on the migration table",
  rights: "default privileges and event triggers of the target"
}

/** What an app at work changes. */
const dataOnly = new Set<Finding["check"]>(["rows", "content", "sequences"])

/** It is not known to be different. */
const isUnread = ({ found }: Finding): boolean => isHindrance(found)

/** What a role that sees everything would have to say to the same question. */
const asOwner =
  "What could not be read is not known to be different: verify as the owner of these objects, as a role that may " +
  "SELECT from them or, where row-level security hides rows, as one with BYPASSRLS."

const next = (findings: ReadonlyArray<Finding>, occasion: Occasion): string => {
  if (occasion.during === "restore" || !findings.some(isUnread)) return afterReading(findings, occasion)
  const others = findings.filter((one) => !isUnread(one))
  return others.length === 0 ? asOwner : `${asOwner} Of the rest: ${afterReading(others, occasion)}`
}

const afterReading = (findings: ReadonlyArray<Finding>, occasion: Occasion): string => {
  const kinds = [...byKind(findings).keys()]
  if (occasion.during === "restore") {
    const places = [...new Set(kinds.map((kind) => suspects[kind]))].join("; ")
    return `Look at ${places}. With \`--no-verify\` it is committed as it is.`
  }
  const { file, roles = ["ROLE"] } = occasion
  if (kinds.every((kind) => kind === "rights")) return `Run \`pgark grant ${roles.join(" ")}\` as the owner.`
  if (file === undefined)
    return "Look at the objects named here. `pgark restore --clean` brings back what a dump holds."
  const restore = `\`pgark restore --clean ${file}\` brings back what the dump holds`
  return kinds.every((kind) => dataOnly.has(kind) || kind === "rights")
    ? `If an app has written since the dump was made, this is no damage: \`pgark dump\` keeps it. Else ${restore}.`
    : `If it was changed on purpose since the dump was made, by a migration, dump it again with \`pgark dump\`. Else ${restore}.`
}

/** The findings as the error that a verification fails with. `all`: warnings too; there is at least one finding. */
export const failure = (all: ReadonlyArray<Finding>, occasion: Occasion): VerificationFailed => {
  const serious = all.filter(({ severity }) => severity === "finding")
  const kinds = [...byKind(serious)].toSorted(([, a], [, b]) => b.length - a.length)
  const found =
    kinds.length === 1
      ? plural(serious.length, `difference in ${kinds[0]![0]}`, `differences in ${kinds[0]![0]}`)
      : `${plural(serious.length, "difference")}, most of them in ${kinds[0]?.[0]}`
  const restoring = occasion.during === "restore"
  const what = restoring ? "What was restored" : "The database"
  const message = serious.every(isUnread)
    ? `${what} could not be verified: the connected role does not see ${plural(serious.length, "object")}.`
    : `${what} is not what ${restoring ? "the dump says" : "it should be"}: ${found}.`
  return new VerificationFailed({
    message,
    detail: grouped(serious).join("\n"),
    suggestion: next(serious, occasion),
    ...(restoring ? { state: "rolled-back" } : {}),
    findings: all
  })
}
