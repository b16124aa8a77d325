import * as Schema from "effect/Schema"

/** `pgark --version --json` */
export const Document = Schema.Struct({
  name: Schema.Literal("pgark").annotateKey({ description: "Always `pgark`." }),
  version: Schema.String.annotateKey({ description: "The version of pgark." }),
  node: Schema.String.annotateKey({ description: "The version of Node that it runs on." })
})
