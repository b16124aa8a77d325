import * as Schema from "effect/Schema"

/** `pgark completion --json` */
export const Document = Schema.Struct({
  shell: Schema.Literals(["bash", "zsh", "fish"]).annotateKey({ description: "The shell that it is for." }),
  script: Schema.String.annotateKey({ description: "The script that the shell is to read." })
})
