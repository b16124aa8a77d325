/** Encodings and locales of a dump and its target: what is at stake where they differ. */
import type { Manifest } from "../../dumps/Manifest.ts"
import { listed } from "../../pipeline/Words.ts"
import { qualified, quote } from "../../postgres/Identifier.ts"
import type { Survey } from "../../postgres/survey/Survey.ts"
import type { TextFacts } from "../../postgres/survey/TextFacts.ts"
import type { Contents } from "../../dumps/DumpReading.ts"
import type { Difference, Source } from "./Bridge.ts"
import type { Reason } from "./Fitness.ts"

const sqlAscii = "SQL_ASCII"

/** PostgreSQL's own spelling: `utf-8` and `UNICODE` are UTF8. */
const plain = (encoding: string): string => {
  const name = encoding.toUpperCase().replaceAll(/[^A-Z0-9]/g, "")
  if (name === "UNICODE") return "UTF8"
  return name === "SQLASCII" ? sqlAscii : name
}

const another = (encoding: string) =>
  `Restore into a database with an encoding into which it is converted (CREATE DATABASE … TEMPLATE template0 ENCODING 'UTF8'), ` +
  `or dump again with pg_dump --encoding=${encoding}.`

/** Why the dump's bytes cannot become the target's text at all; undefined where they can, or some of them may. */
export const encodingReason = (
  { server }: Survey,
  text: TextFacts,
  { bridge, encoding }: Contents
): Reason | undefined => {
  if (encoding === "") return undefined
  if (!text.known || !text.converts) {
    return {
      kind: "lack",
      message: text.known
        ? `The dump's text is in the encoding ${encoding}, which the server cannot convert into the target's ${server.encoding}.`
        : `The dump's text is in the encoding ${encoding}, which the server does not know.`,
      suggestion: another(server.encoding)
    }
  }
  // Of a dump that names its encoding the server says where it is broken.
  if (plain(encoding) === sqlAscii && server.encoding === "UTF8" && bridge.text === "bytes") {
    return {
      kind: "lack",
      message: `The dump holds bytes that are no text in the target's encoding ${server.encoding}: they come from a database of the encoding ${encoding}.`,
      suggestion:
        "Restore into a database of the encoding SQL_ASCII (CREATE DATABASE … TEMPLATE template0 ENCODING 'SQL_ASCII' " +
        "LC_COLLATE 'C' LC_CTYPE 'C'), which checks no text, and correct it there."
    }
  }
  return undefined
}

const encodingDifference = ({ server }: Survey, { bridge, encoding }: Contents): ReadonlyArray<Difference> => {
  // What all encodings share needs no conversion, and the same encoding none either.
  if (encoding === "" || bridge.text === "ascii" || plain(encoding) === plain(server.encoding)) return []
  const what = `the dump's text is in ${encoding}, the target's in ${server.encoding}`
  if (server.encoding === sqlAscii) {
    return [{ what, why: "it is stored as it is: the target neither checks nor converts text" }]
  }
  if (plain(encoding) === sqlAscii) {
    if (bridge.text === "unread") {
      const why = `its bytes are taken for ${server.encoding}; what cannot be that is refused, and with it the restore`
      return [{ what, why }]
    }
    return server.encoding === "UTF8"
      ? [{ what, why: "its bytes are valid UTF-8, and are taken for that" }]
      : [{ what, why: `its bytes are taken for ${server.encoding}, which nothing can confirm` }]
  }
  return server.encoding === "UTF8"
    ? [{ what, why: "the server converts it" }]
    : [
        {
          what,
          why: `the server converts it; a character that ${server.encoding} lacks is refused, and with it the restore`
        }
      ]
}

/** `C (libc)`, `und (icu)` */
const describeLocale = (provider: string, locale: string): string => `${locale} (${provider})`

/** libc has several names for one locale: `en_US.utf8`, `en_US.UTF-8`. */
const normal = (locale: string): string =>
  locale.replace(/\.(.*)$/, (_, charset: string) => `.${charset.toLowerCase().replaceAll(/[^a-z0-9]/g, "")}`)

const sameLocale = (one: string, other: string): boolean => normal(one) === normal(other) || (isC(one) && isC(other))

const isC = (locale: string): boolean => locale === "C" || locale === "POSIX"

/** Text in the order of its characters' codes: the provider builtin has no other. */
const isByCode = ({ collate, provider }: Locale): boolean =>
  provider === "builtin" || (provider === "libc" && isC(collate))

type Locale = Pick<Manifest["catalog"], "collate" | "ctype"> & { readonly provider: string; readonly locale: string }

const localeOf = ({ catalog }: Manifest): Locale => ({
  collate: catalog.collate,
  ctype: catalog.ctype,
  provider: catalog.localeProvider ?? "libc",
  locale: catalog.locale ?? ""
})

/** What the order of text decides besides the order in which rows are shown. */
const atStake = ({ bridge }: Contents): string => {
  const tables = bridge.rangedByText.map(({ name, schema }) =>
    schema === undefined ? quote(name) : qualified(schema, name)
  )
  const order = "text is ordered otherwise: what queries show, what ranges and comparisons in CHECKs hold"
  return tables.length === 0
    ? order
    : `${order}; and the partitions by ranges of text of ${listed(tables, 6).join(", ")}: a row or a bound that is then out ` +
        "of place is refused, and with it the restore"
}

const localeDifferences = (text: TextFacts, { contents, manifest }: Source): ReadonlyArray<Difference> => {
  if (manifest === undefined) return []
  const source = localeOf(manifest)
  const target: Locale = { ...text, locale: text.locale ?? "" }
  const usesLibc = (locale: Locale) => locale.provider === "libc"
  const orderOf = (of: Locale) => (usesLibc(of) ? of.collate : of.locale)
  const typeOf = (of: Locale) => (usesLibc(of) ? of.ctype : of.locale)
  const same = (one: string, other: string) => source.provider === target.provider && sameLocale(one, other)
  const found: Array<Difference> = []
  if (!same(orderOf(source), orderOf(target)) && !(isByCode(source) && isByCode(target))) {
    const [from, to] = [source, target].map((of) => describeLocale(of.provider, orderOf(of)))
    found.push({ what: `the target orders text by ${to}, the source by ${from}`, why: atStake(contents) })
  }
  if (!same(typeOf(source), typeOf(target)) && (usesLibc(source) || usesLibc(target))) {
    const [from, to] = [source, target].map((of) => describeLocale(of.provider, typeOf(of)))
    found.push({
      what: `the target tells letters by ${to}, the source by ${from}`,
      why: "lower(), upper() and patterns may find otherwise; what is then twice the same a unique index refuses, and with it the restore"
    })
  }
  return found
}

/** All of it. */
export const differences = (survey: Survey, text: TextFacts, source: Source): ReadonlyArray<Difference> => [
  ...encodingDifference(survey, source.contents),
  ...localeDifferences(text, source)
]
