/**
 * The survey of a target: who we are there, what stands in the schemas in scope, what of it this role may drop, and
 * whether it could put a schema back. Reads the catalogue in a dozen queries however many objects there are, and besides
 * only whether tables of extensions hold rows of the user.
 */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { DatabaseError } from "../DatabaseError.ts"
import { readDefinitions } from "./Definitions.ts"
import {
  type ConfigTable,
  type DatabaseObject,
  type LargeObject,
  readConfigTables,
  readDatabaseWide,
  readLargeObjects
} from "./DatabaseWide.ts"
import { type DefaultPrivileges, readDefaultPrivileges } from "./DefaultPrivileges.ts"
import { readDependencies } from "./Dependencies.ts"
import type { Dependency } from "./DropOrder.ts"
import { type Holder, readHolders } from "./Holders.ts"
import { type CatalogObject, readObjects } from "./Objects.ts"
import type { OutsideDependent } from "./Outside.ts"
import { type PublishedTable, readPublished } from "./Publications.ts"
import { readSchemas, type SchemaFacts } from "./Schemas.ts"
import { readSubscribed, type SubscribedTable } from "./Subscriptions.ts"
import {
  type AvailableExtension,
  type InstalledExtension,
  readAvailableExtensions,
  readInstalledExtensions,
  readRoles,
  readServer,
  type RoleFacts,
  type RoleMembership,
  type ServerFacts
} from "./Server.ts"

/** What to look at. */
export interface SurveyScope {
  /** Names as in the catalogue, unquoted; missing ones are reported as such. */
  readonly schemas: ReadonlyArray<string>
  /** OIDs of large objects that may be there. */
  readonly largeObjects?: ReadonlyArray<string>
  /** Read what each object is, too: a second or so for thousands of tables. */
  readonly definitions?: boolean
  /** Tables that may be an extension's. */
  readonly tables?: ReadonlyArray<{ readonly schema: string; readonly name: string }>
  /** Extensions that may have to be created; to look for them takes the server a while. */
  readonly extensions?: ReadonlyArray<string> | "all"
}

export interface Survey {
  readonly server: ServerFacts
  /** The role that the session acts as. */
  readonly role: RoleFacts
  /** Every role of the server, and how this role stands to it. */
  readonly roles: ReadonlyArray<RoleMembership>
  readonly extensions: ReadonlyArray<InstalledExtension>
  /** Those of the extensions asked for whose files the server has; one that is installed only where all are. */
  readonly availableExtensions: ReadonlyArray<AvailableExtension>
  /** The schemas asked for, in that order. */
  readonly schemas: ReadonlyArray<SchemaFacts>
  /** What stands in them, extension members included and marked. */
  readonly objects: ReadonlyArray<CatalogObject>
  /** Which of the objects (extension members left out) and of the outside dependents need which. */
  readonly dependencies: ReadonlyArray<Dependency>
  /** What is not among the objects and depends on them. */
  readonly outside: ReadonlyArray<OutsideDependent>
  /** Tables among the objects that publications name. */
  readonly published: ReadonlyArray<PublishedTable>
  /** Tables among the objects that subscriptions fill. */
  readonly subscribed: ReadonlyArray<SubscribedTable>
  /** What would give what a restore creates in these schemas other rights than the dump's. */
  readonly defaultPrivileges: ReadonlyArray<DefaultPrivileges>
  /** What stands in no schema: publications, event triggers, foreign servers … */
  readonly databaseWide: ReadonlyArray<DatabaseObject>
  /** Those of the large objects asked for that are there. */
  readonly largeObjects: ReadonlyArray<LargeObject>
  /** Those of the tables asked for that an extension owns and whose rows it leaves to the user. */
  readonly configTables: ReadonlyArray<ConfigTable>
  /** Other sessions that held locks on the objects when they were looked at. */
  readonly holders: ReadonlyArray<Holder>
  /** Digests of what the objects are, by key, where they were asked for. */
  readonly definitions: ReadonlyMap<string, string> | undefined
}

/**
 * Surveys the database of this connection.
 *
 * The queries are separate statements: run them in one transaction, or under a lock, where nothing may change between
 * them.
 */
export const survey = Effect.fn("Survey.survey")(function* ({
  schemas,
  definitions = false,
  extensions: needed = [],
  largeObjects = [],
  tables = []
}: SurveyScope): Effect.fn.Return<Survey, DatabaseError, SqlClient.SqlClient> {
  const { server, role } = yield* readServer()
  const roles = yield* readRoles(server.versionNumber)
  const extensions = yield* readInstalledExtensions()
  const installed = new Set(extensions.map(({ name }) => name))
  const availableExtensions = yield* readAvailableExtensions(
    needed === "all" ? needed : needed.filter((name) => !installed.has(name))
  )
  const objects = yield* readObjects(schemas)
  const { dependencies, outside } = yield* readDependencies(schemas)
  const published = yield* readPublished(schemas, server.versionNumber)
  const { versionNumber, canCreateInDatabase } = server
  const known = { versionNumber, canCreateInDatabase, role, outside, published }
  return {
    server,
    role,
    roles,
    extensions,
    availableExtensions,
    schemas: yield* readSchemas(schemas, known),
    objects,
    dependencies,
    outside,
    published,
    subscribed: yield* readSubscribed(schemas),
    defaultPrivileges: yield* readDefaultPrivileges(schemas),
    databaseWide: yield* readDatabaseWide(versionNumber),
    largeObjects: yield* readLargeObjects(largeObjects),
    configTables: yield* readConfigTables(tables),
    holders: yield* readHolders(schemas),
    definitions: definitions ? yield* readDefinitions(schemas) : undefined
  }
})
