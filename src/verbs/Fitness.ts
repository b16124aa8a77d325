/** Whether a target can take a dump at all, asked before anything is dropped. */
import type { Contents } from "../dumps/DumpReading.ts"
import { PermissionDenied, ReadOnlyTarget } from "../postgres/DatabaseError.ts"
import { quote } from "../postgres/Identifier.ts"
import type { Survey } from "../postgres/survey/Survey.ts"
import { TargetUnfit } from "./VerbError.ts"

/**
 * What stands against restoring, the first reason found, or undefined.
 *
 * The right to create is asked by `has_schema_privilege` and `has_database_privilege`, not by trying: a restore
 * without it would fail only after everything was dropped.
 */
export const unfit = (
  survey: Survey,
  contents: Contents
): PermissionDenied | ReadOnlyTarget | TargetUnfit | undefined => {
  const { server, role } = survey
  if (server.inRecovery) {
    return new ReadOnlyTarget({
      message: `${server.database} is on a replica, which accepts no writes.`,
      suggestion: "Connect to the primary server.",
      state: "untouched"
    })
  }
  for (const schema of survey.schemas) {
    if (schema.exists ? schema.canCreate : server.canCreateInDatabase) continue
    return new PermissionDenied({
      message: schema.exists
        ? `The role ${quote(role.name)} may not create anything in schema ${quote(schema.name)}.`
        : `The role ${quote(role.name)} may not create the schema ${quote(schema.name)}, which the dump needs.`,
      ...(schema.exists ? { detail: `The schema belongs to ${quote(schema.owner)}.` } : {}),
      suggestion: schema.exists
        ? `Have its owner run: GRANT USAGE, CREATE ON SCHEMA ${quote(schema.name)} TO ${quote(role.name)};`
        : `Have the database's owner run: GRANT CREATE ON DATABASE ${quote(server.database)} TO ${quote(role.name)};`,
      state: "untouched"
    })
  }
  const installed = new Set(survey.extensions.map(({ name }) => name))
  for (const name of contents.extensions) {
    if (installed.has(name)) continue
    const available = survey.availableExtensions.find((extension) => extension.name === name)
    if (available === undefined) {
      return new TargetUnfit({
        message: `The dump needs the extension ${quote(name)}, which this server does not offer.`,
        suggestion: "Install its package on the server, or restore into a server that has it.",
        state: "untouched"
      })
    }
    const may = role.superuser || !available.superuserOnly || (available.trusted && server.canCreateInDatabase)
    if (!may) {
      return new PermissionDenied({
        message: `The dump needs the extension ${quote(name)}, which the role ${quote(role.name)} may not create.`,
        suggestion: `Have an administrator run in this database: CREATE EXTENSION ${quote(name)};`,
        state: "untouched"
      })
    }
  }
  return undefined
}
