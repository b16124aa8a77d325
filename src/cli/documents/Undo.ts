import * as Schema from "effect/Schema"
import { ExchangeReport, RecoveryReport, UndoReport } from "../../verbs/Undo.ts"
import { Planned, run } from "./Document.ts"

/** `pgark undo --json` */
export const Document = Schema.Union([
  Schema.Struct({
    undo: Schema.Union([UndoReport, ExchangeReport, RecoveryReport]).annotateKey({
      description: "What was brought back, and how."
    }),
    ...run
  }),
  Planned
])
