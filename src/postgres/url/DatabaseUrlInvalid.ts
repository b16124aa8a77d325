/** What is wrong with a connection string, told without a word of it that might be a secret. */
import * as Schema from "effect/Schema"
import { problemFields } from "../DatabaseError.ts"

/** The connection string is missing or cannot be read. */
export class DatabaseUrlInvalid extends Schema.TaggedError<DatabaseUrlInvalid>()("DatabaseUrlInvalid", problemFields) {}

/** How one is written. */
export const example = "postgresql://user:password@localhost:5432/database"

/**
 * The error. Its texts name parameters and what they may be, never what stands in the string: of a string that is
 * mutilated nobody can tell which part is the password.
 */
export const invalid = (message: string, suggestion = `Write it as ${example}`): DatabaseUrlInvalid =>
  new DatabaseUrlInvalid({ message, suggestion, state: "untouched" })
