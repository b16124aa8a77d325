/** The command that takes the last restore back, for messages: with the folder of dumps that it must be given. */

/** Where dumps are, unless told. */
export const defaultDir = "dumps"

/** What no shell takes for more than a letter. */
const plain = /^[\w./@:+,-]+$/

/** A word of a command line, as a POSIX shell reads it. */
const word = (text: string): string => (plain.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`)

/** `pgark undo`, for a restore that had its dumps in this folder. */
export const undoCommand = (directory: string): string =>
  directory === defaultDir ? "pgark undo" : `pgark undo --dir ${word(directory)}`
