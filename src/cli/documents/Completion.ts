import * as Schema from "effect/Schema"

/** `pgark completion --json` */
export const Document = Schema.Struct({
  shell: Schema.Literals(["bash", "zsh", "fish"]),
  script: Schema.String.annotateKey({ description: "The script that the shell is to read." })
})
