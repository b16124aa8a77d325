/** The task that proves a dump before anything is done with it. */
import * as Effect from "effect/Effect"
import { DumpPartial } from "../../dumps/DumpError.ts"
import { DumpStore } from "../../dumps/DumpStore.ts"
import type * as DumpText from "../../dumps/DumpText.ts"
import type { Manifest } from "../../dumps/Manifest.ts"
import type { ProvenAgainst } from "../../dumps/Proof.ts"
import { fact } from "../../pipeline/Basis.ts"
import * as Plan from "../../pipeline/Plan.ts"
import * as RunMetrics from "../../pipeline/RunMetrics.ts"
import * as Task from "../../pipeline/Task.ts"
import { plural } from "../../pipeline/Words.ts"
import { Session } from "../../postgres/Session.ts"
import * as ReadingProgress from "../ReadingProgress.ts"
import { JobsInvalid } from "../VerbError.ts"
import type { Settled } from "./RestoreOptions.ts"

/** How far a dump is proven, in words. */
export const words: Record<ProvenAgainst, string> = {
  manifest: "it is what its manifest says",
  structure: "its structure is complete; it has no manifest",
  nothing: "NOT PROVEN, as --accept-unproven allows: it lacks pg_dump's closing lines, so it may be cut"
}

const known = (file: string, tables: ReadonlyArray<string>) => ({
  message:
    `The dump ${file} has only part of the rows of ${plural(tables.length, "table")}: row-level security hid the ` +
    "others from the role that made it.",
  detail: tables.join("\n"),
  tables
})

/** Of a dump whose manifest was lost, or of another tool: nothing says of which tables. */
const unknown = (file: string) => ({
  message:
    `The dump ${file} may have only part of the rows of tables with policies: it was made with --enable-row-security, ` +
    "so that the rows hidden from the role that made it are missing, and there is no manifest that says which.",
  tables: []
})

/** Why it is not restored without more ado. */
const partial = (file: string, what: ReturnType<typeof known> | ReturnType<typeof unknown>) =>
  new DumpPartial({
    ...what,
    suggestion:
      "Restore another dump, or make a whole one as a role that sees all rows (a superuser, or one with BYPASSRLS). To " +
      "restore what there is, so that the other rows are missing then: --allow-partial-rows.",
    state: "untouched",
    file
  })

/** Rows that stand among the SQL of one file are for one connection to read. */
const undivided = (file: string, { format }: DumpText.Form) =>
  new JobsInvalid({
    message: `Several connections restore a directory dump, and ${file} is none.`,
    suggestion:
      format === "plain"
        ? "Leave --jobs away, or make a dump with `pgark dump --format directory`."
        : "Leave --jobs away: a dump of pg_dump is restored over one connection. `pgark dump --format directory` makes one for several.",
    state: "untouched"
  })

/** Proves the dump that is asked for, or the newest of the database. */
export const task = (options: Settled) =>
  Task.read("prove", {
    title: "Prove the dump",
    plan: () =>
      Effect.gen(function* () {
        const store = yield* DumpStore
        const session = yield* Session
        const { database } = session.url
        const dump = yield* options.file === undefined ? store.newest(database) : store.find(options.file, database)
        if (options.jobs > 1 && dump.form.format !== "directory") return yield* undivided(dump.file, dump.form)
        const partialRows = dump.manifest?.partialRows ?? []
        if (partialRows.length > 0 && !options.allowPartialRows) {
          return yield* partial(dump.file, known(dump.file, partialRows))
        }
        const proof = yield* ReadingProgress.prove(store, dump, {
          acceptUnproven: options.acceptUnproven,
          storedRows: true
        })
        if (proof.contents.rowSecurity && dump.manifest === undefined && !options.allowPartialRows) {
          return yield* partial(dump.file, unknown(dump.file))
        }
        yield* RunMetrics.add(RunMetrics.bytes, dump.size)
        return { ...proof, file: dump.file, leftOut: leftOut(dump.manifest), partialRows }
      }),
    rows: ({ file, contents, against, unproven }) => [
      Plan.row(
        `read ${file}: ${plural(contents.tables.length, "table")}, ${plural(totalRows(contents.tables), "row")}`,
        {
          why: words[against]
        }
      ),
      ...unproven.map((what) => Plan.row(`not proven: ${what}`))
    ],
    basis: ({ contents }) => fact("the dump", contents.sql.sha256)
  })
/** What it finds. */
export type Proven = Task.Planned<ProofTask>

/** That task. */
export type ProofTask = ReturnType<typeof task>

/** What narrows the dump, as the flags of `dump` that did it. */
const leftOut = (manifest: Manifest | undefined): string | undefined => {
  const flags = [
    ...(manifest?.onlySchemas ?? []).map((name) => `--schema ${name}`),
    ...(manifest?.excluded?.tables ?? []).map((pattern) => `--exclude-table ${pattern}`),
    ...(manifest?.excluded?.data ?? []).map((pattern) => `--exclude-table-data ${pattern}`)
  ]
  return flags.length === 0 ? undefined : flags.join(" ")
}

/** Rows of the tables together. */
export const totalRows = (tables: ReadonlyArray<{ readonly rows: number }>) =>
  tables.reduce((sum, { rows }) => sum + rows, 0)
