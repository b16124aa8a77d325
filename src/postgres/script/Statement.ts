/**
 * What a statement of a dump is, told from its first words: enough to decide what a restore does with it.
 *
 * Cheap for what is frequent: an INSERT of many megabytes is known by its first word.
 */
import { utf8 } from "./Encoding.ts"
import type { ConstraintKind, ObjectAction, Roles, StatementKind } from "./StatementKind.ts"
import { anyName, guard, kindOf, nameOf } from "./StatementNames.ts"
import { type Decode, type QualifiedName, StatementTokens } from "./StatementTokens.ts"

const pseudoRoles = new Set(["public", "current_user", "current_role", "session_user"])

/**
 * Reads the kind of one statement.
 *
 * @param decode turns names into text; UTF-8 unless the dump has another encoding
 */
export const classify = (bytes: Uint8Array, decode: Decode = utf8): StatementKind => {
  const tokens = new StatementTokens(bytes, decode)
  const word = tokens.next()?.text ?? ""
  return Object.hasOwn(readers, word) ? readers[word as keyof typeof readers](tokens, word) : { _tag: "Other", word }
}

const control = (word: string): StatementKind => ({ _tag: "TransactionControl", word })

const transaction = (tokens: StatementTokens, word: string): StatementKind =>
  control(tokens.take("prepared") ? `${word} prepared`.toUpperCase() : word.toUpperCase())

const set = (tokens: StatementTokens): StatementKind => {
  const alone = tokens.peek(1)?.text
  if (!tokens.take("local") && alone !== "characteristics" && alone !== "authorization") tokens.take("session")
  if (tokens.take("session", "characteristics") || tokens.take("transaction")) return control("SET TRANSACTION")
  if (tokens.take("session", "authorization")) return authorization(tokens)
  if (tokens.take("constraints")) return { _tag: "Other", word: "set constraints" }
  if (tokens.take("time", "zone")) return { _tag: "SetSetting", name: "timezone", value: value(tokens) }
  if (tokens.take("xml", "option")) return { _tag: "SetSetting", name: "xmloption", value: value(tokens) }
  if (tokens.take("names")) return { _tag: "SetSetting", name: "client_encoding", value: value(tokens) }
  if (tokens.take("schema")) return searchPath(tokens)
  const name = tokens.qualified()
  if (name === undefined) return { _tag: "Other", word: "set" }
  if (!tokens.take("=")) tokens.take("to")
  const full = (name.schema === undefined ? name.name : `${name.schema}.${name.name}`).toLowerCase()
  return full === "search_path" ? searchPath(tokens) : { _tag: "SetSetting", name: full, value: value(tokens) }
}

/** A list of schemas: words, quoted names or literals, each of them one schema. */
const searchPath = (tokens: StatementTokens): StatementKind => {
  const path: Array<string> = []
  for (let token = tokens.next(); token !== undefined; token = tokens.next()) {
    if (token.type !== "symbol" && token.text !== "") path.push(token.text)
  }
  return { _tag: "SetSetting", name: "search_path", value: path.join(", "), path }
}

/** One value is given without its quotes, several as they are written. */
const value = (tokens: StatementTokens): string =>
  tokens.peek(1) === undefined ? (tokens.next()?.text ?? "") : tokens.rest()

const authorization = (tokens: StatementTokens): StatementKind => {
  const role = tokens.take("default") ? undefined : tokens.next()?.text
  return role === undefined ? { _tag: "SessionAuthorization" } : { _tag: "SessionAuthorization", role }
}

