/** Keeps commands that replace data away from a protected database, also where it was not chosen by its name. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as DatabaseUrl from "../../postgres/DatabaseUrl.ts"
import type { Use } from "./Choice.ts"
import { type Choosing, urlOf } from "./Chosen.ts"
import { invalid } from "./ConfigurationInvalid.ts"

const servers = ({ host, others, port }: DatabaseUrl.DatabaseUrl): ReadonlyArray<string> =>
  [{ host, port }, ...others].map((address) => DatabaseUrl.server(address).toLowerCase())

/** Whether two URLs lead to one database: the same name, and a server that both name. Who connects does not matter. */
export const same = (a: DatabaseUrl.DatabaseUrl, b: DatabaseUrl.DatabaseUrl): boolean =>
  a.database === b.database && servers(a).some((server) => servers(b).includes(server))

/**
 * Fails where a command would replace what is in a database that the file protects under whatever name. Of an entry
 * whose variable is not set, or holds no URL, it is not known where it is.
 */
export const refuse = Effect.fnUntraced(function* ({ choice, file }: Choosing, use: Use, url: DatabaseUrl.DatabaseUrl) {
  if (use !== "replaces" || file === undefined) return
  for (const [name, database] of Object.entries(file.configuration.databases ?? {})) {
    if (database.protected !== true) continue
    const known = yield* urlOf({ ...choice, why: "--database", named: { name, database } }).pipe(
      Effect.flatMap(DatabaseUrl.configured),
      Effect.option,
      Effect.map(Option.flatten)
    )
    if (Option.isNone(known) || !same(known.value, url)) continue
    return yield* invalid(
      `${DatabaseUrl.describe(url)} is the protected database ${name}: restore, clone, clean and undo refuse it.`,
      `Check the URL: ${name} is not to be lost. Or take "protected" out of databases.${name}.`,
      { file: file.file }
    )
  }
})
