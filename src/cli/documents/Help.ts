import * as Schema from "effect/Schema"
import { CommandPage } from "../help/CommandPage.ts"

/** `pgark help --json`, and `--help --json` of every command. */
export const Document = Schema.Struct({
  help: CommandPage.annotateKey({ description: "The page of the command." })
})
