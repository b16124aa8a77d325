import { execFileSync } from "node:child_process"
import { assert, it } from "@effect/vitest"
import { defaultDir, undoCommand } from "../../src/dumps/UndoCommand.ts"

it("the command for undo names the folder unless it is the default, as one word", () => {
  assert.strictEqual(undoCommand(defaultDir), "pgark undo")
  assert.strictEqual(undoCommand("/var/backups/db-1"), "pgark undo --dir /var/backups/db-1")
  const folder = "it's $HOME; *"
  const script = `pgark() { printf '%s|' "$@"; }; ${undoCommand(folder)}`
  assert.strictEqual(execFileSync("sh", ["-c", script], { encoding: "utf8" }), `undo|--dir|${folder}|`)
})
