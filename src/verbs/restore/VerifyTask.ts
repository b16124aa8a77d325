/** The step of a restore that holds what was restored against the dump, before the commit. */
import * as Effect from "effect/Effect"
import type { Contents } from "../../dumps/DumpReading.ts"
import * as Plan from "../../pipeline/Plan.ts"
import * as Task from "../../pipeline/Task.ts"
import { objectKey } from "../../postgres/ObjectName.ts"
import * as Verify from "../Verify.ts"
import type * as ApplyTask from "./ApplyTask.ts"
import type * as DumpProof from "./DumpProof.ts"

/** Whether the dump has created every table that it fills, and does nothing that pg_dump would not do. */
const loadsOnlyItsOwn = ({ creates, tables, unusual }: Contents): boolean => {
  const created = new Set(creates.map(objectKey))
  return (
    Object.keys(unusual).length === 0 && tables.every((table) => created.has(objectKey({ kind: "TABLE", ...table })))
  )
}

/** The task. Fails with VerificationFailed. */
export const task = (
  needs: {
    readonly proof: DumpProof.ProofTask
    readonly apply: ReturnType<typeof ApplyTask.task>
  },
  /** Something may stand beside what is restored, whether or not tables do. */
  beside: boolean
) =>
  Task.make("verify", {
    title: "Verify what was restored",
    session: "target",
    needs,
    plan: ({ proof }) =>
      Effect.succeed({
        value: undefined,
        rows: [Plan.row("hold rows, objects, their states, sequences and migrations against the dump")],
        run: ({ apply }: { readonly apply: ApplyTask.Loaded }) =>
          Effect.flatMap(
            Verify.check({
              expected: proof,
              schemas: proof.schemas,
              missing: apply.missing,
              beside,
              restored: {
                // Nothing changes the rows of a table that the dump itself creates: its triggers and rules come after them.
                ...(loadsOnlyItsOwn(proof.contents) ? { rows: apply.rows } : {}),
                checksums: apply.checksums
              }
            }),
            (report) => Verify.failOnFindings(report, { during: "restore" })
          )
      })
  })
