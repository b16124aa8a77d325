/** Who else is there: other sessions, another pgark, a restore that was cut short, and the roles of the app. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { DumpStore } from "../../dumps/DumpStore.ts"
import { count, listed, plural } from "../../pipeline/Words.ts"
import { describe, describeAll, endings } from "../../postgres/Blockers.ts"
import * as Grants from "../../postgres/Grants.ts"
import { quote } from "../../postgres/Identifier.ts"
import * as Rights from "../../postgres/Rights.ts"
import { Session } from "../../postgres/Session.ts"
import { fromSqlError } from "../../postgres/Sqlstate.ts"
import { readHolders } from "../../postgres/survey/Holders.ts"
import * as TargetLock from "../../postgres/TargetLock.ts"
import { others } from "../../postgres/OtherSessions.ts"
import * as Journaling from "../restore/Journaling.ts"
import * as Leftover from "../restore/several/Leftover.ts"
import { about } from "./Check.ts"
import type { Visit } from "./Visit.ts"

const sessions = Effect.fnUntraced(function* (visit: Visit, schemas: ReadonlyArray<string>, several: boolean) {
  const what = about("restore", "sessions", "sessions")
  const found = yield* visit.ask(what, Effect.all({ others, holders: readHolders(schemas) }))
  if (found === undefined) return
  const { holders } = found
  const there = found.others.length === 0 ? "no other" : plural(found.others.length, "other")
  if (several && found.others.length > 0) {
    visit.tell(
      what.note(
        `${there}, beside which a restore in several transactions does not run`,
        "Stop what is connected there before a restore, or restore with --while-in-use.",
        found.others.map(describe)
      )
    )
  } else if (holders.length > 0) {
    visit.tell(
      what.note(
        `${there}; ${plural(holders.length, "session holds", "sessions hold")} locks on what a restore replaces, which waits for them`,
        "See that they end, or give it more time: --lock-timeout.",
        holders.map((one) => `${describe(one)}: locks on ${plural(one.relations, "relation")}`)
      )
    )
  } else visit.tell(what.ok(there))
})

const pgark = Effect.fnUntraced(function* (visit: Visit) {
  const what = about("restore", "pgark", "pgark")
  const holders = yield* visit.ask(what, Effect.flatMap(Session, TargetLock.holders))
  if (holders === undefined || holders.length === 0) return
  visit.tell(
    what.problem("another pgark is at work on this database", {
      stops: ["restore"],
      detail: describeAll(holders),
      mend: ["Wait until it has ended, or let a run wait for it: --wait.", ...endings(holders)].join("\n")
    })
  )
})

const unfinished = Effect.fnUntraced(function* (visit: Visit) {
  const what = about("restore", "unfinished", "cut short")
  const text = yield* visit.ask(what, Leftover.found())
  if (text === undefined) return
  const [found = "", ...more] = text.split("\n")
  visit.tell(what.problem(found, { stops: ["restore"], detail: more, mend: "pgark undo" }))
})

/** What the last restore has kept, which takes room until the next one. */
const previous = Effect.fnUntraced(function* (visit: Visit) {
  const what = about("restore", "previous", "kept")
  const [journal] = (yield* visit.ask(what, Journaling.keeping())) ?? []
  if (journal === undefined) return
  const { aside = [], at, by, file } = journal
  const before = by === "restore" ? `before ${file} was restored` : "before the last undo"
  visit.tell(
    what.note(
      `${listed(aside.map((one) => `${quote(one.schema)} as ${quote(one.aside)}`)).join(", ")}: what was there ${before} (${DateTime.formatIso(at)})`,
      "pgark undo renames it back; the next restore drops it."
    )
  )
})

/** Whether a role of the app is there, may log in and connect, and which of its rights it has. */
const appRole = Effect.fnUntraced(function* (visit: Visit, role: string, schemas: ReadonlyArray<string>) {
  const sql = yield* SqlClient.SqlClient
  const what = about("restore", `role.${role}`, "app role")
  const asked = sql<{ readonly login: boolean }>`
    select rolcanlogin as "login" from pg_roles where rolname = ${role}`.pipe(Effect.mapError(fromSqlError))
  const rights = Rights.objects({ roles: [role], schemas, profile: "all" })
  const found = yield* visit.ask(what, asked)
  if (found === undefined) return
  const [facts] = found
  if (facts === undefined) {
    return visit.tell(
      what.problem(`the server has no role ${quote(role)}`, {
        stops: [],
        mend: `Check the spelling (case matters here), or create it: CREATE ROLE ${quote(role)} LOGIN;`
      })
    )
  }
  const objects = yield* visit.ask(what, rights)
  if (objects === undefined) return
  const missing = Rights.missing(objects)
  const closed = missing.find(({ kind }) => kind === "database")
  if (closed !== undefined && !closed.grantable) {
    return visit.tell(
      what.problem(`${role} may not connect, and this role may not let it`, {
        stops: [],
        mend: `Have ${quote(closed.owner)} or a superuser run: ${Grants.connecting([role], closed.name).sql}`
      })
    )
  }
  const lacks = missing.length === 0 ? "has all rights there" : `lacks rights on ${plural(missing.length, "object")}`
  const text = `${role} ${facts.login ? "may log in" : "may not log in itself"}, ${lacks}`
  const lacking = new Set(missing.map(({ object }) => object))
  const beyond = Rights.beyond(objects).filter(({ object }) => lacking.has(object))
  visit.tell(
    beyond.length > 0
      ? what.note(
          `${text}, ${beyond.length === missing.length ? "" : `${count(beyond.length)} of them `}not this role's to give`,
          `Have the owners, or a superuser, run pgark grant ${quote(role)}.`,
          beyond.map(({ kind, object, owner }) => `${kind} ${object} of ${owner}`)
        )
      : what.ok(missing.length === 0 ? text : `${text}, which pgark grant gives`)
  )
})

/** Tells it. */
export const look = Effect.fn("doctor.Others.look")(function* (
  visit: Visit,
  options: {
    readonly schemas: ReadonlyArray<string>
    readonly several: boolean
    readonly grantTo: ReadonlyArray<string>
  }
): Effect.fn.Return<void, never, DumpStore | Session | SqlClient.SqlClient> {
  yield* sessions(visit, options.schemas, options.several)
  yield* pgark(visit)
  yield* unfinished(visit)
  yield* previous(visit)
  for (const role of new Set(options.grantTo)) yield* appRole(visit, role, options.schemas)
})
