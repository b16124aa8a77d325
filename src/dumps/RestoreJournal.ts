/**
 * What a restore notes beside its safety dump, so that the way back is found whatever became of the run: one file each,
 * `restore_<moment>_<OID of the database>.json`, flushed before each step that it announces.
 */
import { join } from "node:path"
import * as Arr from "effect/Array"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { DiskFull, FolderUnusable } from "./DumpError.ts"
import { DumpDamaged, type DumpUnreadable } from "./DumpError.ts"
import * as DumpFile from "./DumpFile.ts"
import { makeFolder, removeIfEmpty } from "./DumpFolder.ts"
import * as Flushing from "./Flushing.ts"
import { partialOf } from "./Reserving.ts"

/** The version of journals that this pgark writes and reads. */
export const journalVersion = 1

/**
 * A database: two with the same number on the same system are one, whatever host and name it is reached by. Where the
 * system is not known, host and port stand for it.
 */
export const Target = Schema.Struct({
  /** `system_identifier` of the cluster; empty where the role, or the provider's PostgreSQL, does not allow it to be read. */
  system: Schema.String,
  /** OID of the database. */
  oid: Schema.String.check(Schema.isPattern(/^\d*$/)),
  database: Schema.String,
  host: Schema.String,
  port: Schema.Int
})
export type Target = typeof Target.Type

/** An object by name; see `NamedObject`. */
const Named = Schema.Struct({ kind: Schema.String, schema: Schema.optionalKey(Schema.String), name: Schema.String })

/** One right on a schema or something in it, or one of the default privileges of a role. See `SchemaRights`. */
export const Right = Schema.Struct({
  /** Empty for default privileges that hold in all schemas, and for the database itself. */
  schema: Schema.String,
  /** What it is about, where that is not the schema: a kind as GRANT has it, and the name as SQL. */
  on: Schema.optionalKey(
    Schema.Struct({ kind: Schema.String, name: Schema.String, column: Schema.optionalKey(Schema.String) })
  ),
  /** Of default privileges the role whose objects they are about, and `pg_default_acl.defaclobjtype`. */
  defaults: Schema.optionalKey(Schema.Struct({ role: Schema.String, objects: Schema.String })),
  /** Null for everybody. */
  grantee: Schema.NullOr(Schema.String),
  grantor: Schema.String,
  privilege: Schema.String,
  grantable: Schema.Boolean
})
export type Right = typeof Right.Type

const Server = Schema.Struct({
  started: Schema.String,
  history: Schema.optionalKey(Schema.Struct({ system: Schema.String, timeline: Schema.optionalKey(Schema.String) }))
})

/** A name in the journal's folder: what a journal names may be removed. */
const Beside = Schema.String.check(Schema.isPattern(/^[^/\\]+$/))

/** A table that a publication names; see `PublishedTable`. */
const Published = Schema.Struct({
  schema: Schema.String,
  table: Schema.String,
  publication: Schema.String,
  owner: Schema.String,
  owned: Schema.Boolean,
  restore: Schema.String
})

export const Journal = Schema.Struct({
  version: Schema.Literal(journalVersion),
  /** When the run began. */
  at: Schema.DateTimeUtcFromString,
  target: Target,
  by: Schema.Literals(["restore", "undo"]),
  /** The dump that was restored. */
  file: Schema.String,
  /** One transaction, or one of the ways that need several. */
  way: Schema.Literals(["transaction", "aside", "batches"]),
  /**
   * `begun`: nothing has been replaced, unless the transaction `xid` was committed. `replacing`: the target is between
   * two states. `done`: the new state is complete.
   */
  state: Schema.Literals(["begun", "replacing", "done"]),
  /** The transaction that replaces, or begins to, from just before its COMMIT. */
  xid: Schema.optionalKey(Schema.String),
  /** The server whose number that is; see `ServerMark`. */
  server: Schema.optionalKey(Server),
  /** Name of the safety dump in the same folder. Absent where nothing goes, or where none was wanted. */
  backup: Schema.optionalKey(Beside),
  /** Whether something was there that went. */
  replaces: Schema.Boolean,
  /** Whether all of these schemas may have been replaced; otherwise only what the dump creates. */
  clean: Schema.Boolean,
  /** The schemas that the restore is about. */
  schemas: Schema.Array(Schema.String),
  /** Those of them that were not there before. */
  newSchemas: Schema.Array(Schema.String),
  /** What the dump creates, in schemas and beside them. */
  creates: Schema.Array(Named),
  /** What the safety dump may have too although it was not replaced: it takes schemas whole but for their tables. */
  leaves: Schema.Array(Named),
  /** The tables that the dump fills: some may be an extension's. */
  tables: Schema.Array(Schema.Struct({ schema: Schema.String, name: Schema.String })),
  /** Names of the extensions that it creates. */
  newExtensions: Schema.Array(Schema.String),
  /** OIDs of the large objects that it creates or unlinks. */
  largeObjects: Schema.Array(Schema.String),
  /** Roles that the restore grants rights to, on what stays as well. */
  grantees: Schema.Array(Schema.String),
  /** Rights on these schemas, default privileges, and what these roles might do, as it was. */
  rights: Schema.Array(Right),
  /** Tables that went and were published: with them goes every trace of that. Absent in one transaction. */
  published: Schema.optionalKey(Schema.Array(Published)),
  /** Schemas that were renamed to get out of the way, and what they are called. */
  aside: Schema.optionalKey(Schema.Array(Schema.Struct({ schema: Schema.String, aside: Schema.String }))),
  /** They are kept, and lead back: nothing of what was there is gone. */
  keeps: Schema.optionalKey(Schema.Literal(true))
})
export type Journal = typeof Journal.Type

