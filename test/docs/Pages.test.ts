/** The commands of every page of the documentation. */
import { it } from "@effect/vitest"
import * as NativePgDump from "../support/NativePgDump.ts"
import { long } from "../support/Tier.ts"
import * as Page from "./Page.ts"
import * as Reader from "./Reader.ts"

/** PostgreSQL's own programs are shown for servers of version 15. */
const lacking = (NativePgDump.major ?? 0) < 15 ? ["pg_dump", "pg_restore", "psql"] : []
const without = lacking.length === 0 ? "" : ` (skipped: what needs ${lacking.join(", ")} of 15 or later)`

long("the pages", () => {
  for (const page of Page.pages.slice(1).filter((page) => !Page.generated.includes(page))) {
    it.live(`${page} does what it says${without}`, () => Reader.check(page, lacking), 180_000)
  }
})
