import * as Schema from "effect/Schema"
import { DemoReport } from "../../demo/Demo.ts"

/** `pgark demo --json` */
export const Document = Schema.Struct({
  demo: DemoReport.annotateKey({ description: "What the demo showed." })
})
