/**
 * libpq's service files: named sets of connection parameters.
 *
 * @see https://www.postgresql.org/docs/current/libpq-pgservice.html
 */
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { type DatabaseUrlInvalid, invalid } from "./DatabaseUrlInvalid.ts"
import { type Surroundings, variable } from "./Surroundings.ts"

/** What a service says. */
export interface Service {
  /** In words, with the file. */
  readonly from: string
  readonly values: ReadonlyMap<string, string>
}

/** Of the user, then of the machine: `PGSYSCONFDIR`, or what Debian's libpq has compiled in. */
const filesOf = (around: Surroundings): ReadonlyArray<string> => {
  const named = variable(around, "PGSERVICEFILE")
  const folder = variable(around, "PGSYSCONFDIR") ?? "/etc/postgresql-common"
  const own = around.home === undefined ? [] : [join(around.home, ".pg_service.conf")]
  return [...(named === undefined ? own : [named]), join(folder, "pg_service.conf")]
}

/** The section of that name, the first value of each parameter; none where there is no such section. */
const section = Effect.fnUntraced(function* (file: string, name: string) {
  const text = yield* Effect.try({
    try: () => readFileSync(file, "utf8"),
    catch: () => invalid(`The service file ${file} cannot be read.`, "Let this user read it, or set PGSERVICEFILE.")
  })
  let values: Map<string, string> | undefined
  for (const [index, whole] of text.split("\n").entries()) {
    const line = whole.trim()
    if (line === "" || line.startsWith("#")) continue
    if (line.startsWith("[")) {
      if (values !== undefined) return values
      if (line === `[${name}]`) values = new Map()
    } else if (values !== undefined) {
      const [, parameter, value = ""] = /^([^=]+)=(.*)$/.exec(line) ?? []
      if (parameter === undefined || parameter === "service") {
        return yield* invalid(
          `Line ${index + 1} of the service file ${file} cannot be read.`,
          "A line of a service is name=value, without blanks around the =."
        )
      }
      if (!values.has(parameter)) values.set(parameter, value)
    }
  }
  return values
})

/** Finds a service. Fails where no file has it, or one cannot be read. */
export const find = Effect.fnUntraced(function* (
  name: string,
  around: Surroundings
): Effect.fn.Return<Service, DatabaseUrlInvalid> {
  const files = filesOf(around)
  for (const file of files.filter((file) => existsSync(file))) {
    const values = yield* section(file, name)
    if (values !== undefined) return { from: `the service in ${file}`, values }
  }
  return yield* invalid(
    "The service that is asked for (service= or PGSERVICE) is in no service file.",
    `Looked into ${files.join(" and ")}. PGSERVICEFILE names another file.`
  )
})
