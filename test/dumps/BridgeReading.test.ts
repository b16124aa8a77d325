import { assert, describe, it } from "@effect/vitest"
import { BridgeReading } from "../../src/dumps/BridgeReading.ts"
import { read } from "../../src/dumps/Proof.ts"

/** What is found when the bytes come in two pieces, cut here. */
const cutAt = (bytes: Uint8Array, at: number) => {
  const reading = new BridgeReading()
  reading.push(bytes.subarray(0, at))
  reading.push(bytes.subarray(at))
  return reading.finish()
}

describe("what a dump tells of its source", () => {
  it("is whether its bytes are ASCII, UTF-8 or neither, wherever the pieces are cut", () => {
    for (const [text, bytes] of [
      ["ascii", Buffer.from("plain \x7f\n")],
      ["utf8", Buffer.from("ä €, 😀 and ß")],
      ["bytes", Buffer.from("größer", "latin1")],
      ["bytes", Buffer.concat([Buffer.from("ends in the middle of €").subarray(0, -1)])],
      ["bytes", Buffer.from([0x61, 0xc0, 0x80, 0x61])]
    ] as const) {
      for (let at = 0; at <= bytes.length; at++) assert.strictEqual(cutAt(bytes, at).text, text, `${text} at ${at}`)
    }
  })

  it("is the versions in its head, and no others", () => {
    const head = "--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version 15.18 (Debian 15.18-0)\n"
    const { pgDump, server } = read([
      Buffer.from(`${head}-- Dumped by pg_dump version 18.3\n\nSET work_mem = '1MB';\n`)
    ]).bridge
    assert.deepStrictEqual({ pgDump, server }, { pgDump: "18.3", server: "15.18" })
    assert.isUndefined(read([Buffer.from("SELECT '-- Dumped by pg_dump version 18.3';\n")]).bridge.pgDump)
  })

  it("is what only some majors know, with the first few lines", () => {
    const sql = "GRANT MAINTAIN ON TABLE public.t TO a;\n".repeat(5)
    const { features } = read([Buffer.from(sql)]).bridge
    assert.deepStrictEqual(
      features.map(({ count, feature: { since }, lines }) => ({ count, since, lines })),
      [{ count: 5, since: 17, lines: [1, 2, 3] }]
    )
  })
})
