/** The rights an app role gets on schemas, as SQL. Whether it has them is asked in {@link file://./Rights.ts}. */
import { qualified, quote, quoteInLine } from "./Identifier.ts"

/** How much the app role may do: everything but own the objects, change rows, or only read. */
export const profiles = ["all", "readwrite", "readonly"] as const
export type GrantProfile = (typeof profiles)[number]

/** SQLSTATEs of the warnings with which the server takes a GRANT or REVOKE that had no effect, or not all of it. */
export const privilegeWarnings: ReadonlySet<string> = new Set(["01007", "01006"])

/** Whom to grant what. Names as they stand in the catalogue, unquoted. */
export interface Options {
  readonly roles: ReadonlyArray<string>
  readonly schemas: ReadonlyArray<string>
  readonly profile: GrantProfile
  /** The roles that will create objects on which the app roles have their rights too: the connected one unless told. */
  readonly forRoles?: ReadonlyArray<string>
}

/**
 * The kinds of object that rights are granted on. "table" includes views, materialized views, partitioned and foreign
 * tables, as GRANT has it; "function" includes procedures and aggregates; "type" includes domains.
 */
export const objectKinds = ["database", "schema", "table", "sequence", "function", "type"] as const
export type ObjectKind = (typeof objectKinds)[number]

/** A statement of {@link statements}. */
export interface GrantStatement {
  readonly sql: string
  /** In words, an imperative. */
  readonly what: string
  /** What it is about; "default" for objects that will be created later. */
  readonly on: ObjectKind | "default"
}

/** An object, and which of the profile's rights a role lacks on it. */
export interface ObjectRights {
  /** Whose rights these are. */
  readonly role: string
  readonly kind: ObjectKind
  /** The schema it is in; of a schema its own name, of the database nothing. */
  readonly schema: string
  /** Name within the schema, of a function without its arguments; of a schema and of the database its own. */
  readonly name: string
  /** Types of a function's arguments, as SQL; null of everything else. */
  readonly arguments: string | null
  readonly owner: string
  /** Whether it belongs to an extension: its rights are then the extension's business. */
  readonly extension: boolean
  readonly missing: ReadonlyArray<string>
  /** Those of the profile's rights that the connected role may not grant: it does not own it and has no grant option. */
  readonly ungrantable: ReadonlyArray<string>
}

/** What GRANT says of a profile. Functions and types stand in it only where the profile is about them. */
interface Words {
  readonly table: string
  readonly sequence: string
  readonly rest: boolean
  readonly words: string
}

const granted: Record<GrantProfile, Words> = {
  all: { table: "ALL PRIVILEGES", sequence: "ALL PRIVILEGES", rest: true, words: "all privileges" },
  // USAGE of a sequence is nextval and currval; setval is the business of migrations. A function may do anything, with
  // the rights of its owner, and types need a right only where something is created with them.
  readwrite: {
    table: "SELECT, INSERT, UPDATE, DELETE",
    sequence: "USAGE, SELECT",
    rest: false,
    words: "reading and writing"
  },
  readonly: { table: "SELECT", sequence: "SELECT", rest: false, words: "reading" }
}

/** Whether rights on functions and types are part of a profile. */
export const coversFunctions = (profile: GrantProfile): boolean => granted[profile].rest

/**
 * The single privileges of a profile by kind of object, separated by commas; none where the kind is not part of it.
 * MAINTAIN is part of ALL since 17.
 */
export const privileges = (profile: GrantProfile, versionNumber: number): Record<ObjectKind, string> => ({
  database: "CONNECT",
  schema: "USAGE",
  table: {
    all: `SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER${versionNumber >= 170000 ? ",MAINTAIN" : ""}`,
    readwrite: "SELECT,INSERT,UPDATE,DELETE",
    readonly: "SELECT"
  }[profile],
  sequence: { all: "USAGE,SELECT,UPDATE", readwrite: "USAGE,SELECT", readonly: "SELECT" }[profile],
  function: coversFunctions(profile) ? "EXECUTE" : "",
  type: coversFunctions(profile) ? "USAGE" : ""
})

const names = (list: ReadonlyArray<string>): string => list.map(quoteInLine).join(", ")

