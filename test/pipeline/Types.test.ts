/** Errors and requirements are in the types: of tasks, pipelines and verbs. */
import { describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { SqlClient } from "effect/sql/SqlClient"
import { expectTypeOf } from "vitest"
import type { DumpStore } from "../../src/dumps/DumpStore.ts"
import type { TaskTimeout } from "../../src/pipeline/Limits.ts"
import * as Pipeline from "../../src/pipeline/Pipeline.ts"
import type { PlanStale } from "../../src/pipeline/PlanStale.ts"
import type { Plan } from "../../src/pipeline/Plan.ts"
import type { RunEvent } from "../../src/pipeline/RunEvent.ts"
import * as RunStream from "../../src/pipeline/RunStream.ts"
import * as Task from "../../src/pipeline/Task.ts"
import type { DatabaseError, PermissionDenied } from "../../src/postgres/DatabaseError.ts"
import type { PgDump } from "../../src/postgres/PgDump.ts"
import type { PoolerInBetween } from "../../src/postgres/Pooler.ts"
import type { Session } from "../../src/postgres/Session.ts"
import type * as Stream from "effect/Stream"
import * as Clean from "../../src/verbs/Clean.ts"
import type * as Dump from "../../src/verbs/Dump.ts"
import type * as Grant from "../../src/verbs/Grant.ts"
import type * as Restore from "../../src/verbs/Restore.ts"
import type { Ladder } from "../../src/verbs/clean/Ladder.ts"
import type {
  CleanBlocked,
  CleanRefused,
  RoleMissing,
  SchemaMissing,
  TargetBusy,
  TargetChanged,
  VerificationFailed
} from "../../src/verbs/VerbError.ts"
import type * as Verify from "../../src/verbs/Verify.ts"

class First extends Schema.TaggedError<First>()("First", { message: Schema.String }) {}
class Second extends Schema.TaggedError<Second>()("Second", { message: Schema.String }) {}
class Ledger extends Context.Service<Ledger, { readonly write: Effect.Effect<void, Second> }>()("test/Ledger") {}

const one = Task.make("one", {
  title: "",
  plan: () => Effect.succeed({ value: 1 as const, rows: [], run: () => Effect.fail(new First({ message: "" })) })
})
const two = Task.make("two", {
  title: "",
  needs: { one },
  plan: ({ one }) =>
    Effect.succeed({ value: one, rows: [], run: () => Effect.flatMap(Ledger, ({ write }) => Effect.as(write, "two")) })
})

describe("a pipeline's type", () => {
  it("has the errors and requirements of its tasks; another task adds its own", () => {
    const small = Pipeline.run(Pipeline.make("p", [one]))
    expectTypeOf<Effect.Error<typeof small>>().toEqualTypeOf<First>()
    expectTypeOf<Effect.Services<typeof small>>().toEqualTypeOf<never>()

    const large = Pipeline.run(Pipeline.make("p", [one, two]))
    expectTypeOf<Effect.Error<typeof large>>().toEqualTypeOf<First | Second>()
    expectTypeOf<Effect.Services<typeof large>>().toEqualTypeOf<Ledger>()
    expectTypeOf<Effect.Success<typeof large>["results"]>().toEqualTypeOf<{
      readonly one: never
      readonly two: string
    }>()

    const limited = Pipeline.run(Pipeline.make("p", [Task.withLimits(one, { timeout: "1 second" }), two]))
    expectTypeOf<Effect.Error<typeof limited>>().toEqualTypeOf<First | Second | TaskTimeout>()

    const exactly = Pipeline.runExactly(Pipeline.make("p", [one]), {} as Plan)
    expectTypeOf<Effect.Error<typeof exactly>>().toEqualTypeOf<First | PlanStale>()
  })

  it("loses an error where it is handled: by the caller, around tasks, or in one", () => {
    const both = Pipeline.make("p", [one, two])
    const caught = Effect.catchTag(Pipeline.run(both), "First", () => Effect.void)
    expectTypeOf<Effect.Error<typeof caught>>().toEqualTypeOf<Second>()

    const around = Pipeline.asTask("around", {
      title: "",
      needs: [],
      pipeline: both,
      around: (run) =>
        run.pipe(
          Effect.as(1),
          Effect.catchTag("Second", () => Effect.succeed(2))
        )
    })
    // Planning the tasks within may fail with it still, and that is outside of what is around their run.
    expectTypeOf<Task.Failure<typeof around>>().toEqualTypeOf<First | Second>()

    const within = Task.make("within", {
      title: "",
      plan: () =>
        Effect.succeed({
          value: undefined,
          rows: [],
          run: () =>
            Ledger.pipe(
              Effect.flatMap(({ write }) => write),
              Effect.catchTag("Second", () => Effect.void)
            )
        })
    })
    expectTypeOf<Task.Failure<typeof within>>().toEqualTypeOf<never>()
    expectTypeOf<Task.Services<typeof within>>().toEqualTypeOf<Ledger>()
  })

  it("is that of its stream", () => {
    const stream = RunStream.make(Pipeline.run(Pipeline.make("p", [two], ["one"])))
    expectTypeOf<Stream.Error<typeof stream>>().toEqualTypeOf<Second>()
    expectTypeOf<Stream.Services<typeof stream>>().toEqualTypeOf<Ledger>()
    expectTypeOf<
      Extract<Stream.Success<typeof stream>, { _tag: "RunEnded" }>["value"]["results"]["two"]
    >().toEqualTypeOf<string>()
    expectTypeOf<Exclude<Stream.Success<typeof stream>, { _tag: "RunEnded" }>>().toEqualTypeOf<RunEvent>()
  })
})

describe("PermissionDenied", () => {
  type Step = ReturnType<typeof Clean.task<{}>>

  it("is gone from the clean step, where the ladder handles it", () => {
    expectTypeOf<Task.Failure<Step>>().toEqualTypeOf<
      CleanBlocked | CleanRefused | Exclude<DatabaseError, PermissionDenied>
    >()
    expectTypeOf<Extract<Task.Failure<Step>, PermissionDenied>>().toEqualTypeOf<never>()
    expectTypeOf<Task.Planned<Step>>().toEqualTypeOf<Ladder>()
    // What the ladder climbs with would have it.
    expectTypeOf<
      Extract<
        ReturnType<Session["Service"]["execute"]> extends Effect.Effect<infer _A, infer E> ? E : never,
        PermissionDenied
      >
    >().toEqualTypeOf<PermissionDenied>()
  })

  it("is gone from a pipeline of clean steps, and comes back with a task that may be denied", () => {
    const cleaned = Clean.task({ needs: {}, survey: () => ({ survey: {} as never }) })
    const alone = Pipeline.make("p", [cleaned])
    type Alone = Effect.Error<ReturnType<typeof Pipeline.run<(typeof alone.tasks)[number]>>>
    expectTypeOf<Extract<Alone, PermissionDenied>>().toEqualTypeOf<never>()
    const denied = Task.make("denied", {
      title: "",
      plan: () => Effect.succeed({ value: 0, rows: [], run: () => Effect.fail({} as PermissionDenied) })
    })
    const more = Pipeline.make("p", [cleaned, denied])
    type More = Effect.Error<ReturnType<typeof Pipeline.run<(typeof more.tasks)[number]>>>
    expectTypeOf<Extract<More, PermissionDenied>>().toEqualTypeOf<PermissionDenied>()
  })
})

describe("every verb", () => {
  type ErrorOf<F extends (...args: never) => unknown> = Effect.Error<ReturnType<F>>
  type ServicesOf<F extends (...args: never) => unknown> = Effect.Services<ReturnType<F>>

  it("says in its signature what it fails with and what it needs, and nothing wider", () => {
    expectTypeOf<ErrorOf<typeof Clean.clean>>().toEqualTypeOf<
      DatabaseError | CleanBlocked | CleanRefused | PoolerInBetween | SchemaMissing | TargetBusy | TargetChanged
    >()
    expectTypeOf<ErrorOf<typeof Grant.grant>>().toEqualTypeOf<
      DatabaseError | PoolerInBetween | RoleMissing | SchemaMissing | TargetBusy
    >()
    expectTypeOf<ErrorOf<typeof Verify.verify>>().toEqualTypeOf<DatabaseError | VerificationFailed>()
    expectTypeOf<ErrorOf<typeof Restore.restore<never>>>().toEqualTypeOf<Restore.RestoreError>()
    expectTypeOf<ErrorOf<typeof Restore.restore<typeof one>>>().toEqualTypeOf<Restore.RestoreError | First>()
    expectTypeOf<ErrorOf<typeof Dump.dump>>().toEqualTypeOf<Dump.DumpError>()
    expectTypeOf<ServicesOf<typeof Clean.clean>>().toEqualTypeOf<Session | SqlClient>()
    expectTypeOf<ServicesOf<typeof Restore.restore<never>>>().toEqualTypeOf<DumpStore | PgDump | Session | SqlClient>()
    expectTypeOf<ServicesOf<typeof Dump.dump>>().toEqualTypeOf<DumpStore | PgDump | Session | SqlClient>()
  })

  it("has the type that its pipeline really has, less the stale plan of those who keep none", () => {
    type Of<F extends (...args: never) => Pipeline.Pipeline<Task.Any>> =
      ReturnType<F> extends Pipeline.Pipeline<infer T> ? Task.Failure<T> : never
    expectTypeOf<Of<typeof Clean.pipeline>>().toEqualTypeOf<ErrorOf<typeof Clean.clean>>()
    expectTypeOf<Of<typeof Grant.pipeline>>().toEqualTypeOf<ErrorOf<typeof Grant.grant>>()
    expectTypeOf<Of<typeof Verify.pipeline>>().toEqualTypeOf<ErrorOf<typeof Verify.verify>>()
    expectTypeOf<Of<typeof Restore.pipeline<never>>>().toEqualTypeOf<Restore.RestoreError>()
    expectTypeOf<Of<typeof Dump.pipeline>>().toEqualTypeOf<Dump.DumpError>()
  })
})
