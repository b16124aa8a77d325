/** Grants as a file of SQL, for those who reach the database by phpPgAdmin's upload or by psql alone. */
import { connecting, coversFunctions, type Options, statements } from "./Grants.ts"
import { literalInLine } from "./Identifier.ts"
import { grantableType, isOfExtension } from "./Scope.ts"

/** A text within a comment of one line. */
const comment = (text: string) => `-- ${text.replaceAll(/[\r\n]+/g, " ")}`

const among = (column: string, names: ReadonlyArray<string>): string =>
  `${column} IN (${names.map(literalInLine).join(", ")})`

/** A body in dollar quotes, under a tag that does not occur in it. */
const dollarQuoted = (body: string): string => {
  let tag = "$pgark$"
  for (let n = 1; body.includes(tag); n++) tag = `$pgark${n}$`
  return `${tag} ${body} ${tag}`
}

/**
 * Grants on the functions and types that a role may not use: as one statement, since which these are shows only when
 * it runs, and `ON ALL FUNCTIONS` fails where an extension has functions of its own there (for types there is no ALL).
 */
const functionsAndTypes = ({ roles, schemas }: Options): string => {
  const scope = `${among("n.nspname", schemas)} AND ${among("r.rolname", roles)}`
  const functions =
    "SELECT pg_catalog.format('GRANT EXECUTE ON ROUTINE %I.%I(%s) TO %I', n.nspname, p.proname, " +
    "pg_catalog.oidvectortypes(p.proargtypes), r.rolname) " +
    "FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace CROSS JOIN pg_catalog.pg_roles r " +
    `WHERE ${scope} AND NOT pg_catalog.has_function_privilege(r.oid, p.oid, 'EXECUTE') ` +
    "AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE WITH GRANT OPTION') " +
    `AND NOT ${isOfExtension("pg_proc", "p.oid")}`
  const types =
    "SELECT pg_catalog.format('GRANT USAGE ON TYPE %I.%I TO %I', n.nspname, t.typname, r.rolname) " +
    "FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace CROSS JOIN pg_catalog.pg_roles r " +
    `WHERE ${scope} AND ${grantableType} AND NOT pg_catalog.has_type_privilege(r.oid, t.oid, 'USAGE') ` +
    "AND pg_catalog.has_type_privilege(t.oid, 'USAGE WITH GRANT OPTION') " +
    `AND NOT ${isOfExtension("pg_type", "t.oid")}`
  const body = `DECLARE statement text; BEGIN FOR statement IN ${functions} UNION ALL ${types} LOOP EXECUTE statement; END LOOP; END`
  return `DO ${dollarQuoted(body)};`
}

/**
 * The statements as a file for phpPgAdmin's upload or for psql: each statement on one line, plain SQL, and as a
 * comment at the end the query that shows what was granted.
 *
 * @param database the one it is for; where it is not known, the right to connect to it is only a comment
 */
export const sqlFile = (options: Options, database: string | undefined): string => {
  const { roles, schemas, profile } = options
  const lines = [
    comment(`Rights of ${roles.join(", ")} (profile "${profile}") on ${schemas.join(", ")}, written by pgark.`),
    "-- Run this file as the owner of the tables: in phpPgAdmin by SQL > Choose File > Execute, or by psql -f.",
    "",
    "-- Only the owner of the database may grant this. From others the server takes it with a warning, which does no",
    "-- harm where the role may connect anyway.",
    database === undefined
      ? comment(`${connecting(roles, "name of the database").sql};`)
      : `${connecting(roles, database).sql};`,
    ...statements(options).flatMap(({ sql, what }) => [comment(what), `${sql};`]),
    ...(coversFunctions(profile)
      ? ["-- grant use of functions and types that not everyone may use", functionsAndTypes(options)]
      : []),
    "",
    "-- To see afterwards what was granted, run this without the two dashes:",
    "-- SELECT grantee, table_schema, table_name, privilege_type FROM information_schema.table_privileges WHERE " +
      `${among("grantee", roles)} AND ${among("table_schema", schemas)} ` +
      "ORDER BY grantee, table_schema, table_name, privilege_type;",
    ""
  ]
  // The bytes of the file are UTF-8, and psql takes them for what the locale says.
  return lines.some((line) => /[^\p{ASCII}]/u.test(line))
    ? [...lines.slice(0, 2), "SET client_encoding = 'UTF8';", ...lines.slice(2)].join("\n")
    : lines.join("\n")
}

/** The statements of such a file, without the semicolons. */
export const statementsOf = (file: string): ReadonlyArray<string> =>
  file.split("\n").flatMap((line) => (line === "" || line.startsWith("--") ? [] : [line.replace(/;$/, "")]))
