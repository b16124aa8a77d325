import { defineConfig } from "vitest/config"
export default defineConfig({ test: { env: { PGARK_TESTS: "usual" }, pool: "forks", maxWorkers: 2, isolate: false, testTimeout: 60000 } })