/** Without it no other right is of use. Usually everyone has it; where not, the owner of the database may grant it. */
export const connecting = (roles: ReadonlyArray<string>, database: string): GrantStatement => ({
  sql: `GRANT CONNECT ON DATABASE ${quoteInLine(database)} TO ${names(roles)}`,
  what: `let ${roles.join(", ")} connect to database ${database}`,
  on: "database"
})

/** The object as SQL and people write it: of a function with its arguments. */
export const describe = ({ schema, kind, name, ...rest }: Omit<ObjectRights, "missing" | "ungrantable">): string =>
  kind === "schema" || kind === "database"
    ? quote(name)
    : `${qualified(schema, name)}${rest.arguments === null ? "" : `(${rest.arguments})`}`

const keywords = { table: "TABLE", sequence: "SEQUENCE", function: "ROUTINE", type: "TYPE" }
type Listed = keyof typeof keywords

/** Grants to every role what it lacks, object by object as far as the connected role may: one statement for equals. */
const byName = (kind: Listed, schema: string, found: ReadonlyArray<ObjectRights>): ReadonlyArray<GrantStatement> => {
  const groups = new Map<string, Array<string>>()
  for (const object of found) {
    const rights = object.missing.filter((privilege) => !object.ungrantable.includes(privilege))
    if (rights.length === 0) continue
    const key = JSON.stringify([object.role, rights.join(", ")])
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [describe(object)])
    else group.push(describe(object))
  }
  return [...groups].map(([key, objects]) => {
    const [role, rights] = JSON.parse(key) as [string, string]
    return {
      sql: `GRANT ${rights} ON ${keywords[kind]} ${objects.join(", ")} TO ${quoteInLine(role)}`,
      what: `grant ${rights} on ${objects.length} of the ${kind}s of ${schema} to ${role}, by name`,
      on: kind
    }
  })
}

/**
 * What is granted: per schema its use, its tables, its sequences, where the profile says so its functions and types,
 * and default privileges for what will be created in it.
 *
 * Tables and sequences are granted as a whole (`ON ALL TABLES`), by name where the connected role may not grant on all
 * of them or some belong to an extension. Functions and types are granted by name, those alone that the role may not
 * use anyway: usually PUBLIC may.
 *
 * @param found the objects that are there now; where they are not known yet, functions and types are left out
 */
export const statements = (
  { roles, schemas, profile, forRoles = [] }: Options,
  found: ReadonlyArray<ObjectRights> = []
): ReadonlyArray<GrantStatement> => {
  const { table, sequence, rest, words } = granted[profile]
  const to = `TO ${names(roles)}`
  const creators = forRoles.length === 0 ? "" : `FOR ROLE ${names(forRoles)} `
  return schemas.flatMap((name): ReadonlyArray<GrantStatement> => {
    const schema = quoteInLine(name)
    const inIt = (kind: Listed) => found.filter((object) => object.schema === name && object.kind === kind)
    const own = (kind: Listed) =>
      byName(
        kind,
        name,
        inIt(kind).filter(({ extension }) => !extension)
      )
    const whole = (kind: "table" | "sequence", rights: string): ReadonlyArray<GrantStatement> =>
      inIt(kind).some(({ extension, ungrantable }) => extension || ungrantable.length > 0)
        ? own(kind)
        : [
            {
              sql: `GRANT ${rights} ON ALL ${keywords[kind]}S IN SCHEMA ${schema} ${to}`,
              what: `grant ${words} on all ${kind}s of ${name}`,
              on: kind
            }
          ]
    const future = (kind: Listed, rights: string): GrantStatement => ({
      sql: `ALTER DEFAULT PRIVILEGES ${creators}IN SCHEMA ${schema} GRANT ${rights} ON ${keywords[kind]}S ${to}`,
      what: `grant ${words} on ${kind}s that ${forRoles.length === 0 ? "this role" : forRoles.join(", ")} will create in ${name}`,
      on: "default"
    })
    return [
      { sql: `GRANT USAGE ON SCHEMA ${schema} ${to}`, what: `grant use of schema ${name}`, on: "schema" },
      ...whole("table", table),
      ...whole("sequence", sequence),
      ...(rest ? [...own("function"), ...own("type")] : []),
      future("table", table),
      future("sequence", sequence),
      ...(rest ? [future("function", "ALL PRIVILEGES"), future("type", "ALL PRIVILEGES")] : [])
    ]
  })
}
