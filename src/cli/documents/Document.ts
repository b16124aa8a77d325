/**
 * What the documents of `--json` have in common. Every document is one of these: what a command has done, a plan
 * (`--dry-run`), or a failure; see {@link file://./Failure.ts}.
 */
import * as Schema from "effect/Schema"
import { Plan } from "../../pipeline/Plan.ts"
import { TaskReport } from "../../pipeline/RunReport.ts"

/** A Schema of documents, whose JSON needs nothing but itself. */
export type Document<A extends object = object> = Schema.Codec<A, unknown>

/** What a command took from elsewhere than its command line: the handler adds it. */
export const told = {
  settings: Schema.optionalKey(
    Schema.Array(
      Schema.Struct({
        setting: Schema.String.annotateKey({ description: "The flag that would have said it, without dashes." }),
        value: Schema.String.annotateKey({ description: "For people; of a database its name and where it is." }),
        from: Schema.String.annotateKey({ description: "A variable, or a key of the configuration file." })
      })
    )
  ).annotateKey({
    description: "What was taken from the environment and from the configuration file; absent where nothing was."
  })
}

/** What became of the tasks of a run: the handler of a command adds it. */
export const run = {
  ...told,
  milliseconds: Schema.optionalKey(Schema.Finite).annotateKey({
    description: "How long all of it took, a countdown included; absent where nothing was run."
  }),
  tasks: Schema.optionalKey(Schema.Array(TaskReport)).annotateKey({
    description: "What became of each task, in the order in which they ended; absent where nothing was run."
  })
}

/** What `--dry-run` gives. */
export const Planned = Schema.Struct({
  database: Schema.String.annotateKey({ description: "`user@host:port/database`" }),
  plan: Plan.annotateKey({ description: "What would be done." }),
  ...told
})
