import * as Schema from "effect/Schema"
import { problemFields } from "../../postgres/DatabaseError.ts"

/** Nobody has said that data may be destroyed, or nobody can be asked. Nothing was changed (exit code 2). */
export class NotConfirmed extends Schema.TaggedError<NotConfirmed>()("NotConfirmed", problemFields) {}
