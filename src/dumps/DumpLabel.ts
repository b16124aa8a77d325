/** What people call a dump, and say of it: the rules of `--name` and `--note`. */
import * as Schema from "effect/Schema"

/** Without a point or a slash, so that no file that a tool names by its ending can be taken for one. */
const name = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/

/** Characters of a note. */
const longest = 500

const nameRule = "letters, digits, - and _, at most 64 of them, the first a letter or a digit"
const noteRule = `one line of at most ${longest} characters`

/** Short, to ask for a dump by. Several dumps may have the same; the newest of them is meant. */
export const Name = Schema.String.check(
  Schema.makeFilter((text) => (name.test(text) ? undefined : `Expected ${nameRule}`))
)

/** A line about a dump. */
export const Note = Schema.String.check(
  Schema.makeFilter((text) =>
    text.trim() !== "" && text.length <= longest && !/\p{Cc}/u.test(text) ? undefined : `Expected ${noteRule}`
  )
)

/** Whether this can be the name of a dump. */
export const isName = Schema.is(Name)

const isNote = Schema.is(Note)

/** What is wrong with a name or a note, as a sentence; undefined where nothing is. */
export const problem = (label: { readonly name?: string; readonly note?: string }): string | undefined => {
  if (label.name !== undefined && !isName(label.name)) {
    return `The name ${JSON.stringify(label.name)} of the dump is not made of ${nameRule}.`
  }
  return label.note === undefined || isNote(label.note) ? undefined : `The note of the dump is not ${noteRule}.`
}
