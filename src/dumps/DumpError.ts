/** What can be wrong with a dump, or with the folder it lives in. */
import * as Schema from "effect/Schema"
import { problemFields } from "../postgres/DatabaseError.ts"

const fileFields = {
  ...problemFields,
  /** The dump, its manifest or the folder. */
  file: Schema.String
}

/** There is no such dump, or none at all. */
export class DumpMissing extends Schema.TaggedError<DumpMissing>()("DumpMissing", fileFields) {}

/** The dump is incomplete or not what its manifest says. */
export class DumpDamaged extends Schema.TaggedError<DumpDamaged>()("DumpDamaged", {
  ...fileFields,
  /** Where in the dump, counted from 1. */
  line: Schema.optionalKey(Schema.Int)
}) {}

/** That error, from what is wrong as the end of a sentence. */
export const damaged = (
  file: string,
  reason: string,
  more: { readonly detail?: string; readonly line?: number; readonly suggestion?: string } = {}
): DumpDamaged =>
  new DumpDamaged({
    message: `The dump ${file} is damaged: ${reason}.`,
    suggestion: "Use another dump, or make a new one. Nothing was touched.",
    state: "untouched",
    file,
    ...more
  })

/** The dump does something that no restore may do. */
export class DumpUnsafe extends Schema.TaggedError<DumpUnsafe>()("DumpUnsafe", {
  ...fileFields,
  /** Where in the dump, counted from 1. */
  line: Schema.optionalKey(Schema.Int)
}) {}

/** The dump was made with only part of the rows of some tables, on purpose, and nobody has said that this will do. */
export class DumpPartial extends Schema.TaggedError<DumpPartial>()("DumpPartial", {
  ...fileFields,
  /** Qualified and quoted. */
  tables: Schema.Array(Schema.String)
}) {}

/** A dump, its manifest or the folder of dumps cannot be read. */
export class DumpUnreadable extends Schema.TaggedError<DumpUnreadable>()("DumpUnreadable", fileFields) {}

/** The folder of dumps, or a file in it, cannot be written. */
export class FolderUnusable extends Schema.TaggedError<FolderUnusable>()("FolderUnusable", fileFields) {}

/** No space is left to write the dump. */
export class DiskFull extends Schema.TaggedError<DiskFull>()("DiskFull", fileFields) {}

/** What can go wrong with a dump or its folder. */
export type DumpError =
  | DumpMissing
  | DumpUnreadable
  | DumpDamaged
  | DumpPartial
  | DumpUnsafe
  | FolderUnusable
  | DiskFull
