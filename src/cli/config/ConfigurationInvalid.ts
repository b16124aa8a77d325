/** What is wrong with the configuration: the file, a variable, or what the command line says against them. */
import * as Schema from "effect/Schema"
import { problemFields } from "../../postgres/DatabaseError.ts"

/** The configuration cannot be used, or does not say what is needed. Nothing was touched. */
export class ConfigurationInvalid extends Schema.TaggedError<ConfigurationInvalid>()("ConfigurationInvalid", {
  ...problemFields,
  /** The file that it stands in. */
  file: Schema.optionalKey(Schema.String)
}) {}

/** The error; what it says never repeats a value that might be a secret. */
export const invalid = (
  message: string,
  suggestion: string,
  more: { readonly detail?: string; readonly file?: string } = {}
): ConfigurationInvalid => new ConfigurationInvalid({ message, suggestion, state: "untouched", ...more })
