/**
 * Restores by every kind of role, over every kind of target: the way that is taken, who owns what afterwards, what the
 * app may do, that a refusal leaves everything as it was, and that undo brings back what was replaced.
 */
import { dirname } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { exitCodeOf, type ExitCode } from "../../../src/cli/ExitCode.ts"
import type { DatabaseUrl } from "../../../src/postgres/DatabaseUrl.ts"
import * as Clusters from "../../support/Clusters.ts"
import * as Restores from "../../support/Restores.ts"
import { snapshot } from "../../support/Snapshot.ts"
import * as Undoing from "../../support/Undoing.ts"
import { isLong, long, ofRun } from "../../support/Tier.ts"

const app = `
  SET search_path = public;
  CREATE TYPE state AS ENUM ('open', 'done');
  CREATE TABLE "User" (id serial PRIMARY KEY, email text UNIQUE NOT NULL);
  CREATE TABLE task (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, owner int REFERENCES "User", state state);
  CREATE VIEW open_task AS SELECT * FROM task WHERE state = 'open';
  CREATE FUNCTION count_tasks() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM public.task';
  INSERT INTO "User" (email) SELECT i || '@example.org' FROM generate_series(1, 20) i;
  INSERT INTO task (owner, state) SELECT 1 + i % 20, 'open' FROM generate_series(1, 100) i`

/** The app as it was dumped, and the roles around it. */
interface Setting {
  readonly admin: DatabaseUrl
  /** Owns the app's objects. */
  readonly owner: Clusters.Role
  /** Restores. */
  readonly restorer: Clusters.Role
  /** Connects as the app; has rights on the schema. */
  readonly user: Clusters.Role
}

/** What a restore by this role does. */
interface Case {
  readonly title: string
  /** The database with the roles of this case, and nothing in it. */
  readonly prepare: (
    major: Clusters.Major
  ) => Effect.Effect<Pick<Setting, "admin" | "owner" | "restorer">, unknown, Scope.Scope>
  /** The rung of a clean restore, or the exit code of its refusal. */
  readonly clean: { readonly rung: 1 | 2 } | { readonly exit: ExitCode }
  /** Of a restore over what is there: whether it succeeds, or with which code it is refused. */
  readonly over: "restores" | { readonly exit: ExitCode }
  /** More that is in the database before it is dumped, by the superuser. */
  readonly extra?: (setting: Setting) => string
}

/** The restorer owns the app, and has this right besides. */
const owning = (attributes: string, grants: (role: string, database: string) => string) => (major: Clusters.Major) =>
  Effect.gen(function* () {
    const restorer = yield* Clusters.makeRole(major, { attributes })
    const admin = yield* Clusters.makeDatabase(major)
    yield* Clusters.query(admin, grants(restorer.name, admin.database))
    return { admin, owner: restorer, restorer }
  })

const create = (role: string) => `GRANT USAGE, CREATE ON SCHEMA public TO ${role}`

const cases: ReadonlyArray<Case> = [
  {
    title: "superuser",
    prepare: owning("SUPERUSER", () => "SELECT 1"),
    clean: { rung: 1 },
    over: "restores"
  },
  {
    title: "owner of the database",
    prepare: owning(
      "",
      (role, database) => `ALTER DATABASE ${database} OWNER TO ${role}; ALTER SCHEMA public OWNER TO ${role}`
    ),
    clean: { rung: 1 },
    over: "restores"
  },
  {
    title: "owner of the schema, with CREATE on the database",
    prepare: owning(
      "",
      (role, database) => `ALTER SCHEMA public OWNER TO ${role}; GRANT CREATE ON DATABASE ${database} TO ${role}`
    ),
    clean: { rung: 1 },
    over: "restores"
  },
  {
    title: "owner of the schema, without CREATE on the database",
    prepare: owning("", (role) => `ALTER SCHEMA public OWNER TO ${role}`),
    clean: { rung: 2 },
    over: "restores"
  },
  {
    title: "owner of all tables, but not of the schema",
    prepare: owning("", create),
    clean: { rung: 2 },
    over: "restores"
  },
  {
    title: "owner of some tables",
    prepare: owning("", create),
    // The dump has the other's table too, which this role can neither drop nor replace.
    extra: ({ admin }) =>
      `CREATE TABLE public.other AS SELECT 1 AS one; ALTER TABLE public.other OWNER TO ${admin.user}`,
    clean: { exit: 5 },
    over: { exit: 5 }
  },
  {
    title: "owner of all tables, without CREATE on the schema",
    prepare: owning("", create),
    extra: ({ restorer }) => `REVOKE CREATE ON SCHEMA public FROM PUBLIC, ${restorer.name}`,
    clean: { exit: 5 },
    over: { exit: 5 }
  },
  {
    title: "member of the owner, NOINHERIT",
    prepare: Effect.fnUntraced(function* (major) {
      const owner = yield* Clusters.makeRole(major)
      const restorer = yield* Clusters.makeRole(major, { attributes: "NOINHERIT", memberOf: [owner.name] })
      const admin = yield* Clusters.makeDatabase(major)
      yield* Clusters.query(admin, `${create(owner.name)}; ${create(restorer.name)}`)
      return { admin, owner, restorer }
    }),
    // It has none of the owner's rights as long as it does not SET ROLE.
    clean: { exit: 5 },
    over: { exit: 5 }
  }
]

