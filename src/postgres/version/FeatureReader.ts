/** Finds in a dump's statements what only some majors of PostgreSQL know, and says it without where that can be done. */
import * as Arr from "effect/Array"
import { type NamedObject, objectKey } from "../ObjectName.ts"
import type { StatementKind } from "../script/StatementKind.ts"
import type { Decode, QualifiedName, Token } from "../script/StatementTokens.ts"
import { type Feature, features, subscriptionOption } from "./Features.ts"
import { bytesOf, type Edit, Pieces, type Range } from "./Pieces.ts"
import { type Found, isRangedByText, ofMaterializedView, ofTable } from "./TableFeatures.ts"

/** A collation that a statement names. */
export interface CollationName {
  readonly schema?: string
  readonly name: string
}

/** What a statement has that the server lacks. */
export interface Reading {
  readonly lacking: ReadonlyArray<Feature>
  /** What is executed in its place: nothing, or one statement or more. Absent where it is executed as it is. */
  readonly instead?: ReadonlyArray<Uint8Array>
  readonly collations: ReadonlyArray<CollationName>
  /** A table that makes partitions by ranges of text. */
  readonly rangedByText?: true
}

/** What a rule finds: parts to be replaced, or that the whole statement goes. */
interface Finding {
  readonly found: ReadonlyArray<Found>
  readonly edits?: ReadonlyArray<Edit>
  readonly dropped?: true
}

const nothing: Finding = { found: [] }
const asIs: Reading = { lacking: [], collations: [] }
const refused = (...found: ReadonlyArray<Feature>): Finding => ({ found: found.map((feature) => ({ feature })) })
const dropped = (feature: Feature): Finding => ({ found: [{ feature }], dropped: true })

/** Functions over anyarray until 13, and over anycompatiblearray since: what is made over them is made for one of both. */
const anyarray = new Set([
  "array_append",
  "array_cat",
  "array_position",
  "array_positions",
  "array_prepend",
  "array_remove",
  "array_replace",
  "width_bucket"
])

/** Kinds whose statements are looked into; all others, data above all, are as they always were. */
const read = new Set<StatementKind["_tag"]>([
  "AddConstraint",
  "Alter",
  "Comment",
  "Create",
  "DefaultPrivileges",
  "Grant",
  "OwnerTo"
])

/** Words without which a statement has nothing that is looked for: few have one, and only these are read as a whole. */
const markers = new RegExp(
  [
    "maintain|collat|multirange|logged|compression|atomic|return\\b|\\bout\\b|include|_ops\\b|distinct|security_invoker",
    "publication|subscri|rules|builtin|login|enforced|overlaps|period|partition|exclude|vacuum|statistics|operator|aggregate",
    "(?:access|not|no|large|set|on)\\s+(?:method|valid|inherit|objects|(?:null|default)\\s*\\(|constraint)",
    '(?:constraint\\s+(?:"(?:[^"]|"")+"|[^\\s"]+)|[(,])\\s*not\\s+null|always\\s+as\\s*\\('
  ].join("|"),
  "i"
)

