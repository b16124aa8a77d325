/** Whether a target can take a dump at all, asked before anything is dropped. */
import type { Contents } from "../../dumps/DumpReading.ts"
import { PermissionDenied, ReadOnlyTarget } from "../../postgres/DatabaseError.ts"
import { listed, plural } from "../../pipeline/Words.ts"
import { isSystemSchema, qualified, quote } from "../../postgres/Identifier.ts"
import { objectKey } from "../../postgres/ObjectName.ts"
import type { SchemaFacts } from "../../postgres/survey/Schemas.ts"
import type { Survey } from "../../postgres/survey/Survey.ts"
import type { OwnerMode } from "./StatementPolicy.ts"
import { TargetUnfit } from "../VerbError.ts"

/** One thing that is missing. */
export interface Reason {
  /** Whether it is a right, or something that the target does not have. */
  readonly kind: "right" | "lack"
  readonly message: string
  readonly suggestion: string
}

/** What stands on a table needs rights on that table, and none on its schema. */
const onTables = new Set(["POLICY", "RULE", "TRIGGER"])

/** Schemas into which the dump puts something. A schema that it only names, or that was empty, needs no right. */
const filledBy = ({ creates }: Contents): ReadonlySet<string> =>
  new Set(creates.flatMap(({ kind, schema }) => (schema === undefined || onTables.has(kind) ? [] : [schema])))

const schemaReason = (
  schema: SchemaFacts,
  { server, role }: Survey,
  dump: { readonly creates: boolean; readonly fills: boolean }
): Reason | undefined => {
  const name = quote(schema.name)
  if (schema.exists) {
    if (!dump.fills || schema.canCreate) return undefined
    // Nobody logs in as that role: it stands for whoever owns the database.
    const owner =
      schema.owner === "pg_database_owner" ? "the owner of the database" : `its owner ${quote(schema.owner)}`
    return {
      kind: "right",
      message: `The role ${quote(role.name)} may not create anything in schema ${name}.`,
      suggestion: `Have ${owner} run: GRANT USAGE, CREATE ON SCHEMA ${name} TO ${quote(role.name)};`
    }
  }
  if (!dump.creates) {
    if (!dump.fills) return undefined
    return {
      kind: "lack",
      message: `The dump puts objects into schema ${name}, which neither is there nor is created by the dump.`,
      suggestion: `It is a dump of parts of a database. Run CREATE SCHEMA ${name}; first.`
    }
  }
  if (server.canCreateInDatabase) return undefined
  return {
    kind: "right",
    message: `The role ${quote(role.name)} may not create the schema ${name}, which the dump needs.`,
    suggestion: `Have the database's owner run: GRANT CREATE ON DATABASE ${quote(server.database)} TO ${quote(role.name)};`
  }
}

/** Why an extension that is not there cannot be created. */
export const extensionReason = (name: string, { availableExtensions, role, server }: Survey): Reason | undefined => {
  const available = availableExtensions.find((extension) => extension.name === name)
  if (available === undefined) {
    return {
      kind: "lack",
      message: `The dump needs the extension ${quote(name)}, which this server does not offer.`,
      suggestion: "Install its package on the server, or restore into a server that has it."
    }
  }
  if (role.superuser || !available.superuserOnly || (available.trusted && server.canCreateInDatabase)) return undefined
  return {
    kind: "right",
    message: `The dump needs the extension ${quote(name)}, which the role ${quote(role.name)} may not create.`,
    suggestion: `Have an administrator run in this database: CREATE EXTENSION ${quote(name)};`
  }
}