/** The app of this case, dumped by the superuser, and changed since. */
const setUp = Effect.fnUntraced(function* (major: Clusters.Major, { extra, prepare }: Case) {
  const user = yield* Clusters.makeRole(major)
  const setting: Setting = { ...(yield* prepare(major)), user }
  const { admin, owner } = setting
  yield* Clusters.query(Clusters.as(admin, owner), app)
  yield* Clusters.query(
    admin,
    `COMMENT ON SCHEMA public IS 'of the target'; GRANT USAGE ON SCHEMA public TO ${user.name}; ${extra?.(setting) ?? ""}`
  )
  const { file } = yield* Restores.dump(admin, yield* Restores.folder)
  const dumped = yield* snapshot(admin)
  yield* Clusters.query(
    Clusters.as(admin, owner),
    `SET search_path = public; DELETE FROM task WHERE id > 50; ALTER TABLE "User" ADD COLUMN more int`
  )
  return { ...setting, dumped, file, url: Clusters.as(admin, setting.restorer) }
})

/** Reads and writes as the app. */
const useApp = Effect.fnUntraced(function* (admin: DatabaseUrl, user: Clusters.Role) {
  const [row] = yield* Clusters.query<{ tasks: number }>(
    Clusters.as(admin, user),
    `INSERT INTO public."User" (email) VALUES ('new@example.org');
     UPDATE public.task SET state = 'done' WHERE id = 1;
     SELECT count(*)::int AS tasks FROM public.open_task`
  )
  assert.strictEqual(row?.tasks, 99)
})

/**
 * Of a case, whether with `clean`: without it a restore asks for the same rights of whoever may drop, and of whoever may
 * not; and the first rung is the same one for the owner of the schema as for that of the database.
 */
const usual = ({ title }: Case): ReadonlyArray<boolean> => {
  if (title === "owner of all tables, but not of the schema") return [true, false]
  return title === "owner of the schema, with CREATE on the database" ? [] : [true]
}

const matrix = (major: Clusters.Major, cleans: ReadonlyArray<boolean>) => {
  // On the others the way back takes no other turns.
  const backupFirst = major === Clusters.sourceMajor || isLong(process.env)
  for (const one of cases) {
    for (const clean of ofRun(cleans, usual(one))) {
      const expected = clean ? one.clean : one.over === "restores" ? undefined : one.over
      const refused = expected !== undefined && "exit" in expected ? expected.exit : undefined
      const outcome = refused === undefined ? "restores" : `is refused with ${refused}`
      it.live(`${one.title}${clean ? ", --clean" : ""}: ${outcome}`, () =>
        Effect.gen(function* () {
          const { admin, dumped, file, owner, url, user } = yield* setUp(major, one)
          if (refused !== undefined) {
            const error = yield* Restores.unchanged(
              admin,
              Effect.flip(Restores.restore(url, file, { clean, grantTo: [user.name] }))
            )
            assert.strictEqual(exitCodeOf(error), refused)
            assert.isNotEmpty(error.suggestion)
            return
          }
          const before = yield* snapshot(admin)
          const report = yield* Restores.restore(url, file, { clean, backupFirst })
          assert.strictEqual(
            report.clean?.rung,
            expected !== undefined && "rung" in expected ? expected.rung : undefined
          )
          // Owners, rights and comments, those of the schema too: all as it was dumped.
          assert.strictEqual(yield* snapshot(admin), dumped)
          const [row] = yield* Clusters.query<{ usage: boolean; owner: string }>(
            admin,
            `SELECT has_schema_privilege('${user.name}', 'public', 'USAGE') AS usage,
               (SELECT string_agg(DISTINCT pg_get_userbyid(relowner), ',') FROM pg_class
                WHERE relnamespace = 'public'::regnamespace) AS owner`
          )
          assert.deepStrictEqual(row, { usage: true, owner: owner.name })
          if (backupFirst) {
            yield* Undoing.undo(url, dirname(file))
            yield* Restores.same(yield* snapshot(admin), before)
          }
          yield* Restores.restore(url, file, { clean, grantTo: [user.name] })
          yield* useApp(admin, user)
        })
      )
    }
  }
}

describe("a restore on PostgreSQL 18 by the", () => matrix(18, [true, false]))
long("a restore on others by the", () => {
  describe.each([13, 15, 16] as const)("%s", (major) => matrix(major, [true, false]))
})
