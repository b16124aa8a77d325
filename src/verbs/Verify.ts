/**
 * The verb verify: holds the live database against a dump.
 *
 * The measure is equality: what was true of the source is true of a faithful restore. So a sequence behind its column
 * is a finding only where the dump does not set it to that very value. What could not be checked is a finding too.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import { keysOf } from "../dumps/DumpObjects.ts"
import type { Contents } from "../dumps/DumpReading.ts"
import type { Manifest } from "../dumps/Manifest.ts"
import type { ProvenAgainst } from "../dumps/Proof.ts"
import * as Pipeline from "../pipeline/Pipeline.ts"
import * as Plan from "../pipeline/Plan.ts"
import * as Task from "../pipeline/Task.ts"
import { plural } from "../pipeline/Words.ts"
import type { DatabaseError } from "../postgres/DatabaseError.ts"
import type * as Grants from "../postgres/Grants.ts"
import * as Health from "../postgres/Health.ts"
import { qualified } from "../postgres/Identifier.ts"
import * as Retrying from "../postgres/Retrying.ts"
import * as Migrations from "../postgres/Migrations.ts"
import { type NamedObject, objectKey } from "../postgres/ObjectName.ts"
import * as Rights from "../postgres/Rights.ts"
import * as Findings from "./verify/Findings.ts"
import { finding, judged, warning } from "./verify/Findings.ts"
import { Finding, type VerificationFailed } from "./VerbError.ts"
import { checkObjects } from "./verify/VerifyObjects.ts"
import { checkRows, type Restored } from "./verify/VerifyRows.ts"

/** What must be there: a proof of a dump is one. */
export interface Expectation {
  /** Where it comes from: a manifest was written beside the dump by the run that made it, the structure is its text. */
  readonly against: ProvenAgainst
  readonly contents: Pick<Manifest, "checks" | "objects" | "prismaMigrations" | "schemas" | "sequences" | "tables"> &
    Partial<Pick<Contents, "bridge" | "creates" | "extensions">>
  /** Absent where there is none. */
  readonly manifest?: Pick<Manifest, "catalog" | "onlySchemas" | "partialRows" | "tables">
}

export interface VerifyOptions {
  /** What must be there. Without it only the database's own health is looked at. */
  readonly expected: Expectation | undefined
  /** The dump's file, for the command that a failure suggests. */
  readonly file?: string
  /** What the dump creates and a restore has left out, for want of rights. */
  readonly missing?: ReadonlyArray<NamedObject>
  /** What a restore knows already, of before policies could hide rows: neither is asked for again then. */
  readonly restored?: Restored
  /** Something may stand beside what the dump creates, and counts with it; unless told that is so where tables do. */
  readonly beside?: boolean
  /** Whose rights must be there too. */
  readonly grantTo?: Pick<Grants.Options, "roles" | "profile">
  /** The schemas looked at: those of the dump unless told, all without a dump. */
  readonly schemas?: ReadonlyArray<string>
}

/** Names of Prisma's migrations. */
export const PrismaNames = Schema.Struct({
  applied: Schema.Array(Schema.String).annotateKey({ description: "Migrations that are applied." }),
  failed: Schema.Array(Schema.String).annotateKey({ description: "Migrations that failed and were not resolved." }),
  unfinished: Schema.Array(Schema.String).annotateKey({
    description: "Migrations that began and neither ended nor failed."
  })
})
export type PrismaNames = typeof PrismaNames.Type

/** What was looked at, in numbers, and what was found. */
export const VerifyReport = Schema.Struct({
  tables: Schema.Int.annotateKey({ description: "Number of tables that were compared." }),
  rows: Schema.Int.annotateKey({
    description: "Rows in these tables; tables that could not be counted are not among them."
  }),
  checksums: Schema.Int.annotateKey({ description: "Tables whose content was compared by its checksum." }),
  sequences: Schema.Int.annotateKey({ description: "Number of sequences that were compared." }),
  migrations: Schema.Int.annotateKey({ description: "Number of migrations of Prisma that are applied." }),
  prisma: Schema.optionalKey(PrismaNames).annotateKey({
    description:
      "Names of all that the database knows, by their state; absent where it has no table of Prisma's that can be read."
  }),
  findings: Schema.Array(Finding).annotateKey({ description: "What was found; of a success warnings alone." })
})
export type VerifyReport = typeof VerifyReport.Type

const structureChecks: ReadonlyArray<readonly [keyof Health.Structure, Finding["check"]]> = [
  ["foreignKeys", "foreign keys"],
  ["primaryKeys", "primary keys"],
  ["uniqueConstraints", "unique constraints"],
  ["indexes", "indexes"]
]

