/**
 * What helps against a refusal of the server: the one table from SQLSTATE to the next thing to do.
 *
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html
 */

/** By SQLSTATE, or by its class (the first two characters). */
type Table = Readonly<Record<string, string>>

const conflict =
  "Something in the target collides with the dump or depends on what it replaces: " +
  "`pgark restore --clean` empties the dump's schemas first (`--dry-run` shows what would go)."

/**
 * pg_dump empties the search path, so a function in an index, a generated column or a CHECK that names something
 * without its schema fails when it is restored, although it works in the source.
 */
const unqualified =
  "If a function is named above, it uses something without naming its schema, which a dump's empty search_path does " +
  "not find: in the source, ALTER FUNCTION … SET search_path = …, or name the schema in its body, and dump again."

const absent =
  "The dump uses something that neither it nor the target has: a dump of parts of a database (single tables, rows alone) " +
  "wants the rest of it to be there already."

const shape =
  "What is in the target has another shape than the dump expects: `pgark restore --clean` empties the dump's schemas " +
  "first (`--dry-run` shows what would go)."

const encoding =
  "The dump has characters that the target's encoding lacks, or bytes that are not in the encoding that it names: " +
  "restore into a database with the source's encoding (CREATE DATABASE … TEMPLATE template0 ENCODING 'UTF8')."

/** Where the statement is one of a dump. */
const ofDump: Table = {
  "0A": "This server cannot do what the dump asks for: compare its version with the one that the dump's head names.",
  "22021": encoding,
  "22P05": encoding,
  "22": "The target does not take a value of the dump as it is: look at the place that is named above.",
  "23":
    "The dump's data breaks a constraint: by rows that are in the target already (`pgark restore --clean` empties it " +
    "first), or because it was broken in the source too. Correct the rows there and dump again.",
  "2BP01": conflict,
  "42501":
    "The right that is named above belongs to the owner of the object: restore as that role or a member of it, or " +
    "have it granted. `--owner skip` leaves all owners as they come.",
  "42601":
    "This server does not understand the statement, or what is in the target has another shape than the dump expects: " +
    "a dump of a newer PostgreSQL needs a server as new as the one that its head names; `pgark restore --clean` empties " +
    "the dump's schemas first.",
  "42703": shape,
  "42704": absent,
  "42809": shape,
  "42883": absent,
  "42P01": absent,
  "42P04": conflict,
  "42P06": conflict,
  "42P07": conflict,
  "42710": conflict,
  "42723": conflict,
  "42": "The statement does not fit this server or what is in the target: compare the versions, or try an empty database."
}

const always: Table = {
  "08": "Try again when the server answers; its log may say why it went away.",
  "25006": "Connect to the primary server, or have default_transaction_read_only taken off the role and the database.",
  "28": "Check user and password, and that the server's pg_hba.conf lets this user in from here.",
  "2BP01": "Drop what depends on it first, or leave it out.",
  "3D000": "Create the database first, or correct the name at the end of the database URL.",
  "40": "Two transactions were in each other's way: try again.",
  "42501": "Have the owner of what is named above grant the right, or connect as a role that has it.",
  "53100": "The disk of the server is full: free space there, or have it enlarged, and try again.",
  "53200":
    "The server has no room for more locks, or no memory. Where many tables are at work, raise " +
    "max_locks_per_transaction in its configuration and restart it; else restore fewer of them at a time.",
  "53300": "The server has no connection left for this role: close others, or try again later.",
  "53": "The server has run out of something, which the message names: try again when it is less busy.",
  "54": "A limit of this server is reached, which the message names; a smaller object, or another server, is needed.",
  "55006": "Others are using it: wait until they are done, or end their sessions, and try again.",
  "55P03": "Others hold what is needed here: wait until they are done and try again, or wait longer (--lock-timeout).",
  "57014": "Somebody, or a setting of the server, has cancelled the statement: try again, or ask who administers it.",
  "57P03": "The server is starting or stopping: try again in a moment.",
  "57": "The session was ended by an administrator or a time limit: try again when the server is back.",
  "58P01": "A file is missing on the server, often the library of an extension: install its package there.",
  "58": "The server's own system failed it: its log says more, and whoever administers it has to look.",
  P0: "A function or trigger in the database refuses this; the message is its author's.",
  XX: "The server has met an error inside itself: its log says more. XX001 and XX002 are damaged files of its own."
}

const unknown =
  "What the code means stands at https://www.postgresql.org/docs/current/errcodes-appendix.html; the server's log may " +
  "say more."

/**
 * What to do next. What is known of a SQLSTATE goes before the server's hint, and that before what is known of its class.
 *
 * @param sqlstate undefined where no server answered
 * @param options.hint the server's own
 * @param options.ofDump whether the statement is one of a dump, which nobody can simply change
 * @param options.within whether it happened inside of a function, as the server's CONTEXT tells
 */
export const advice = (
  sqlstate: string | undefined,
  options: { readonly hint?: string | undefined; readonly ofDump?: boolean; readonly within?: boolean } = {}
): string => {
  const code = sqlstate ?? "08000"
  if (options.ofDump === true && options.within === true && ofDump[code] === absent) return unqualified
  const tables = options.ofDump === true ? [ofDump, always] : [always]
  const of = (key: string) => tables.find((table) => table[key] !== undefined)?.[key]
  return of(code) ?? options.hint ?? of(code.slice(0, 2)) ?? unknown
}
