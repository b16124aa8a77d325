/** Where the test servers keep their data: in memory, where the machine has a folder there with room enough. */
import { spawnSync } from "node:child_process"
import { chmodSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const shared = "/dev/shm"

/** A run takes about 0.6 GB at most. A container's folder may have 64 MB, and one of a small machine half its memory. */
const room = 3 * 2 ** 30

const hasRoom = (): boolean => {
  // Who has set TMPDIR has chosen.
  if (process.platform !== "linux" || process.env["TMPDIR"] !== undefined) return false
  try {
    const { bavail, bsize } = statfsSync(shared)
    return bavail * bsize >= room
  } catch {
    return false
  }
}

/** Programs are copied into such a folder by some tests; a mount may forbid to run them. */
const runsPrograms = (folder: string): boolean => {
  const program = join(folder, "program")
  writeFileSync(program, "#!/bin/sh\nexit 0\n", { mode: 0o755 })
  const { status } = spawnSync(program)
  rmSync(program)
  return status === 0
}

/**
 * Makes `tmpdir()` of this process and of those that it starts a folder of its own, which anybody may enter. Gives what
 * removes it.
 *
 * CREATE DATABASE writes some 20 MB, and nearly every test has a database: on a disk that takes up to 0.4 s, here 0.03.
 */
export const useFolder = (): (() => void) => {
  const before = process.env["TMPDIR"]
  const make = (parent: string) => mkdtempSync(join(parent, "pgark-tests-"))
  const remove = (folder: string) => rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  let folder = make(hasRoom() ? shared : tmpdir())
  if (!runsPrograms(folder)) {
    remove(folder)
    folder = make(tmpdir())
  }
  chmodSync(folder, 0o755)
  process.env["TMPDIR"] = folder
  // A second Ctrl-C ends vitest without its teardown, and what is in memory stays there.
  const atExit = () => remove(folder)
  process.once("exit", atExit)
  return () => {
    process.off("exit", atExit)
    if (before === undefined) delete process.env["TMPDIR"]
    else process.env["TMPDIR"] = before
    remove(folder)
  }
}