const select = (tokens: StatementTokens): StatementKind => {
  const all = tokens.take("*", "from")
  tokens.take("pg_catalog", ".")
  const call = tokens.identifier() ?? ""
  // pg_dump --statistics, 18 and later
  if (all)
    return /^pg_restore_\w+_stats$/.test(call) ? { _tag: "RestoreStatistics" } : { _tag: "Other", word: "select" }
  const argument = tokens.take("(") ? tokens.next() : undefined
  switch (call) {
    case "set_config": {
      if (argument?.type !== "text" || !tokens.take(",")) break
      const [name, value] = [argument.text.toLowerCase(), tokens.next()?.text ?? ""]
      // Here the list is inside the literal.
      if (name === "search_path") return searchPath(new StatementTokens(Buffer.from(value), utf8))
      return { _tag: "SetSetting", name, value }
    }
    case "setval": {
      if (argument?.type !== "text" || !tokens.take(",")) break
      const sequence = new StatementTokens(Buffer.from(argument.text), utf8).qualified()
      if (sequence === undefined) break
      const sign = tokens.take("-") ? "-" : ""
      const value = sign + (tokens.next()?.text ?? "")
      return { _tag: "SequenceValue", ...sequence, value, called: !tokens.take(",", "false") }
    }
    case "lo_unlink":
      if (argument?.type === "text") return { _tag: "LargeObjectUnlink", oid: argument.text }
      // pg_dump --if-exists: SELECT pg_catalog.lo_unlink(oid) FROM … WHERE oid = '16400'
      if (!tokens.take(")") || !tokens.skipTo("where", "oid", "=")) return { _tag: "LargeObjectUnlink" }
      return { _tag: "LargeObjectUnlink", oid: tokens.next()?.text ?? "" }
    case "lo_create":
    case "lo_open":
    case "lowrite":
    case "lo_close":
      return { _tag: "LargeObjectCall", call, ...(argument?.type === "text" ? { oid: argument.text } : {}) }
  }
  return { _tag: "Other", word: "select" }
}

/** Words that stand before the kind in CREATE. */
const adjectives = [
  "temporary",
  "temp",
  "local",
  "global",
  "unlogged",
  "recursive",
  "unique",
  "trusted",
  "procedural",
  "constraint",
  "default"
]
const isRole = (kind: string): boolean => kind === "ROLE" || kind === "USER" || kind === "GROUP"

/** The kinds that a restore treats by name, whatever is done to them. */
const special = (
  tokens: StatementTokens,
  action: ObjectAction,
  kind: string,
  roles: Roles = []
): StatementKind | undefined => {
  if (kind === "SCHEMA") return { _tag: "Schema", action, schema: tokens.identifier() ?? "", roles }
  if (kind === "EXTENSION") return { _tag: "Extension", action, name: tokens.identifier() ?? "" }
  if (kind === "DATABASE") return { _tag: "Database", action }
  if (isRole(kind)) {
    const role = tokens.identifier() ?? ""
    // A role's settings in one database: pg_dump --create writes them with those of the database.
    return tokens.take("in", "database") ? { _tag: "Database", action } : { _tag: "Role", action, role }
  }
  return undefined
}

/** What stands on a table and is named without a schema of its own. */
const onTable = new Set(["TRIGGER", "RULE", "POLICY"])

const create = (tokens: StatementTokens): StatementKind => {
  const replaces = tokens.take("or", "replace")
  while (adjectives.some((adjective) => tokens.take(adjective))) {}
  const kind = kindOf(tokens)
  if (kind === "INDEX") tokens.take("concurrently")
  guard(tokens)
  if (kind === "SCHEMA") {
    const schema = tokens.peek()?.text === "authorization" ? undefined : tokens.identifier()
    const roles = tokens.take("authorization") ? tokens.names() : []
    return { _tag: "Schema", action: "create", schema: schema ?? roles[0] ?? "", roles: named(roles) }
  }
  const found = special(tokens, "create", kind)
  if (found !== undefined) return found
  const on = tokens.peek()?.text === "on" && tokens.peek()?.type === "word"
  const name = on ? undefined : nameOf(tokens, kind)
  if ((kind === "INDEX" || onTable.has(kind)) && tokens.skipTo("on")) {
    // The table names the schema; a rule names its event first.
    if (kind === "RULE") tokens.skipTo("to")
    tokens.take("only")
    const schema = tokens.qualified()?.schema
    const roles = kind === "POLICY" && tokens.skipTo("to") ? named(tokens.names()) : []
    return {
      _tag: "Create",
      kind,
      ...name,
      ...(schema === undefined ? {} : { schema }),
      ...(roles.length === 0 ? {} : { roles })
    }
  }
  if (kind === "CAST" || kind === "TRANSFORM") return { _tag: "Create", kind }
  const hollow = kind === "VIEW" && replaces && tokens.skipTo("as") && tokens.take("select", "null", ":", ":")
  const native =
    (kind === "FUNCTION" || kind === "PROCEDURE") &&
    tokens.skipTo("language") &&
    (tokens.take("c") || tokens.take("internal"))
  return { _tag: "Create", kind, ...name, ...(hollow ? { hollow } : {}), ...(native ? { native } : {}) }
}

