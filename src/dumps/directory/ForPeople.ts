/** What tells people how to restore a directory dump without pgark: `README`, and `restore.psql` for psql. */
import type { Manifest } from "../Manifest.ts"

/** The names of these files, and what is in them. */
export const forPeople = (_manifest: Manifest): ReadonlyArray<readonly [name: string, text: string]> => []
