/** Surveys that no server was asked for, for rules that only read one. */
import type { CatalogObject } from "../../src/postgres/survey/Objects.ts"
import type { SchemaFacts } from "../../src/postgres/survey/Schemas.ts"
import type { Survey } from "../../src/postgres/survey/Survey.ts"

/** A schema of the role "other", in which the role "me" may create, and that can be put back unless told otherwise. */
export const schema = (
  name: string,
  more: Partial<Extract<SchemaFacts, { readonly exists: true }>> = {}
): SchemaFacts => ({
  oid: "2200",
  name,
  exists: true,
  owner: "other",
  ownedByRole: false,
  canCreate: true,
  recreatable: true,
  recreate: [`CREATE SCHEMA "${name}" AUTHORIZATION "other"`],
  ...more
})

/** An object in schema public that the role "me" owns. Its key is its name. */
export const object = (kind: string, name: string, more: Partial<CatalogObject> = {}): CatalogObject => ({
  key: name,
  kind,
  schema: "public",
  name,
  identity: `public.${name}`,
  owner: "me",
  droppable: true,
  extension: null,
  holdsRows: kind === "TABLE",
  partitionOf: null,
  ...more
})

/** The role "me" on a server of version 15, no superuser, and schema public. */
export const surveyOf = (more: Partial<Survey> = {}): Survey => ({
  server: {
    versionNumber: 150018,
    version: "15.18",
    database: "app",
    encoding: "UTF8",
    inRecovery: false,
    canCreateInDatabase: false,
    schemas: new Set(["public", "pg_catalog"]),
    settings: new Set(["search_path", "work_mem", "statement_timeout"])
  },
  role: { name: "me", superuser: false },
  roles: [{ name: "me", member: true, inherits: true, settable: true }],
  extensions: [],
  availableExtensions: [],
  schemas: [schema("public")],
  objects: [],
  dependencies: [],
  outside: [],
  published: [],
  subscribed: [],
  defaultPrivileges: [],
  databaseWide: [],
  largeObjects: [],
  holders: [],
  configTables: [],
  definitions: undefined,
  ...more
})
