/** Which objects are a dump's own. */
import { objectKey } from "../postgres/ObjectName.ts"
import type { Contents } from "./DumpReading.ts"

/** Keys of the objects that a dump brings: what it creates, and what it fills (identity columns have sequences). */
export const keysOf = ({
  creates,
  sequences,
  tables
}: Pick<Contents, "creates" | "sequences" | "tables">): ReadonlySet<string> =>
  new Set([
    ...creates.map(objectKey),
    ...tables.map(({ schema, name }) => objectKey({ kind: "TABLE", schema, name })),
    ...sequences.map(({ schema, name }) => objectKey({ kind: "SEQUENCE", schema, name }))
  ])
