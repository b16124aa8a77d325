/** The queue between pg_dump's thread and the main thread. */
import { Worker } from "node:worker_threads"
import { assert, describe, it } from "@effect/vitest"
import { SharedRing } from "../../../src/postgres/pgdump/SharedRing.ts"

const bytes = (length: number, from = 0) => Uint8Array.from({ length }, (_, index) => (from + index) % 251)

describe("a ring in one thread", () => {
  it("takes what there is room for and gives it back in order, around its end", () => {
    const ring = new SharedRing(16)
    const target = new Uint8Array(16)
    for (let round = 0, sent = 0, seen = 0; round < 100; round++) {
      const count = ring.write(bytes(11, sent))
      assert.strictEqual(count, 11)
      assert.strictEqual(ring.write(bytes(16)), 5)
      assert.strictEqual(ring.write(bytes(1)), 0)
      assert.strictEqual(ring.read(target, 0, 11), 11)
      assert.deepStrictEqual(target.slice(0, 11), bytes(11, seen))
      assert.strictEqual(ring.read(target), 5)
      assert.strictEqual(ring.size, 0)
      sent = (sent + 11) % 251
      seen = sent
    }
  })

  it("counts on when its positions pass 2^32", () => {
    const ring = new SharedRing(8)
    const control = new Int32Array(ring.buffer, 0, 2)
    control.fill(-3)
    assert.strictEqual(ring.write(bytes(8)), 8)
    assert.strictEqual(ring.size, 8)
    const target = new Uint8Array(8)
    assert.strictEqual(ring.read(target), 8)
    assert.deepStrictEqual(target, bytes(8))
  })

  it("wakes a writer when three quarters are free, and each waiter once", () => {
    const ring = new SharedRing(16)
    ring.write(bytes(16))
    assert.isFalse(ring.expectRoom())
    const target = new Uint8Array(16)
    ring.read(target, 0, 11)
    assert.isFalse(ring.takeWriter())
    ring.read(target, 0, 1)
    assert.isTrue(ring.takeWriter())
    assert.isFalse(ring.takeWriter())
    ring.read(target)
    assert.isFalse(ring.expectBytes())
    ring.write(bytes(1))
    assert.isTrue(ring.takeReader())
    assert.isFalse(ring.takeReader())
  })

  it("wants a capacity that divides 2^32", () => {
    assert.throws(() => new SharedRing(24), RangeError)
  })
})

/** Reads all that comes through one ring and writes it into another; ends when the first is closed. */
const echo = `
  const { workerData } = require("node:worker_threads")
  const run = async () => {
    const { SharedRing } = await import(workerData.module)
    const [input, output] = [new SharedRing(workerData.input), new SharedRing(workerData.output)]
    const buffer = new Uint8Array(700)
    for (;;) {
      input.waitForBytes()
      const count = input.read(buffer)
      if (count === 0) return
      for (let at = 0; at < count; at += output.write(buffer, at, count)) output.waitForRoom()
    }
  }
  void run()`

describe("a ring between two threads", () => {
  it("loses nothing, blocks for room and bytes, and lets a blocked reader go when it is closed", async () => {
    const [input, output] = [new SharedRing(1024), new SharedRing(512)]
    const module = new URL("../../../src/postgres/pgdump/SharedRing.ts", import.meta.url).href
    const workerData = { module, input: input.buffer, output: output.buffer }
    const worker = new Worker(echo, { eval: true, workerData })
    const exited = new Promise((resolve) => worker.once("exit", resolve))
    const sent = bytes(200_000)
    const received = new Uint8Array(sent.length)
    for (let from = 0, to = 0; to < sent.length;) {
      from += input.write(sent, from)
      to += output.read(received, to)
      if (output.size === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    assert.isTrue(Buffer.from(received).equals(sent))
    input.close()
    assert.strictEqual(await exited, 0)
  })
})
