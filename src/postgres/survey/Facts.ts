/** What a survey found, as named states: what a plan that rests on it may be held against later. */
import type { CatalogObject } from "./Objects.ts"
import type { Survey } from "./Survey.ts"

/** A name that stays the same from one survey to the next, and everything about it that matters. */
export interface Fact {
  readonly name: string
  readonly state: unknown
}

const objectFact = (
  { kind, identity, extension, owner, droppable, key }: CatalogObject,
  definitions: Survey["definitions"]
): Fact => ({
  name: `${kind.toLowerCase()} ${identity}`,
  state: [extension, owner, droppable, definitions?.get(key) ?? null]
})

/** For each object those that need it, by name. */
const dependents = (survey: Survey): ReadonlyArray<Fact> => {
  const names = new Map(survey.objects.map((object) => [object.key, objectFact(object, undefined).name]))
  const found = new Map<string, Array<string>>()
  for (const { dependent, on } of survey.dependencies) {
    const [user, used] = [names.get(dependent), names.get(on)]
    if (user !== undefined && used !== undefined) found.set(used, [...(found.get(used) ?? []), user])
  }
  return [...found].map(([used, users]) => ({ name: `what depends on ${used}`, state: users.toSorted() }))
}

/**
 * Everything that matters for what will be dropped and how: the objects with their owners, what this role may do, what
 * depends on them, and, where the survey has read them, their definitions and rights. No OIDs but those of large objects, whose
 * names they are; no statistics, no rows.
 */
export const facts = (survey: Survey): ReadonlyArray<Fact> => [
  {
    name: "the server",
    state: [survey.server.versionNumber, survey.server.database, survey.server.encoding, survey.server.inRecovery]
  },
  { name: "the role's rights", state: [survey.role, survey.server.canCreateInDatabase] },
  // A superuser is a member of every role, and roles come and go on a server.
  ...(survey.role.superuser ? [] : survey.roles.filter(({ member }) => member)).map((role) => ({
    name: `role ${role.name}`,
    state: role
  })),
  ...survey.schemas.map((schema) => ({ name: `schema ${schema.name}`, state: schema })),
  ...survey.objects.map((object) => objectFact(object, survey.definitions)),
  ...dependents(survey),
  ...survey.outside.map(({ description, on, owner, droppable }) => ({
    name: `${description} (which depends on ${on})`,
    state: [owner, droppable]
  })),
  ...survey.published.map(({ schema, table, publication, restore }) => ({
    name: `table ${schema}.${table} in publication ${publication}`,
    state: restore
  })),
  ...survey.subscribed.map(({ schema, table, subscription, owner }) => ({
    name: `table ${schema}.${table} in subscription ${subscription}`,
    state: owner
  })),
  ...survey.defaultPrivileges.map(({ role, schema, objects, putBack }) => ({
    name: `default privileges of ${role} on ${objects.toLowerCase()}${schema === null ? "" : ` in schema ${schema}`}`,
    state: putBack
  })),
  ...survey.extensions.map((extension) => ({ name: `extension ${extension.name}`, state: extension })),
  ...survey.databaseWide.map(({ kind, name, owner, droppable }) => ({
    name: `${kind.toLowerCase()} ${name}`,
    state: [owner, droppable]
  })),
  ...survey.largeObjects.map(({ oid, owner, droppable }) => ({
    name: `large object ${oid}`,
    state: [owner, droppable]
  })),
  ...survey.configTables.map((table) => ({
    name: `rows of the extension's table ${table.schema}.${table.name}`,
    state: table
  }))
]
