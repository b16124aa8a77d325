/** The task that proves a dump before anything is done with it. */
import * as Effect from "effect/Effect"
import { DumpStore } from "../dumps/DumpStore.ts"
import type { Manifest } from "../dumps/Manifest.ts"
import type { ProvenAgainst } from "../dumps/Proof.ts"
import { fact } from "../pipeline/Basis.ts"
import * as Plan from "../pipeline/Plan.ts"
import { progress } from "../pipeline/RunEvent.ts"
import * as RunMetrics from "../pipeline/RunMetrics.ts"
import * as Task from "../pipeline/Task.ts"
import { plural } from "../pipeline/Words.ts"
import { Session } from "../postgres/Session.ts"
import type { Settled } from "./RestoreOptions.ts"

/** How far a dump is proven, in words. */
export const words: Record<ProvenAgainst, string> = {
  manifest: "it is what its manifest says",
  structure: "its structure is complete; it has no manifest",
  nothing: "NOT PROVEN, as --accept-unproven allows: it lacks pg_dump's closing lines, so it may be cut"
}

/** Proves the dump that is asked for, or the newest of the database. */
export const task = (options: Settled) =>
  Task.read("prove", {
    title: "Prove the dump",
    plan: () =>
      Effect.gen(function* () {
        const store = yield* DumpStore
        const session = yield* Session
        const dump = yield* options.file === undefined ? store.newest(session.url.database) : store.find(options.file)
        const proof = yield* store.prove(dump, {
          acceptUnproven: options.acceptUnproven,
          onProgress: (bytes) => progress("read", bytes, "bytes", dump.size)
        })
        yield* RunMetrics.add(RunMetrics.bytes, dump.size)
        return { ...proof, file: dump.file, leftOut: leftOut(dump.manifest) }
      }),
    rows: ({ file, contents, against }) => [
      Plan.row(
        `read ${file}: ${plural(contents.tables.length, "table")}, ${plural(totalRows(contents.tables), "row")}`,
        {
          why: words[against]
        }
      )
    ],
    basis: ({ contents }) => fact("the dump", contents.sql.sha256)
  })
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
