/** Tests that take too long for every run: `npm run test:all` runs them, elsewhere their title says that it did not. */
import { describe } from "@effect/vitest"

/** Whether everything is to be run, told from the environment that vitest.config.ts sets. */
export const isLong = (env: Readonly<Record<string, unknown>>): boolean => env["PGARK_TESTS"] === "all"

const runs = isLong(process.env)

/** The cases of a table that this run has: all of them in the long one, elsewhere those that are usual. */
export const ofRun = <A>(cases: ReadonlyArray<A>, usual: ReadonlyArray<NoInfer<A>>): ReadonlyArray<A> =>
  runs ? cases : cases.filter((one) => usual.includes(one))

/** `describe` for each case: for those that are usual in every run, for the others in the long one. */
export const each = <A>(
  cases: ReadonlyArray<A>,
  usual: ReadonlyArray<NoInfer<A>>,
  title: (one: A) => string,
  body: (one: A) => void
): void => {
  for (const one of cases) {
    const suite = usual.includes(one) ? describe : long
    suite(title(one), () => body(one))
  }
}

/** `describe` for them. */
export const long = (title: string, body: () => void): void => {
  describe.skipIf(!runs)(runs ? title : `${title} (skipped: npm run test:all)`, body)
}
