import { databaseWide } from "../ObjectName.ts"
import { decoderFor, utf8 } from "./Encoding.ts"
import { classify } from "./Statement.ts"
import type { StatementKind } from "./StatementKind.ts"
import type { Decode, QualifiedName } from "./StatementTokens.ts"

/**
 * The schema of names that a script writes without one before it has set a search_path. pg_dump always sets one; what
 * people write by hand means this.
 */
export const defaultSchema = "public"

/** Not a schema that new objects go into. */
const passedOver = new Set(["pg_catalog", "$user"])

const withoutSchema = new Set([...databaseWide, "CAST", "TRANSFORM", "LARGE OBJECT", "TABLESPACE"])

/**
 * Reads the statements of one script, in their order, with what earlier ones said about names: in which encoding they
 * are (`client_encoding`), and in which schema those stand that are written without one (`search_path`, as pg_dump up to
 * 9.6 wrote them).
 */
export class StatementReader {
  /** `client_encoding` as the script sets it; empty as long as it has not. */
  encoding = ""
  decode: Decode = utf8
  private schema: string | undefined = defaultSchema

  /** What the next statement is. */
  read(bytes: Uint8Array): StatementKind {
    const kind = classify(bytes, this.decode)
    if (kind._tag !== "SetSetting") return this.resolve(kind)
    if (kind.name === "client_encoding") {
      this.encoding = kind.value
      this.decode = decoderFor(kind.value)
    }
    // With an empty path the server finds no name without schema, and neither does this.
    if (kind.path !== undefined) this.schema = kind.path.find((name) => !passedOver.has(name))
    return kind
  }

  private resolve(kind: StatementKind): StatementKind {
    const { schema } = this
    if (schema === undefined) return kind
    const table = (name: QualifiedName): QualifiedName => ({ schema, ...name })
    switch (kind._tag) {
      case "Create":
      case "Drop":
      case "Grant":
      case "OwnerTo":
        return kind.name === undefined || withoutSchema.has(kind.kind ?? "") ? kind : { schema, ...kind }
      case "AddConstraint":
      case "InsertInto":
        return { ...kind, table: table(kind.table) }
      case "CopyFrom":
        return kind.table === undefined ? kind : { ...kind, table: table(kind.table) }
      case "SequenceValue":
        return { schema, ...kind }
      default:
        return kind
    }
  }
}