/** `others`: whether there is something that the dump does not know, whose constraints and indexes count here too. */
const checkStructure = Effect.fnUntraced(function* (
  expected: Expectation | undefined,
  schemas: ReadonlyArray<string> | undefined,
  others: boolean
) {
  const invalid = yield* Health.invalid(schemas)
  // Where the source's own states are known, constraints are compared with these.
  const findings = invalid
    .filter(({ kind }) => kind === "index" || expected?.manifest === undefined)
    .map(({ kind, object }) =>
      warning("validity", object, `a valid ${kind}`, kind === "index" ? "not valid: never used" : "not validated")
    )
  if (expected === undefined) return findings
  const { against, contents } = expected
  // A dump of rows alone says nothing of what stands on their tables.
  if (contents.objects["TABLE"] === undefined && contents.tables.length > 0) return findings
  const live = yield* Health.structure(schemas)
  const scope = schemas === undefined ? "all schemas" : schemas.join(", ")
  for (const [key, check] of structureChecks) {
    const [wanted, found] = [contents.checks[key], live[key]]
    if (found === wanted) continue
    if (against !== "nothing") {
      findings.push(judged(found < wanted || !others, check, scope, String(wanted), String(found)))
    } else {
      const said = `${wanted}, counted in the text of the dump, which has neither a manifest nor pg_dump's closing lines`
      findings.push(warning(check, scope, said, String(found)))
    }
  }
  return findings
})

const describeSequence = (value: bigint | string, called: boolean) =>
  called ? `at ${value}` : `about to begin at ${value}`

const checkSequences = Effect.fnUntraced(function* (
  contents: Expectation["contents"] | undefined,
  schemas: ReadonlyArray<string> | undefined
) {
  const live = yield* Health.sequences(schemas)
  const findings: Array<Finding> = []
  const expected = new Map((contents?.sequences ?? []).map((one) => [qualified(one.schema, one.name), one]))
  const present = new Set<string>()
  for (const { schema, name, column, state } of live) {
    const key = qualified(schema, name)
    present.add(key)
    const wanted = expected.get(key)
    const should = wanted === undefined ? "ahead of its column" : describeSequence(wanted.value, wanted.called)
    if ("unknown" in state) {
      findings.push(judged(wanted !== undefined || contents === undefined, "sequences", key, should, state.unknown))
      continue
    }
    const { value, called, increment, furthest, hidden } = state.value
    const same = wanted !== undefined && BigInt(wanted.value) === value && wanted.called === called
    const behind = Health.isBehind(state.value)
    if (wanted === undefined ? !behind && hidden === undefined : same && !behind) continue
    // One further than the dump says is what an app at work does, or an insert that was rolled back.
    const ahead =
      wanted !== undefined &&
      ((value - BigInt(wanted.value)) * increment > 0n || (value === BigInt(wanted.value) && called))
    const certain = contents !== undefined && !same && (behind || hidden !== undefined || !ahead)
    const its = column ?? "its column"
    const collides = behind ? `, and ${its} has ${furthest} already: inserts will collide` : ""
    const unseen = hidden === undefined ? "" : `, and ${its} is not seen: ${hidden}`
    findings.push(judged(certain, "sequences", key, should, describeSequence(value, called) + collides + unseen))
  }
  for (const [key, { value, called }] of expected) {
    if (!present.has(key)) findings.push(finding("sequences", key, describeSequence(value, called), "no sequence"))
  }
  return { findings, sequences: live.length }
})

const checkMigrations = Effect.fnUntraced(function* (
  contents: Expectation["contents"] | undefined,
  live: ReadonlyArray<Health.LiveTable>
) {
  const expected = contents?.prismaMigrations
  const findings: Array<Finding> = []
  const names = { applied: new Array<string>(), failed: new Array<string>(), unfinished: new Array<string>() }
  let checked = false
  for (const { table, foreign, migrations } of yield* Migrations.migrations(live)) {
    if ("unknown" in migrations) {
      // A table of another tool is what the dump says, unless the dump's had all of Prisma's columns.
      const certain = foreign === undefined || (foreign === "columns" && expected !== undefined)
      findings.push(judged(certain, "migrations", table, "readable migrations", migrations.unknown))
      continue
    }
    checked = true
    for (const { name, state } of migrations.value) {
      if (state === "rolled back") continue
      names[state].push(name)
      if (state === "applied") continue
      // A dump whose migrations are not readable (rows as INSERT, another encoding) rules nothing out.
      const certain = expected !== undefined && !expected[state].includes(name)
      findings.push(judged(certain, "migrations", `${table}: ${name}`, "applied", state))
    }
  }
  const applied = names.applied.length
  if (expected !== undefined && checked && applied !== expected.applied) {
    const [should, is] = [expected.applied, applied].map((n) => `${plural(n, "migration")} applied`) as [string, string]
    findings.push(finding("migrations", "_prisma_migrations", should, is))
  }
  return { findings, migrations: applied, ...(checked ? { prisma: names } : {}) }
})