/** Tables that the dump fills or has rows for and does not create: they must be there, and stay. */
const tablesReason = (survey: Survey, { creates, tables }: Contents, clean: boolean): Reason | undefined => {
  const created = new Set(creates.map(objectKey))
  const present = new Set(
    survey.objects.filter(({ extension }) => !clean || extension !== null).map((object) => objectKey(object))
  )
  const lacking = tables
    .map((table) => ({ kind: "TABLE", ...table }))
    .filter((table) => !created.has(objectKey(table)) && !present.has(objectKey(table)))
  if (lacking.length === 0) return undefined
  const names = listed(
    lacking.map(({ schema, name }) => qualified(schema, name)),
    6
  ).join(", ")
  return {
    kind: "lack",
    message: `The dump has rows for ${plural(lacking.length, "table")} that it does not create: ${names}.`,
    suggestion: clean
      ? "It is a dump of rows alone, and --clean would drop the tables for them: restore without --clean."
      : "It is a dump of rows alone: create its tables first, by a dump of the schema or by migrations."
  }
}

const ownersReason = ({ role, roles }: Survey, { owners }: Contents): Reason | undefined => {
  const known = new Map(roles.map((one) => [one.name, one]))
  const denied = owners.filter((owner) => owner !== role.name && known.get(owner)?.settable !== true)
  if (denied.length === 0) return undefined
  return {
    kind: "right",
    message: `The role ${quote(role.name)} may not make ${denied.map(quote).join(", ")} the owner of anything.`,
    suggestion: "Restore with --owner auto, which makes them owners where it may, or as a member of these roles."
  }
}

/** A policy cannot be made without its roles, and none is left out: rows would show that it hides, or hide. */
const policiesReason = ({ roles }: Survey, { policyRoles }: Contents): Reason | undefined => {
  const known = new Set(roles.map(({ name }) => name))
  const absent = policyRoles.filter((role) => !known.has(role)).map(quote)
  if (absent.length === 0) return undefined
  const own = policyRoles.filter((role) => !known.has(role) && isSystemSchema(role)).map(quote)
  return {
    kind: "lack",
    message: `The dump has policies for ${plural(absent.length, "role")} that the server lacks: ${absent.join(", ")}.`,
    suggestion:
      own.length > 0
        ? `${own.join(", ")} can only be had from a newer PostgreSQL: restore into one, or name other roles in the source.`
        : `Have an administrator run: ${absent.map((role) => `CREATE ROLE ${role};`).join(" ")}`
  }
}

/**
 * What stands against restoring, as one error that tells of everything found, or undefined.
 *
 * The right to create is asked by `has_schema_privilege` and `has_database_privilege`, not by trying: a restore
 * without it would fail only after everything was dropped.
 */
export const unfit = (
  survey: Survey,
  contents: Contents,
  wanted: { readonly clean: boolean; readonly owner: OwnerMode },
  /** What its version, encoding and locale say against it. */
  more: ReadonlyArray<Reason> = []
): PermissionDenied | ReadOnlyTarget | TargetUnfit | undefined => {
  if (survey.server.inRecovery) {
    return new ReadOnlyTarget({
      message: `${survey.server.database} is on a replica, which accepts no writes.`,
      suggestion: "Connect to the primary server.",
      state: "untouched"
    })
  }
  const filled = filledBy(contents)
  const created = new Set(contents.creates.flatMap(({ kind, name }) => (kind === "SCHEMA" ? [name] : [])))
  const installed = new Set(survey.extensions.map(({ name }) => name))
  const [first, ...others] = [
    ...more,
    ...survey.schemas.map((schema) =>
      schemaReason(schema, survey, { creates: created.has(schema.name), fills: filled.has(schema.name) })
    ),
    tablesReason(survey, contents, wanted.clean),
    policiesReason(survey, contents),
    wanted.owner === "keep" ? ownersReason(survey, contents) : undefined,
    ...contents.extensions.filter((name) => !installed.has(name)).map((name) => extensionReason(name, survey))
  ].filter((reason) => reason !== undefined)
  if (first === undefined) return undefined
  const fields = {
    message: first.message,
    ...(others.length === 0 ? {} : { detail: others.map(({ message }) => `Also: ${message}`).join("\n") }),
    suggestion: [...new Set([first, ...others].map(({ suggestion }) => suggestion))].join("\n"),
    state: "untouched" as const
  }
  return first.kind === "right" ? new PermissionDenied(fields) : new TargetUnfit(fields)
}
