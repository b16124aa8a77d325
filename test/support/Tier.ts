/** Tests that take too long for every run: `npm run test:all` runs them, elsewhere their title says that it did not. */
import { describe } from "@effect/vitest"

const runs = process.env["PGARK_TESTS"] === "all"

/** `describe` for them. */
export const long = (title: string, body: () => void): void => {
  describe.skipIf(!runs)(runs ? title : `${title} (skipped: npm run test:all)`, body)
}
