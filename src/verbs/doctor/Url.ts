/** What a connection string says, and what of it goes on to whom. Values are not shown: they may be secret. */
import * as Effect from "effect/Effect"
import { type DatabaseUrl, type Parameter, server } from "../../postgres/DatabaseUrl.ts"
import { isSystemSchema } from "../../postgres/Identifier.ts"
import * as Tls from "../../postgres/connecting/Tls.ts"
import { about, everything } from "./Check.ts"
import type { Visit } from "./Visit.ts"

/** With the place where it stood, if that is not the URL. */
const named = ({ from, name }: Parameter): string => (from === "the database URL" ? name : `${name} (${from})`)

/** Names, those with one reason together: `a, b (reason)`. */
const reasoned = (record: ReadonlyArray<Parameter>): string => {
  const reasons = new Map<string, Array<string>>()
  for (const one of record) reasons.set(one.reason, [...(reasons.get(one.reason) ?? []), named(one)])
  return [...reasons].map(([reason, names]) => `${names.join(", ")} (${reason})`).join(", ")
}

/** What of the parameters goes on, what was put into libpq's words, what is left out and why. */
const parameters = ({ record }: DatabaseUrl, visit: Visit): void => {
  const of = (fate: Parameter["fate"]) => record.filter((parameter) => parameter.fate === fate)
  const [kept, translated, dropped] = [of("kept"), of("translated"), of("dropped")]
  const names = kept.map((one) => (one.name === "schema" ? reasoned([one]) : named(one)))
  const words = [
    ...(kept.length === 0 ? [] : [`kept ${names.join(", ")}`]),
    ...translated.map((one) => `${named(one)} made ${one.to ?? "libpq's"} (${one.reason})`),
    ...(dropped.length === 0 ? [] : [`dropped ${reasoned(dropped)}`])
  ]
  if (words.length > 0) visit.tell(about("url", "parameters", "parameters").ok(words.join("; ")))
}

/** Of each server of the URL; a password file may have one for each. */
const passwords = (url: DatabaseUrl, visit: Visit): void => {
  const what = about("url", "password", "password")
  const places = [...new Set([url, ...url.others].map(({ passwordFrom = "none is given" }) => passwordFrom))]
  visit.tell(what.ok(url.password === undefined ? places.join("; ") : `from ${places.join(", ")}`))
}

const hosts = (url: DatabaseUrl, visit: Visit): void => {
  if (url.others.length === 0) return
  const attributes = url.parameters.get("target_session_attrs") ?? "any"
  const servers = [url, ...url.others].map(server).join(", ")
  visit.tell(about("url", "hosts", "hosts").ok(`${servers}: the first that answers and is ${attributes}`))
}

const schema = ({ schema }: DatabaseUrl, visit: Visit): void => {
  if (schema === undefined || !isSystemSchema(schema)) return
  visit.tell(
    about("url", "schema", "schema").problem(`schema=${schema} names a schema of the server's own`, {
      stops: [],
      mend: "Name the app's schema there: clean and grant refuse this one."
    })
  )
}

/** Nobody else is on the way to such a server. */
const isHere = (url: DatabaseUrl): boolean =>
  [url, ...url.others].every(({ host }) => Tls.isLocal({ ...url, host }) || /^(localhost|127\..*|::1)$/.test(host))

/** What the mode promises: whether it is encrypted, and whether it is known who answers. */
const tls = Effect.fnUntraced(function* (url: DatabaseUrl, visit: Visit) {
  const what = about("url", "sslmode", "sslmode")
  const checked = yield* Effect.result(Tls.check(url))
  if (checked._tag === "Failure") return visit.tell(what.failure(checked.failure, everything))
  if (isHere(url)) return
  const { sslMode } = url
  const mend = "sslmode=verify-full with sslrootcert (sslrootcert=system where a public authority has signed)."
  if (sslMode === "disable") visit.tell(what.note("disable: whoever is on the way can read the rows", mend))
  else if (sslMode === "allow" || sslMode === "prefer") {
    visit.tell(what.note(`${sslMode}: it is left to the server whether others can read them on the way`, mend))
  } else if (Tls.options(url).rejectUnauthorized === true) {
    visit.tell(what.ok(`${sslMode}: encrypted, and the server's certificate is checked`))
  } else visit.tell(what.note(`${sslMode}: encrypted, but whoever answers is taken for the server`, mend))
})

/** Tells it. */
export const look = Effect.fn("doctor.Url.look")(function* (url: DatabaseUrl, visit: Visit): Effect.fn.Return<void> {
  hosts(url, visit)
  passwords(url, visit)
  parameters(url, visit)
  schema(url, visit)
  yield* tls(url, visit)
})
