/** The undocumented parts of `pg` that the takeover of a connection leans on, and what it hands over. */
import { Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Client } from "pg"
import * as Connecting from "../../../src/postgres/Connecting.ts"
import { ServerMessages } from "../../../src/postgres/pgdump/ServerMessages.ts"
import { takeover } from "../../../src/postgres/pgdump/Takeover.ts"
import * as Clusters from "../../support/Clusters.ts"

/** Type and body of each message. */
const messagesIn = (bytes: Uint8Array) => {
  const buffer = Buffer.from(bytes)
  const found: Array<readonly [type: string, body: string]> = []
  for (let at = 0; at < buffer.length; at += 1 + buffer.readInt32BE(at + 1)) {
    found.push([
      String.fromCharCode(buffer[at]!),
      buffer.toString("latin1", at + 5, at + 1 + buffer.readInt32BE(at + 1))
    ])
  }
  return found
}

const queryMessage = (sql: string) => {
  const body = Buffer.from(`${sql}\0`)
  const header = Buffer.from([0x51, 0, 0, 0, 0])
  header.writeInt32BE(4 + body.length, 1)
  return Buffer.concat([header, body])
}

/** What the server says until it is ready again. */
const ask = (socket: Socket, sql: string) =>
  Effect.callback<Uint8Array>((resume) => {
    const chunks: Array<Buffer> = []
    const listen = (chunk: Buffer) => {
      chunks.push(chunk)
      const all = Buffer.concat(chunks)
      if (messagesIn(all).at(-1)?.[0] !== "Z") return
      socket.off("data", listen)
      resume(Effect.succeed(all))
    }
    socket.on("data", listen)
    socket.write(queryMessage(sql))
  })

describe("pg 8.23", () => {
  it.live("keeps its socket in client.connection.stream and reads it through one listener", () =>
    Effect.gen(function* () {
      const url = yield* Clusters.superuser(Clusters.sourceMajor)
      const client = new Client(Connecting.toPgConfig(url, false))
      yield* Effect.promise(() => client.connect())
      const { stream } = client.connection
      assert.instanceOf(stream, Socket)
      assert.strictEqual(stream.listenerCount("data"), 1)
      assert.isTrue(stream.readableFlowing)
      yield* Effect.promise(() => client.end())
    })
  )
})

describe("takeover", () => {
  for (const encoding of ["UTF8", "LATIN1", "SQL_ASCII"]) {
    it.live(`of a connection to a database of encoding ${encoding}: what a login would have answered`, () =>
      Effect.gen(function* () {
        const url = yield* Clusters.makeDatabase(Clusters.sourceMajor, { encoding })
        const { greeting, socket } = yield* takeover(url, { work_mem: "7MB" })
        const messages = messagesIn(greeting)
        assert.strictEqual(messages.map(([type]) => type).join(""), `R${"S".repeat(messages.length - 3)}KZ`)
        const parameters = new Map(
          messages.flatMap(([type, body]) => (type === "S" ? [body.split("\0") as [string, string]] : []))
        )
        assert.strictEqual(parameters.get("client_encoding"), encoding)
        assert.strictEqual(parameters.get("server_encoding"), encoding)
        assert.strictEqual(parameters.get("standard_conforming_strings"), "on")
        assert.strictEqual(parameters.get("is_superuser"), "on")
        assert.match(parameters.get("server_version") ?? "", /^18\.\d/)
        assert.strictEqual(socket.listenerCount("data"), 0)
        const shown = messagesIn(yield* ask(socket, "SELECT current_setting('work_mem'), getdatabaseencoding()"))
        assert.include(shown.find(([type]) => type === "D")?.[1], "7MB")
      }).pipe(Effect.scoped)
    )
  }

  it.live("is over with its scope, whatever the server is busy with", () =>
    Effect.gen(function* () {
      const url = yield* Clusters.makeDatabase(Clusters.sourceMajor)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { socket } = yield* takeover(url, {})
          socket.write(queryMessage("SELECT pg_sleep(60)"))
          yield* Effect.sleep("100 millis")
        })
      ).pipe(Effect.timeout("1 second"))
      const server = yield* Clusters.superuser(Clusters.sourceMajor)
      yield* Effect.sleep("200 millis")
      const left = yield* Clusters.query(server, "SELECT FROM pg_stat_activity WHERE datname = $1", [url.database])
      assert.lengthOf(left, 0)
    })
  )
})

describe("messages that pass by", () => {
  it.live("are searched for refusals, however they are cut", () =>
    Effect.gen(function* () {
      const url = yield* Clusters.superuser(Clusters.sourceMajor)
      const { socket } = yield* takeover(url, {})
      const answer = Buffer.concat([
        yield* ask(socket, "SELECT repeat('E', 100)"),
        yield* ask(socket, "SELECT 1 FROM absent"),
        yield* ask(socket, "SELECT 'ERROR'")
      ])
      for (const size of [1, 2, 3, 7, 64, answer.length]) {
        const messages = new ServerMessages()
        for (let at = 0; at < answer.length; at += size) {
          messages.pass(answer, at, Math.min(size, answer.length - at))
        }
        assert.deepInclude(messages.refusal, {
          severity: "ERROR",
          code: "42P01",
          message: 'relation "absent" does not exist'
        })
      }
    }).pipe(Effect.scoped)
  )
})
