/** What is told of a run that a signal has ended. */
import type { RunRecord } from "./Output.ts"
import type { TargetState } from "../../postgres/DatabaseError.ts"
import type { Problem } from "./Problem.ts"

/** In what state a run that was cut short has left the target. */
export const state = ({ begun, committed, doubted, torn }: RunRecord): TargetState => {
  if (torn !== undefined || committed !== undefined) return "changed"
  if (doubted !== undefined) return "unknown"
  return begun === undefined ? "untouched" : "rolled-back"
}

/** The same as a problem like every other. */
export const problem = ({ begun, committed, doubted, torn, unfinished }: RunRecord): Problem => {
  const _tag = "Interrupted"
  if (torn !== undefined) return { _tag, ...torn, message: `Interrupted. ${torn.message}`, state: "changed" }
  if (committed !== undefined) {
    const rest = unfinished.map((title) => `"${title}"`).join(", ")
    return {
      _tag,
      message: `Interrupted: ${committed} was committed${rest === "" ? "." : `; only ${rest} was cut short.`}`,
      suggestion:
        `Do not run it again: what was asked for is in the target.` +
        (rest === "" ? "" : " What was cut short can be done by itself."),
      state: "changed"
    }
  }
  if (doubted !== undefined) {
    return {
      _tag,
      message: `Interrupted, and it is not known whether ${doubted} was committed: its COMMIT was not answered.`,
      suggestion: "Look at the target before you do anything else: `pgark verify` holds it against the dump.",
      state: "unknown"
    }
  }
  const suggestion = "Run the same command again when it suits."
  return begun === undefined
    ? { _tag, message: "Interrupted: nothing was changed.", suggestion, state: "untouched" }
    : {
        _tag,
        message: `Interrupted: ${begun} was rolled back, the target is as it was.`,
        suggestion,
        state: "rolled-back"
      }
}