const drop = (tokens: StatementTokens): StatementKind => {
  if (tokens.take("owned")) return { _tag: "Other", word: "drop owned" }
  tokens.take("procedural")
  const kind = kindOf(tokens)
  if (kind === "INDEX") tokens.take("concurrently")
  const guarded = guard(tokens)
  const found = special(tokens, "drop", kind)
  if (found !== undefined) return found
  const name = kind === "CAST" || kind === "TRANSFORM" ? undefined : nameOf(tokens, kind)
  return { _tag: "Drop", kind, ...name, ...(guarded ? { guarded } : {}) }
}

const alter = (tokens: StatementTokens): StatementKind => {
  if (tokens.take("system")) return { _tag: "AlterSystem" }
  if (tokens.take("default", "privileges")) return defaultPrivileges(tokens)
  tokens.take("procedural")
  const kind = kindOf(tokens)
  const guarded = guard(tokens) ? { guarded: true as const } : {}
  if (kind === "SCHEMA") {
    const schema = tokens.identifier() ?? ""
    if (!tokens.take("owner", "to")) return { _tag: "Schema", action: "alter", schema, roles: [] }
    return { _tag: "Schema", action: "owner", schema, roles: named(tokens.names()) }
  }
  const found = special(tokens, "alter", kind)
  if (found !== undefined) return found
  const name = anyName(tokens, kind)
  if (kind === "TABLE" && name !== undefined) {
    if (tokens.take("add", "constraint")) return addConstraint(tokens, name)
    if (tokens.take("drop", "constraint")) {
      guard(tokens)
      return { _tag: "Drop", kind: "CONSTRAINT", ...name, name: tokens.identifier() ?? "", ...guarded }
    }
    if (tokens.take("alter")) {
      tokens.take("column")
      const column = tokens.identifier() ?? ""
      if (tokens.take("drop", "default")) return { _tag: "Drop", kind: "DEFAULT", ...name, name: column, ...guarded }
      if (tokens.take("set", "compression")) return { _tag: "Alter", kind, ...name, compression: true }
      return { _tag: "Alter", kind, ...name }
    }
  }
  if (!tokens.skipTo("owner", "to")) return { _tag: "Alter", kind, ...name }
  return { _tag: "OwnerTo", kind, ...name, owner: tokens.identifier() ?? "" }
}

const constraints: ReadonlyArray<ConstraintKind> = [
  "primary key",
  "unique",
  "foreign key",
  "check",
  "exclude",
  "not null"
]

const addConstraint = (tokens: StatementTokens, table: QualifiedName): StatementKind => {
  tokens.identifier()
  const constraint = constraints.find((words) => tokens.take(...words.split(" ")))
  return constraint === undefined
    ? { _tag: "Alter", kind: "TABLE", ...table }
    : { _tag: "AddConstraint", table, constraint }
}

const named = (roles: Roles): Roles => roles.filter((role) => !pseudoRoles.has(role))

const grantees = (tokens: StatementTokens, action: "grant" | "revoke"): Roles => {
  if (!tokens.skipTo(action === "grant" ? "to" : "from")) return []
  tokens.take("group")
  return named(tokens.names())
}

const defaultPrivileges = (tokens: StatementTokens): StatementKind => {
  const forRole = tokens.take("for", "role") || tokens.take("for", "user") ? tokens.identifier() : undefined
  let word = tokens.next()?.text
  while (word !== undefined && word !== "grant" && word !== "revoke") word = tokens.next()?.text
  const roles = grantees(tokens, word === "revoke" ? "revoke" : "grant")
  return { _tag: "DefaultPrivileges", ...(forRole === undefined ? {} : { forRole }), roles }
}