const Json = Schema.fromJsonString(Schema.toCodecJson(Journal))

/** Restores of several databases may begin at one moment. */
const nameOf = ({ at, target: { oid } }: Pick<Journal, "at" | "target">): string =>
  `restore_${DateTime.formatIso(at).replace(/[:.]/g, "-")}_${oid}.json`

const isJournal = (name: string): boolean => /^restore_[\dTZ_-]+\.json$/.test(name)

/** Journals of one folder. */
export interface Journals {
  /** Newest first. Fails with DumpDamaged where one cannot be read: it may be the one that matters. */
  readonly list: Effect.Effect<ReadonlyArray<Journal>, DumpDamaged | DumpUnreadable>
  /** Writes it, or writes it anew; it is on the disk when this returns. */
  readonly write: (journal: Journal) => Effect.Effect<void, DiskFull | FolderUnusable>
  readonly remove: (journal: Journal) => Effect.Effect<void, DiskFull | FolderUnusable>
  /** Path of its file. */
  readonly path: (journal: Journal) => string
}

const decode = (text: string, file: string) =>
  Schema.decodeEffect(Json)(text).pipe(
    Effect.mapError(
      ({ message }) =>
        new DumpDamaged({
          message: `The journal ${file} is not one that this pgark wrote.`,
          detail: message,
          suggestion: "Use the pgark that wrote it; or move it away, and restore the dump beside it by its name.",
          state: "untouched",
          file
        })
    )
  )

/** The journals in this folder, which is created with the first. */
export const within = (fs: FileSystem.FileSystem, directory: string): Journals => {
  const path = (journal: Journal) => join(directory, nameOf(journal))
  return {
    path,
    list: fs.readDirectory(directory).pipe(
      Effect.catchIf(
        // Where a part of the path is a file, nothing is there either.
        (error) => ["ENOENT", "ENOTDIR"].includes(DumpFile.codeOf(error)),
        () => Effect.succeed([])
      ),
      Effect.mapError(DumpFile.unreadable(directory)),
      Effect.flatMap((names) =>
        Effect.forEach(names.filter(isJournal).toSorted().toReversed(), (name) => {
          const file = join(directory, name)
          return fs.readFileString(file).pipe(
            Effect.asSome,
            // Another pgark, at work on another database, has removed it meanwhile.
            Effect.catchReason("PlatformError", "NotFound", () => Effect.succeedNone),
            Effect.mapError(DumpFile.unreadable(file)),
            Effect.flatMap((text) =>
              Option.isNone(text) ? Effect.succeedNone : Effect.asSome(decode(text.value, file))
            )
          )
        })
      ),
      Effect.map(Arr.getSomes),
      Effect.withSpan("RestoreJournal.list")
    ),
    write: Effect.fn("RestoreJournal.write")(function* (journal: Journal) {
      const file = path(journal)
      const json = yield* Effect.orDie(Schema.encodeEffect(Schema.toCodecJson(Journal))(journal))
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* makeFolder(fs, directory)
          const handle = yield* fs.open(partialOf(file), { flag: "w", mode: 0o600 })
          yield* handle.writeAll(Buffer.from(`${JSON.stringify(json, undefined, 2)}\n`))
          yield* handle.sync
        })
      ).pipe(
        Effect.andThen(fs.rename(partialOf(file), file)),
        Effect.andThen(Flushing.folder(fs, directory)),
        Effect.mapError(DumpFile.unwritable(file))
      )
    }),
    remove: (journal) =>
      Effect.forEach([path(journal), partialOf(path(journal))], (file) => fs.remove(file, { force: true })).pipe(
        Effect.andThen(Flushing.folder(fs, directory)),
        Effect.mapError(DumpFile.unwritable(path(journal))),
        // A folder that was made for it goes with it.
        Effect.andThen(removeIfEmpty(directory))
      )
  }
}