/** Rights on what the dump does not bring, a restore does not promise either: they are warnings. */
const checkRights = Effect.fnUntraced(function* ({ grantTo, expected }: VerifyOptions, schemas: ReadonlyArray<string>) {
  if (grantTo === undefined) return []
  const absent = yield* Rights.missingRoles(grantTo.roles)
  const roles = grantTo.roles.filter((role) => !absent.includes(role))
  const { missing, unproven } = yield* Rights.rights({ ...grantTo, roles, schemas })
  const contents = expected?.contents
  const brought = contents?.creates === undefined ? undefined : keysOf({ ...contents, creates: contents.creates })
  const promised = ({ kind, schema, name }: Rights.MissingRight) =>
    brought === undefined ||
    Rights.indispensable.has(kind) ||
    brought.has(objectKey({ kind: kind.toUpperCase(), schema, name }))
  return [
    ...absent.map((role) => finding("rights", role, "a role of the server", "no such role")),
    ...missing.map((right) =>
      judged(
        promised(right),
        "rights",
        `${right.kind} ${right.object}`,
        `${right.role} has ${right.privileges.join(", ")}`,
        "it has not"
      )
    ),
    ...unproven.map(({ kind, object, role, why }) => warning("rights", `${kind} ${object}`, `${role} can use it`, why))
  ]
})

/**
 * Compares, and tells every difference as data: nothing that is found makes it fail.
 *
 * Fails where the server cannot be asked at all.
 */
export const check = Effect.fn("Verify.check")(function* (
  options: VerifyOptions
): Effect.fn.Return<VerifyReport, DatabaseError, SqlClient.SqlClient> {
  const { expected } = options
  const contents = expected?.contents
  const schemas = options.schemas ?? contents?.schemas
  const live = yield* Health.tables(schemas)
  const { findings, unknown, ...tables } = yield* checkRows(options, live)
  const others = options.beside === true || unknown > 0
  const structure = yield* checkStructure(expected, schemas, others)
  const objects = yield* checkObjects(options, schemas, others)
  const sequences = yield* checkSequences(contents, schemas)
  const migrations = yield* checkMigrations(contents, live)
  const rights = yield* checkRights(options, schemas ?? [...new Set(live.map(({ schema }) => schema))])
  return {
    ...tables,
    sequences: sequences.sequences,
    migrations: migrations.migrations,
    ...(migrations.prisma === undefined ? {} : { prisma: migrations.prisma }),
    findings: [...findings, ...structure, ...objects, ...sequences.findings, ...migrations.findings, ...rights]
  }
})

/** The report where nothing was found (warnings are no failure), else VerificationFailed with all that was found. */
export const failOnFindings = (
  report: VerifyReport,
  occasion: Findings.Occasion
): Effect.Effect<VerifyReport, VerificationFailed> =>
  report.findings.some(({ severity }) => severity === "finding")
    ? Effect.fail(Findings.failure(report.findings, occasion))
    : Effect.succeed(report)

/** The verification as a task on the session "target": nothing is read until it runs. */
export const task = (options: VerifyOptions) =>
  Task.withLimits(
    Task.make("verify", {
      title: "Verify the database",
      session: "target",
      plan: () =>
        Effect.succeed({
          value: undefined,
          rows: [
            Plan.row(
              options.expected === undefined
                ? "look at constraints, indexes, sequences and migrations"
                : `compare ${plural(options.expected.contents.tables.length, "table")}, keys, indexes, sequences and migrations with the dump`
            ),
            ...(options.grantTo === undefined
              ? []
              : [Plan.row(`check the rights of ${options.grantTo.roles.join(", ")}`)])
          ],
          run: () =>
            Effect.flatMap(check(options), (report) =>
              failOnFindings(report, {
                during: "verify",
                ...(options.file === undefined ? {} : { file: options.file }),
                ...(options.grantTo === undefined ? {} : { roles: options.grantTo.roles })
              })
            )
        })
    }),
    { retry: Retrying.reads }
  )

export const pipeline = (options: VerifyOptions) => Pipeline.make("verify", [task(options)])

/** Holds the connected database against a dump. Fails with VerificationFailed where it is not the same. */
export const verify = Effect.fn("Verify.verify")(function* (
  options: VerifyOptions
): Effect.fn.Return<VerifyReport, DatabaseError | VerificationFailed, SqlClient.SqlClient> {
  const { results } = yield* Pipeline.run(pipeline(options))
  return results.verify
})