const hasMarker = (bytes: Uint8Array): boolean =>
  markers.test(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1"))

const key = (kind: string, { name, schema }: Partial<QualifiedName>): string =>
  objectKey({ kind, ...(schema === undefined ? {} : { schema }), name: name ?? "" } satisfies NamedObject)

/**
 * Reads the statements of one dump, in their order.
 *
 * @param lacks whether the server lacks a feature; where none is known yet, what any of them may lack
 */
export class FeatureReader {
  private readonly lacks: (feature: Feature) => boolean
  private readonly partitioned = new Set<string>()
  private readonly multiranges = new Set<string>()
  /** Statistics that are not created. */
  private readonly withoutStatistics = new Set<string>()
  /** NOT NULL constraints by table (or domain) and name. */
  private readonly notNulls = new Set<string>()

  constructor(lacks: (feature: Feature) => boolean) {
    this.lacks = lacks
  }

  read(kind: StatementKind, bytes: Uint8Array, decode: Decode): Reading {
    if (!read.has(kind._tag)) return asIs
    const ofStatistics =
      "kind" in kind && kind.kind === "STATISTICS" && this.withoutStatistics.has(key("STATISTICS", kind))
    if (ofStatistics && kind._tag !== "Create")
      return { ...asIs, lacking: [features.expressionStatistics], instead: [] }
    // Every owner and every comment has a statement of its own.
    if (kind._tag === "OwnerTo" || (kind._tag === "Comment" && kind.kind !== "CONSTRAINT")) return asIs
    const mayUse = kind._tag === "Create" && this.multiranges.size > 0
    if (!mayUse && !hasMarker(bytes)) return asIs
    const pieces = new Pieces(bytes, decode)
    const { dropped, edits = [], found } = this.find(kind, pieces)
    const lacking = found.filter(({ feature }) => this.lacks(feature))
    const after = lacking.flatMap(({ after = [] }) => after)
    const changed = dropped === true || edits.length > 0
    const ranged = kind._tag === "Create" && this.partitioned.has(key("TABLE", kind)) && isRangedByText(pieces)
    return {
      lacking: Arr.dedupeWith(
        lacking.map(({ feature }) => feature),
        (one, other) => one.what === other.what
      ),
      ...(lacking.length > 0 && changed ? { instead: dropped ? [] : [pieces.edited(edits), ...after] } : {}),
      collations: collationsIn(pieces),
      ...(ranged ? { rangedByText: true } : {})
    }
  }

  /** Whether a statement that was read before has created this table, and made it one of partitions. */
  isPartitioned(table: Partial<QualifiedName>): boolean {
    return this.partitioned.has(key("TABLE", table))
  }

  private find(kind: StatementKind, pieces: Pieces): Finding {
    switch (kind._tag) {
      case "Create":
        return this.create(kind, pieces)
      case "AddConstraint":
        return this.constraint(kind, pieces)
      case "Alter":
        return this.alter(kind, pieces)
      case "Comment":
        return this.comment(pieces)
      case "Grant":
      case "DefaultPrivileges":
        return this.privileges(kind, pieces)
      default:
        return nothing
    }
  }

  private create(kind: Extract<StatementKind, { readonly _tag: "Create" }>, pieces: Pieces): Finding {
    const has = (...words: ReadonlyArray<string>) => pieces.find(words, { depth: 0 }) !== -1
    switch (kind.kind) {
      case "TABLE":
      case "FOREIGN TABLE": {
        if (has("partition", "by")) this.partitioned.add(key("TABLE", kind))
        const table = ofTable(pieces, this.lacks, (type) => this.multiranges.has(type))
        for (const name of table.notNulls) this.notNulls.add(`${key("TABLE", kind)} ${name}`)
        return table
      }
      case "MATERIALIZED VIEW":
        return ofMaterializedView(pieces, this.lacks)
      case "VIEW": {
        const options = pieces.find(["with", "("], { depth: 0, to: Math.max(pieces.find(["as"], { depth: 0 }), 0) })
        const is = options !== -1 && pieces.list(options + 1).some(({ from }) => pieces.is(from, "security_invoker"))
        return is ? refused(features.securityInvoker) : nothing
      }
      case "INDEX":
        return index(pieces, has)
      case "TYPE":
        return this.type(kind, pieces)
      case "DOMAIN": {
        const at = pieces.find(["not", "null"], { depth: 0 })
        const name = pieces.is(at - 2, "constraint") ? pieces.tokens[at - 1]?.text : undefined
        if (name !== undefined) this.notNulls.add(`domain ${key("DOMAIN", kind)} ${name}`)
        return nothing
      }
      case "SEQUENCE":
        if (!pieces.is(1, "unlogged")) return nothing
        return { ...refused(features.sequencePersistence), edits: [pieces.replace({ from: 1, to: 2 })] }
      case "STATISTICS": {
        const on = pieces.find(["on"], { depth: 0 })
        const expression = pieces.find(["("], { from: on, to: pieces.find(["from"], { depth: 0 }), depth: 0 }) !== -1
        if (on === -1 || !expression) return nothing
        if (this.lacks(features.expressionStatistics)) this.withoutStatistics.add(key("STATISTICS", kind))
        return dropped(features.expressionStatistics)
      }
      case "COLLATION": {
        const found: Array<Feature> = []
        if (pieces.find(["rules", "="], { depth: 1 }) !== -1) found.push(features.collationRules)
        if (pieces.find(["provider", "=", "builtin"], { depth: 1 }) !== -1) found.push(features.builtinCollation)
        return refused(...found)
      }
      case "FUNCTION":
      case "PROCEDURE":
        return routine(kind.kind, pieces)
      case "AGGREGATE":
      case "OPERATOR":
        return overOthers(kind.kind, pieces)
      case "EVENT TRIGGER":
        return has("on", "login") ? refused(features.loginTrigger) : nothing
      case "PUBLICATION":
        return pieces.find(["publish_generated_columns"], { depth: 1 }) === -1
          ? nothing
          : refused(features.publishGenerated)
      case "SUBSCRIPTION":
        return this.subscription(pieces)
      default:
        return nothing
    }
  }

  /** A range type has a multirange type from 14 on, and is itself the same without. */
  private type(kind: Partial<QualifiedName>, pieces: Pieces): Finding {
    if (pieces.find(["subscript", "="], { depth: 1 }) !== -1) return refused(features.typeSubscript)
    const at = pieces.find(["multirange_type_name", "="], { depth: 1 })
    const range = pieces.find(["as", "range", "("], { depth: 0 })
    if (at === -1 || range === -1) return nothing
    const name = pieces.name(at + 2)
    const schema = name?.schema ?? kind.schema
    if (name !== undefined) this.multiranges.add(schema === undefined ? name.name : `${schema}.${name.name}`)
    const attributes = pieces.list(range + 2)
    const kept = attributes.filter(({ from }) => from !== at)
    return { ...refused(features.multirangeName), edits: [pieces.keep(attributes, kept)] }
  }

  private subscription(pieces: Pieces): Finding {
    const open = pieces.find(["with", "("], { depth: 0 })
    const options = open === -1 ? [] : pieces.list(open + 1)
    const found: Array<Feature> = []
    const kept = options.flatMap((option): ReadonlyArray<Range | Uint8Array> => {
      const [name, value] = [pieces.tokens[option.from]?.text ?? "", pieces.tokens[option.from + 2]?.text ?? ""]
      const feature = subscriptionOption(name, value)
      if (feature === undefined || !this.lacks(feature)) return [option]
      found.push(feature)
      // Before it could be done in parallel it could be done one by one.
      const earlier = value === "parallel" ? subscriptionOption(name, "on") : undefined
      return earlier === undefined || this.lacks(earlier) ? [] : [bytesOf(`${name} = on`)]
    })
    return { ...refused(...found), edits: found.length === 0 ? [] : [pieces.keep(options, kept)] }
  }

  private constraint(
    { constraint, table }: Extract<StatementKind, { readonly _tag: "AddConstraint" }>,
    pieces: Pieces
  ): Finding {
    const has = (...words: ReadonlyArray<string>) => pieces.find(words, { depth: 0 }) !== -1
    const partitioned = this.partitioned.has(key("TABLE", table))
    const period = pieces.find(["period"], { depth: 1 })
    const isPeriod = period !== -1 && pieces.is(period - 1, ",") && pieces.name(period + 1) !== undefined
    const found: Array<Feature> = []
    if (has("nulls", "not", "distinct")) found.push(features.nullsNotDistinct)
    if (has("not", "enforced")) found.push(features.notEnforced)
    if (pieces.find(["without", "overlaps"], { depth: 1 }) !== -1 || isPeriod) found.push(features.withoutOverlaps)
    if (constraint === "foreign key") {
      if (has("set", "null", "(") || has("set", "default", "(")) found.push(features.setNullColumns)
      if (partitioned && has("not", "valid")) found.push(features.partitionedNotValid)
    }
    if (constraint === "exclude" && partitioned) found.push(features.partitionedExclusion)
    if (constraint === "not null") found.push(features.notNullNotValid)
    return refused(...found)
  }

  private alter(kind: { readonly kind: string } & Partial<QualifiedName>, pieces: Pieces): Finding {
    const find = (...words: ReadonlyArray<string>) => pieces.find(words, { depth: 0 })
    const { tokens } = pieces
    switch (kind.kind) {
      case "PUBLICATION": {
        if (find("add", "tables", "in", "schema") !== -1) return refused(features.publicationFilter)
        const add = find("add", "table")
        if (add === -1) return nothing
        const name = pieces.name(pieces.is(add + 2, "only") ? add + 3 : add + 2)
        const isPart = name !== undefined && (pieces.is(name.end, "(") || pieces.is(name.end, "where"))
        return isPart ? refused(features.publicationFilter) : nothing
      }
      case "SEQUENCE":
        return find("set", "logged") !== -1 || find("set", "unlogged") !== -1
          ? dropped(features.sequencePersistence)
          : nothing
      case "TABLE":
      case "FOREIGN TABLE": {
        if (pieces.is(tokens.length - 3, "set", "compression")) return dropped(features.compression)
        if (this.partitioned.has(key("TABLE", kind)) && find("set", "access", "method") !== -1) {
          return dropped(features.partitionedAccessMethod)
        }
        const identity = find("as", "identity", "(")
        if (identity === -1) return nothing
        const at = [...tokens.keys()].find(
          (index) =>
            index > identity + 2 &&
            (pieces.is(index, "logged") || pieces.is(index, "unlogged")) &&
            !pieces.is(index - 1, ".") &&
            !pieces.is(index - 1, "name")
        )
        if (at === undefined) return nothing
        return { ...refused(features.sequencePersistence), edits: [pieces.replace({ from: at, to: at + 1 })] }
      }
      default:
        return nothing
    }
  }

  /** `COMMENT ON CONSTRAINT name ON [DOMAIN] object`. */
  private comment(pieces: Pieces): Finding {
    const name = pieces.name(3)
    if (name === undefined || !pieces.is(name.end, "on")) return nothing
    const ofDomain = pieces.is(name.end + 1, "domain")
    const on = pieces.name(ofDomain ? name.end + 2 : name.end + 1)
    if (on === undefined) return nothing
    const of = ofDomain ? `domain ${key("DOMAIN", on)}` : key("TABLE", on)
    if (!this.notNulls.has(`${of} ${name.name}`)) return nothing
    return dropped(ofDomain ? features.domainNotNullComment : features.notNullComment)
  }

  /** GRANT, REVOKE and the same among default privileges. */
  private privileges(kind: Extract<StatementKind, { readonly _tag: "DefaultPrivileges" | "Grant" }>, pieces: Pieces) {
    if (kind._tag === "Grant" && kind.membership === true) return nothing
    const on = pieces.find(["on"], { depth: 0 })
    if (kind._tag === "DefaultPrivileges" && pieces.is(on + 1, "large", "objects")) {
      return dropped(features.largeObjectDefaults)
    }
    const verbs = ["grant", "revoke"].map((word) => pieces.find([word], { depth: 0, to: on })).filter((at) => at !== -1)
    // The first of them: REVOKE GRANT OPTION FOR has both.
    const verb = verbs.length === 0 ? -1 : Math.min(...verbs)
    if (verb === -1 || pieces.find(["maintain"], { from: verb, to: on, depth: 0 }) === -1) return nothing
    const from = pieces.is(verb + 1, "grant", "option", "for") ? verb + 4 : verb + 1
    const listed = pieces.split({ from, to: on })
    const kept = listed.filter((privilege) => !pieces.is(privilege.from, "maintain"))
    if (kept.length === 0) return dropped(features.maintain)
    return { ...refused(features.maintain), edits: [pieces.keep(listed, kept)] }
  }
}

/** The system's own; others are written with their schema. */
const isNewClass = ({ text, type }: Token, at: number, tokens: ReadonlyArray<Token>): boolean =>
  type === "word" && /_(?:minmax_multi|bloom)_ops$/.test(text) && tokens[at - 1]?.text !== "."

const index = (pieces: Pieces, has: (...words: ReadonlyArray<string>) => boolean): Finding => {
  const using = pieces.find(["using"], { depth: 0 })
  const classes = pieces.is(using + 1, "brin") ? pieces.tokens : []
  const found: Array<Feature> = []
  if (has("nulls", "not", "distinct")) found.push(features.nullsNotDistinct)
  if (using !== -1 && pieces.is(using + 1, "spgist") && has("include", "(")) found.push(features.spgistInclude)
  if (classes.some(isNewClass)) found.push(features.brinClasses)
  return refused(...found)
}

const routine = (kind: "FUNCTION" | "PROCEDURE", pieces: Pieces): Finding => {
  const open = pieces.find(["("], { depth: 0 })
  const close = pieces.close(open)
  const body = { from: close + 1, depth: 0 }
  const returned = pieces.find(["return"], body)
  const found: Array<Feature> = []
  if (
    close !== -1 &&
    (pieces.find(["begin", "atomic"], body) !== -1 || (returned !== -1 && !pieces.is(returned - 1, ".")))
  ) {
    found.push(features.functionBody)
  }
  const out = kind === "PROCEDURE" ? pieces.find(["out"], { from: open, to: close, depth: 1 }) : -1
  if (out !== -1) found.push(features.procedureOut)
  return refused(...found)
}

/** Aggregates and operators, by what they are made of. */
const overOthers = (kind: "AGGREGATE" | "OPERATOR", pieces: Pieces): Finding => {
  const open = pieces.find(["("], { depth: 0, from: kind === "OPERATOR" ? 2 : pieces.find(["("], { depth: 0 }) + 1 })
  const attributes = new Map(
    (open === -1 ? [] : pieces.list(open)).map(({ from }) => {
      const { name, schema = "pg_catalog" } = (pieces.is(from + 1, "=") ? pieces.name(from + 2) : undefined) ?? {}
      // A function of the user's may have the same name.
      return [pieces.tokens[from]?.text ?? "", schema === "pg_catalog" ? name : undefined]
    })
  )
  const over = attributes.get("sfunc") ?? attributes.get("function") ?? attributes.get("procedure") ?? ""
  const types = ["stype", "leftarg", "rightarg"].map((name) => attributes.get(name))
  const found: Array<Feature> = []
  if (kind === "OPERATOR" && attributes.has("leftarg") && !attributes.has("rightarg"))
    found.push(features.postfixOperator)
  if (anyarray.has(over) && types.includes("anyarray")) found.push(features.anyarrayAggregate)
  return refused(...found)
}

/** Names behind COLLATE, wherever it stands. */
const collationsIn = (pieces: Pieces): ReadonlyArray<CollationName> => {
  const names: Array<CollationName> = []
  for (let at = pieces.find(["collate"]); at !== -1; at = pieces.find(["collate"], { from: at + 1 })) {
    const name = pieces.is(at - 1, ".") || pieces.is(at - 1, "as") ? undefined : pieces.name(at + 1)
    if (name === undefined) continue
    names.push(name.schema === undefined ? { name: name.name } : { schema: name.schema, name: name.name })
  }
  return names
}
