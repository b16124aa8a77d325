/**
 * The databases that the documentation speaks of, as they stand there and as they are on the servers of the tests: a
 * page's URLs, roles and hosts are put in place of each other on the way in and on the way out.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as DatabaseUrl from "../../src/postgres/DatabaseUrl.ts"
import * as Clusters from "../support/Clusters.ts"
import * as Pgark from "../support/Pgark.ts"
import * as Restores from "../support/Restores.ts"

interface Known {
  readonly major: Clusters.Major
  readonly role: Clusters.RoleKind
  readonly filled: boolean
  /** Host and port on the page. */
  readonly at: string
  /** Other roles that the page names, who may log in there too. */
  readonly apps?: ReadonlyArray<string>
}

/** By role and database on the page. Nobody is superuser, but in the container that a CI job starts for itself. */
const known: Readonly<Record<string, Known>> = {
  "journal_owner/journal": {
    major: Clusters.sourceMajor,
    role: "tableOwner",
    filled: true,
    at: "db.example.com:5432",
    apps: ["journal_app", "journal_reader"]
  },
  "staging_owner/journal_staging": {
    major: Clusters.sourceMajor,
    role: "tableOwner",
    filled: true,
    at: "db.example.com:5432",
    apps: ["staging_app"]
  },
  "shop_owner/shop": { major: 15, role: "tableOwner", filled: true, at: "localhost:5432" },
  "me/scratch": { major: 15, role: "databaseOwner", filled: false, at: "localhost:5432" },
  "postgres/app_test": { major: 15, role: "superuser", filled: false, at: "localhost:5432" }
}

/** The database and role of a page whose commands say none. */
export const usual = "journal_owner/journal"

export interface World {
  /** By role and database on the page. */
  readonly targets: ReadonlyMap<string, Clusters.Target>
  /** A page's text with what is real in it. */
  readonly real: (text: string) => string
  /** What was printed, as the page would have it. */
  readonly written: (text: string) => string
}

const urls = /postgres(?:ql)?:\/\/(\w+):[^@\s"']+@[\w.]+(?::\d+)?\/(\w+)/g

const any = (names: Iterable<string>) => new RegExp([...names].join("|"), "g")

/** Makes the databases whose URLs occur in the text, and the usual one. */
export const make = Effect.fn("World.make")(function* (text: string): Effect.fn.Return<World, never, Scope.Scope> {
  const named = [usual, ...[...text.matchAll(urls)].map(([, role, database]) => `${role}/${database}`)]
  const targets = new Map<string, Clusters.Target>()
  const logins = new Map<string, DatabaseUrl.DatabaseUrl>()
  /** Names that occur nowhere else, so that they can be told in any text. */
  const roles = new Map<string, string>()
  const back = new Map<string, string>()
  for (const name of new Set(named)) {
    const spec = known[name]
    // A URL of an app's role, or of an example that cannot work.
    if (spec === undefined) continue
    const target = yield* Clusters.makeTarget(spec.major, spec.role)
    if (spec.filled) yield* Effect.orDie(Restores.fillJournal(target.url))
    targets.set(name, target)
    logins.set(name, target.url)
    const [role = "", database = ""] = name.split("/")
    back.set(target.role.name, role)
    back.set(target.url.database, database)
    back.set(`${target.url.host}:${target.url.port}`, spec.at)
    if (role.includes("_")) roles.set(role, target.role.name)
    for (const app of spec.apps ?? []) {
      const login = yield* Clusters.makeRole(spec.major)
      logins.set(`${app}/${database}`, Clusters.as(target.url, login))
      roles.set(app, login.name)
      back.set(login.name, app)
    }
  }
  return {
    targets,
    real: (text) =>
      text
        .replaceAll(urls, (url, role: string, database: string) => {
          const login = logins.get(`${role}/${database}`)
          return login === undefined ? url : Pgark.uri(login).replace(/\?.*$/, "")
        })
        .replaceAll(any(roles.keys()), (name) => roles.get(name)!),
    written: (text) => text.replaceAll(any(back.keys()), (name) => back.get(name)!)
  }
})
