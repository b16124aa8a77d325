/** Draws docs/demo.svg from what the demo prints on a terminal: `npm run docs:demo`. It needs `script` of util-linux. */
import { spawnSync } from "node:child_process"
import { writeFileSync } from "node:fs"
import { picture } from "./TerminalPicture.ts"

const columns = 80
const { NO_COLOR: _, ...env } = process.env
const demo = `stty cols ${columns}; exec '${process.execPath}' dist/main.js demo`
const { error, status, stderr, stdout } = spawnSync("script", ["-qefc", demo, "/dev/null"], {
  encoding: "utf8",
  env: { ...env, TERM: "xterm" },
  stdio: ["ignore", "pipe", "pipe"]
})
if (error !== undefined) throw error
if (status !== 0) throw new Error(`The demo has failed.\n${stdout}${stderr}`)
writeFileSync(
  new URL("demo.svg", import.meta.url),
  picture(`\u001B[36m$\u001B[39m pgark demo\n${stdout}`, { columns, title: "pgark demo, as a terminal shows it" })
)
