/** What {@link file://./Statement.ts} tells statements of a dump apart as. */
import type { QualifiedName } from "./StatementTokens.ts"

/** Kinds of objects are upper-case SQL words, as in `CREATE <kind>`: `TABLE`, `MATERIALIZED VIEW`, `FOREIGN TABLE` … */
export type StatementKind =
  | {
      readonly _tag: "SetSetting"
      readonly name: string
      readonly value: string
      /** Of `search_path`: the schemas, one by one. */
      readonly path?: ReadonlyArray<string>
    }
  | { readonly _tag: "SessionAuthorization"; readonly role?: string }
  | { readonly _tag: "TransactionControl"; readonly word: string }
  | { readonly _tag: "Schema"; readonly action: ObjectAction; readonly schema: string; readonly roles: Roles }
  | { readonly _tag: "Extension"; readonly action: ObjectAction; readonly name: string }
  | { readonly _tag: "Database"; readonly action: ObjectAction }
  | { readonly _tag: "Role"; readonly action: ObjectAction; readonly role: string }
  | ({ readonly _tag: "OwnerTo"; readonly kind: string; readonly owner: string } & Partial<QualifiedName>)
  | ({
      readonly _tag: "Drop"
      readonly kind: string
      /** IF EXISTS. */
      readonly guarded?: true
    } & Partial<QualifiedName>)
  | ({
      readonly _tag: "Create"
      readonly kind: string
      /** `CREATE OR REPLACE VIEW … AS SELECT NULL::…`: a view with its columns and nothing behind them. */
      readonly hollow?: true
      /** A function of the languages C or internal, which only a superuser may create. */
      readonly native?: true
      /** Whom a policy is for; absent where it is for everyone. */
      readonly roles?: Roles
    } & Partial<QualifiedName>)
  | { readonly _tag: "AddConstraint"; readonly table: QualifiedName; readonly constraint: ConstraintKind }
  | ({
      readonly _tag: "Grant"
      readonly action: "grant" | "revoke"
      /** The kind of object, where it is written; the name is that of the first one. */
      readonly kind?: string
      /** GRANT of a role, not of rights. */
      readonly membership?: true
      readonly roles: Roles
    } & Partial<QualifiedName>)
  | { readonly _tag: "DefaultPrivileges"; readonly forRole?: string; readonly roles: Roles }
  | {
      readonly _tag: "CopyFrom"
      readonly source: "stdin" | "file" | "program"
      /** Absent where it cannot be read. */
      readonly table?: QualifiedName
      readonly columns: ReadonlyArray<string>
      /** What follows the source: `WITH ( … )`, or empty. */
      readonly options: string
    }
  | { readonly _tag: "CopyTo" }
  | ({ readonly _tag: "SequenceValue"; readonly value: string; readonly called: boolean } & QualifiedName)
  | { readonly _tag: "InsertInto"; readonly table: QualifiedName }
  | {
      readonly _tag: "LargeObjectUnlink"
      /** The large object's OID, where the statement is about one. */
      readonly oid?: string
    }
  | {
      readonly _tag: "LargeObjectCall"
      readonly call: "lo_create" | "lo_open" | "lowrite" | "lo_close"
      /** The large object's OID, where the call names it in quotes. */
      readonly oid?: string
    }
  | { readonly _tag: "RestoreStatistics" }
  | { readonly _tag: "AlterSystem" }
  /**
   * ALTER (other than above), COMMENT ON, SECURITY LABEL ON; the kind is empty where none is written. Named where it is
   * about an object and not about a part of one.
   */
  | ({
      readonly _tag: "Alter" | "Comment" | "SecurityLabel"
      readonly kind: string
      /** How a column is compressed (14 and later). */
      readonly compression?: true
    } & Partial<QualifiedName>)
  | { readonly _tag: "Other"; readonly word: string }

export type ObjectAction = "create" | "drop" | "alter" | "owner" | "comment" | "grant" | "revoke"
export type ConstraintKind = "primary key" | "unique" | "foreign key" | "check" | "exclude" | "not null"
/** Roles a statement names, without `PUBLIC` and the pseudo-roles. */
export type Roles = ReadonlyArray<string>
