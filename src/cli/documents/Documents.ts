/**
 * The documents of `--json`, by command: for programs that run pgark and read what it says.
 *
 * stdout holds exactly one of them, whatever became of the command. Their JSON Schemas stand in `docs/json/`.
 */
import * as Schema from "effect/Schema"
import { Document as Clean } from "./Clean.ts"
import { Document as Clone } from "./Clone.ts"
import { Document as Completion } from "./Completion.ts"
import { Document as Demo } from "./Demo.ts"
import { Document as Doctor } from "./Doctor.ts"
import { Document as Dump } from "./Dump.ts"
import { Failure } from "./Failure.ts"
import { Document as Grant } from "./Grant.ts"
import { Document as Help } from "./Help.ts"
import { Document as Init } from "./Init.ts"
import { Document as Inspect } from "./Inspect.ts"
import { Document as List } from "./List.ts"
import { Document as Restore } from "./Restore.ts"
import { Document as Undo } from "./Undo.ts"
import { Document as Verify } from "./Verify.ts"
import { Document as Version } from "./Version.ts"

export { Failure }

/** What a command line that could not be understood gives, and every command that has failed. */
export const failure = Schema.toCodecJson(Failure)

export const clean = Schema.toCodecJson(Schema.Union([Clean, Failure]))
export const clone = Schema.toCodecJson(Schema.Union([Clone, Failure]))
export const completion = Schema.toCodecJson(Schema.Union([Completion, Failure]))
export const demo = Schema.toCodecJson(Schema.Union([Demo, Failure]))
export const doctor = Schema.toCodecJson(Schema.Union([Doctor, Failure]))
export const dump = Schema.toCodecJson(Schema.Union([Dump, Failure]))
export const grant = Schema.toCodecJson(Schema.Union([Grant, Failure]))
export const help = Schema.toCodecJson(Schema.Union([Help, Failure]))
export const init = Schema.toCodecJson(Schema.Union([Init, Failure]))
export const inspect = Schema.toCodecJson(Schema.Union([Inspect, Failure]))
export const list = Schema.toCodecJson(Schema.Union([List, Failure]))
export const restore = Schema.toCodecJson(Schema.Union([Restore, Failure]))
export const undo = Schema.toCodecJson(Schema.Union([Undo, Failure]))
export const verify = Schema.toCodecJson(Schema.Union([Verify, Failure]))
export const version = Schema.toCodecJson(Schema.Union([Version, Failure]))