const grant = (tokens: StatementTokens, word: string): StatementKind => {
  const action = word === "grant" ? "grant" : "revoke"
  const to = action === "grant" ? "to" : "from"
  // `GRANT role TO role` has no ON.
  const before: Array<string> = []
  for (let token = tokens.peek(); token !== undefined && token.text !== "on" && token.text !== to;) {
    if (token.type === "word" || token.type === "name") before.push(token.text)
    tokens.next()
    token = tokens.peek()
  }
  if (!tokens.take("on")) {
    return { _tag: "Grant", action, membership: true, roles: [...named(before), ...grantees(tokens, action)] }
  }
  if (tokens.take("database")) return { _tag: "Database", action }
  if (!tokens.take("schema")) {
    const kind = kindOf(tokens)
    const name = kind === "LARGE OBJECT" ? anyName(tokens, kind) : tokens.qualified()
    return { _tag: "Grant", action, kind, ...name, roles: grantees(tokens, action) }
  }
  const schemas = tokens.names()
  const roles = grantees(tokens, action)
  const schema = schemas[0]
  if (schema === undefined || schemas.length > 1) return { _tag: "Grant", action, kind: "SCHEMA", roles }
  return { _tag: "Schema", action, schema, roles }
}

/** Kinds that are a part of something else, whose name stands elsewhere or is not one alone. */
const parts = new Set([
  "",
  "CAST",
  "COLUMN",
  "CONSTRAINT",
  "DOMAIN CONSTRAINT",
  "POLICY",
  "RULE",
  "TRANSFORM",
  "TRIGGER"
])

const comment = (tokens: StatementTokens): StatementKind => {
  const kind = tokens.take("on") ? kindOf(tokens) : ""
  const found = special(tokens, "comment", kind)
  if (found !== undefined) return found
  return { _tag: "Comment", kind, ...(parts.has(kind) ? {} : anyName(tokens, kind)) }
}

const securityLabel = (tokens: StatementTokens): StatementKind => {
  const kind = tokens.skipTo("on") ? kindOf(tokens) : ""
  return kind === "DATABASE" ? { _tag: "Database", action: "alter" } : { _tag: "SecurityLabel", kind }
}

const insert = (tokens: StatementTokens, word: string): StatementKind => {
  const table = tokens.take("into") ? tokens.qualified() : undefined
  return table === undefined ? { _tag: "Other", word } : { _tag: "InsertInto", table }
}

/**
 * How many rows an INSERT as pg_dump writes it holds: the lists behind VALUES, or one of DEFAULT VALUES. Undefined for
 * any other.
 */
export const insertedRows = (bytes: Uint8Array): number | undefined => {
  const tokens = new StatementTokens(bytes, utf8)
  if (!tokens.take("insert", "into") || tokens.qualified() === undefined) return undefined
  if (tokens.take("default", "values")) return 1
  if (!tokens.skipTo("values")) return undefined
  let rows = 0
  do {
    if (!tokens.take("(") || !tokens.skipTo(")")) return undefined
    rows++
  } while (tokens.take(","))
  return rows
}

/** pg_dump --create --clean makes a template an ordinary database before it drops it. */
const update = (tokens: StatementTokens, word: string): StatementKind =>
  tokens.take("pg_catalog", ".", "pg_database") ? { _tag: "Database", action: "alter" } : { _tag: "Other", word }

const copy = (tokens: StatementTokens): StatementKind => {
  if (tokens.take("(")) return { _tag: "CopyTo" }
  tokens.take("binary")
  const table = tokens.qualified()
  const columns = tokens.take("(") ? tokens.names() : []
  tokens.take(")")
  if (tokens.take("to")) return { _tag: "CopyTo" }
  tokens.skipTo("from")
  const source = tokens.take("stdin") || tokens.take("stdout") ? "stdin" : tokens.take("program") ? "program" : "file"
  if (source !== "stdin") tokens.next()
  return { _tag: "CopyFrom", source, ...(table === undefined ? {} : { table }), columns, options: tokens.rest() }
}

const readers = {
  set,
  select,
  create,
  drop,
  alter,
  grant,
  revoke: grant,
  comment,
  copy,
  insert,
  update,
  security: securityLabel,
  reset: (tokens: StatementTokens): StatementKind => {
    if (tokens.take("session", "authorization")) return { _tag: "SessionAuthorization" }
    return { _tag: "Other", word: "reset" }
  },
  begin: transaction,
  start: () => control("START"),
  commit: transaction,
  end: transaction,
  rollback: transaction,
  abort: transaction,
  savepoint: transaction,
  release: transaction,
  prepare: (tokens: StatementTokens): StatementKind =>
    tokens.take("transaction") ? control("PREPARE TRANSACTION") : { _tag: "Other", word: "prepare" }
}
