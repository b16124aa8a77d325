/**
 * What only some majors of PostgreSQL know, of all that pg_dump writes: the one table behind what a restore adapts for a
 * target that is older (or newer) than what was dumped, and what it refuses before anything is dropped.
 *
 * The majors are those of the release notes (https://www.postgresql.org/docs/release/) and were tried on servers of 13,
 * 15, 16 and 18. What is not in this table, and what the server itself does not take, it says when its turn comes.
 */
export interface Feature {
  /** The first major that knows it; absent where all do. */
  readonly since?: number
  /** The first major that does not know it any more. */
  readonly gone?: number
  /** What it is, in the plural. */
  readonly what: string
  /**
   * What is done where the target lacks it, as a reason that reports count. Only where no row is lost, no constraint
   * gets weaker and no role gets more rights; the rest is refused.
   */
  readonly adapted?: string
  /** Who alone may make such a thing: a restore by another role leaves it out, and needs no server that knows it. */
  readonly madeBy?: "superuser" | "creator"
}

const table = {
  // 14
  multirangeName: { since: 14, what: "names of multirange types", adapted: "the server has no multirange types" },
  multirange: { since: 14, what: "columns of multirange types" },
  functionBody: { since: 14, what: "functions with a body in standard SQL (BEGIN ATOMIC, RETURN)" },
  procedureOut: { since: 14, what: "procedures with OUT arguments" },
  typeSubscript: { since: 14, what: "types with a subscripting function" },
  spgistInclude: { since: 14, what: "SP-GiST indexes that include columns" },
  brinClasses: { since: 14, what: "BRIN indexes of the minmax-multi and bloom kinds" },
  compression: {
    since: 14,
    what: "compression methods of columns",
    adapted: "the server cannot choose how a column is compressed"
  },
  expressionStatistics: {
    since: 14,
    what: "statistics on expressions",
    adapted: "the server gathers no statistics on expressions"
  },
  postfixOperator: { gone: 14, what: "postfix operators" },
  anyarrayAggregate: { gone: 14, what: "aggregates and operators over array functions of type anyarray" },
  // 15
  nullsNotDistinct: { since: 15, what: "unique indexes and constraints with NULLS NOT DISTINCT" },
  securityInvoker: { since: 15, what: "views with security_invoker" },
  publicationFilter: { since: 15, what: "publications with row filters, column lists or whole schemas" },
  setNullColumns: { since: 15, what: "foreign keys that set only some columns (ON DELETE SET NULL (…))" },
  sequencePersistence: {
    since: 15,
    what: "unlogged sequences",
    adapted: "the server knows no unlogged sequences: they are logged"
  },
  // 16
  collationRules: { since: 16, what: "collations with rules of their own" },
  // 17
  maintain: { since: 17, what: "the privilege MAINTAIN", adapted: "the server has no privilege MAINTAIN" },
  partitionedAccessMethod: {
    since: 17,
    what: "access methods of partitioned tables",
    adapted: "the server keeps no access method for a partitioned table; its partitions have theirs"
  },
  builtinCollation: { since: 17, what: "collations of the provider builtin" },
  partitionedExclusion: { since: 17, what: "exclusion constraints on partitioned tables" },
  loginTrigger: { since: 17, what: "event triggers on login", madeBy: "superuser" },
  domainNotNullComment: {
    since: 17,
    what: "comments on NOT NULL constraints of domains",
    adapted: "the server keeps NOT NULL without a name, so nothing to comment on"
  },
  // 18
  virtualColumn: { since: 18, what: "virtual generated columns" },
  inheritedNotNull: {
    since: 18,
    what: "NOT NULL constraints written apart from their columns",
    adapted: "the server wants NOT NULL of an inherited column set by itself, and keeps no name for it"
  },
  notNullName: {
    since: 18,
    what: "names of NOT NULL constraints",
    adapted: "the server keeps NOT NULL without a name"
  },
  notNullComment: {
    since: 18,
    what: "comments on NOT NULL constraints",
    adapted: "the server keeps NOT NULL without a name, so nothing to comment on"
  },
  notNullNoInherit: { since: 18, what: "NOT NULL constraints with NO INHERIT" },
  notNullNotValid: { since: 18, what: "NOT NULL constraints that are not valid" },
  notEnforced: { since: 18, what: "constraints that are NOT ENFORCED" },
  withoutOverlaps: { since: 18, what: "keys over periods (WITHOUT OVERLAPS, PERIOD)" },
  partitionedNotValid: { since: 18, what: "foreign keys of partitioned tables that are NOT VALID" },
  publishGenerated: { since: 18, what: "publications of generated columns", madeBy: "creator" },
  largeObjectDefaults: {
    since: 18,
    what: "default privileges on large objects",
    adapted: "the server has no default privileges on large objects"
  }
} satisfies Record<string, Feature>

/** By name. */
export const features: Readonly<Record<keyof typeof table, Feature>> = table

/** Whether servers of this major do not know it. */
export const isLacking = ({ gone = Infinity, since = 0 }: Feature, major: number): boolean =>
  major < since || major >= gone

/** Storage parameters that not every major has, some only with a value, by the first that does. */
const storage: ReadonlyMap<string, number> = new Map([
  ["vacuum_index_cleanup=auto", 14],
  ["autovacuum_vacuum_max_threshold", 18],
  ["vacuum_max_eager_freeze_failure_rate", 18]
])

/**
 * The storage parameter of a table; undefined where all majors have it. Without it the server's own setting counts.
 *
 * @see https://www.postgresql.org/docs/current/sql-createtable.html#SQL-CREATETABLE-STORAGE-PARAMETERS
 */
export const storageParameter = (name: string, value: string): Feature | undefined => {
  const since = storage.get(name) ?? storage.get(`${name}=${value}`)
  return since === undefined
    ? undefined
    : {
        since,
        what: `the storage parameter ${name}`,
        adapted: `the server does not know the storage parameter ${name}: its own setting counts`
      }
}

/** Options of subscriptions by the first major that has them, and the values that an older one can do without. */
const subscription: ReadonlyMap<string, { readonly since: number; readonly spare: ReadonlySet<string> }> = new Map([
  ["binary", { since: 14, spare: new Set(["true", "false"]) }],
  ["streaming", { since: 14, spare: new Set(["on", "off", "true", "false", "parallel"]) }],
  ["two_phase", { since: 15, spare: new Set(["off", "false"]) }],
  ["disable_on_error", { since: 15, spare: new Set(["false"]) }],
  // Before there was a choice it was always the subscription's owner who applied changes, and no password was asked for.
  ["run_as_owner", { since: 16, spare: new Set(["true"]) }],
  ["password_required", { since: 16, spare: new Set(["true", "false"]) }],
  ["origin", { since: 16, spare: new Set(["any"]) }],
  ["failover", { since: 17, spare: new Set(["false"]) }]
])

/**
 * The option of a subscription; undefined where all majors have it. It is left out where an older server does the same
 * without, or moves the same rows in another way.
 *
 * @see https://www.postgresql.org/docs/current/sql-createsubscription.html
 */
export const subscriptionOption = (name: string, value: string): Feature | undefined => {
  // A boolean until 15.
  if (name === "streaming" && value === "parallel") {
    return {
      since: 16,
      what: "parallel streaming of subscriptions",
      adapted: "the server streams no subscription in parallel"
    }
  }
  const known = subscription.get(name)
  if (known === undefined) return undefined
  const { since, spare } = known
  return {
    since,
    what: `subscriptions with ${name} = ${value}`,
    ...(spare.has(value) ? { adapted: `the server does not know ${name} of subscriptions, and does without` } : {})
  }
}
