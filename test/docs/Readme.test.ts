/** The README's commands, from the first to the last. */
import { it } from "@effect/vitest"
import * as Reader from "./Reader.ts"

it.live("the README does what it says", () => Reader.check("README.md"), 240_000)
