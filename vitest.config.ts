import { defineConfig } from "vitest/config"

const limits = {
  environment: "node",
  testTimeout: 60_000,
  hookTimeout: 120_000
} as const

/** `npm run test:all` adds the tests that take long; see `test/support/Tier.ts`. */
export default defineConfig(({ mode }) => ({
  test: {
    env: { PGARK_TESTS: mode === "all" ? "all" : "usual" },
    pool: "forks",
    // One more than the cores of a small machine: tests often wait for a server, a clock or a signal.
    maxWorkers: 3,
    // The servers are stopped in order here; the longest stop takes 22 seconds.
    teardownTimeout: 30_000,
    projects: [
      // The import rules alone, for `npm run check`: no server is started for them.
      { test: { ...limits, name: "architecture", include: ["test/Architecture.test.ts"] } },
      {
        test: {
          ...limits,
          name: "pgark",
          // A process for every file would load and warm the same modules 60 times, half a second of processor each.
          isolate: false,
          include: ["test/**/*.test.ts"],
          exclude: ["test/Architecture.test.ts"],
          globalSetup: ["test/support/globalSetup.ts"]
        }
      }
    ]
  }
}))
