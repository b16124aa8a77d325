/** Why a role does not see the rows of a relation, as answers say it: by itself, so that who only reads it asks no server. */

export const unreadable = "the connected role may not read it"
const filteredOut = "row-level security hides rows from the connected role"

/** Whether an answer's `unknown` is for want of the connected role's rights, not for anything in the database. */
export const isHindrance = (unknown: string): boolean => unknown === unreadable || unknown === filteredOut

/** What may keep a role from the rows of a relation. */
interface Access {
  /** It may read some column, and use the schema. */
  readonly readable: boolean
  /** Policies apply to it. */
  readonly filtered: boolean
}

/** Why the connected role does not see the rows of a relation; undefined where it sees them all. */
export const hindrance = ({ filtered, readable }: Access): string | undefined =>
  readable ? (filtered ? filteredOut : undefined) : unreadable
