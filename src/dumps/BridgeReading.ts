/** What a dump tells of the server it comes from, and what it wants of the one it goes to. */
import type { NamedObject } from "../postgres/ObjectName.ts"
import type { StatementText } from "../postgres/script/ScriptEvent.ts"
import type { StatementKind } from "../postgres/script/StatementKind.ts"
import type { Decode } from "../postgres/script/StatementTokens.ts"
import { type CollationName, FeatureReader } from "../postgres/version/FeatureReader.ts"
import type { Feature } from "../postgres/version/Features.ts"
import { type TextKind, TextReading } from "./TextKind.ts"

/** A feature that not every major of PostgreSQL has, and where the dump uses it. */
export interface FeatureUse {
  readonly feature: Feature
  /** Statements. */
  readonly count: number
  /** Lines of the first few. */
  readonly lines: ReadonlyArray<number>
}

/** A collation that the dump names. */
export interface CollationUse extends CollationName {
  /** Of the first statement that does. */
  readonly line: number
}

export interface BridgeFacts {
  /** The version of the server that was dumped, and of the pg_dump that did it, as the dump's head names them. */
  readonly server?: string
  readonly pgDump?: string
  /** What its bytes are, those of its rows included. */
  readonly text: TextKind
  readonly features: ReadonlyArray<FeatureUse>
  /** What is not created at all where the server lacks a feature. */
  readonly leftOut: ReadonlyArray<{ readonly feature: Feature; readonly object: NamedObject }>
  readonly collations: ReadonlyArray<CollationUse>
  /** Tables with partitions by ranges of text, in the order of the database's own collation. */
  readonly rangedByText: ReadonlyArray<{ readonly schema?: string; readonly name: string }>
}

/** Where pg_dump names the versions, in bytes. */
const headLength = 1024
/** How many places are kept of each feature. */
const enough = 3

/** Gathers that in one reading: push every byte and take every statement. */
export class BridgeReading {
  private head = new Uint8Array()
  private readonly text = new TextReading()
  private readonly reader = new FeatureReader(() => true)
  private readonly features = new Map<string, FeatureUse>()
  private readonly leftOut: Array<BridgeFacts["leftOut"][number]> = []
  private readonly collations = new Map<string, CollationUse>()
  private readonly rangedByText: Array<BridgeFacts["rangedByText"][number]> = []

  push(chunk: Uint8Array): void {
    if (this.head.length < headLength) {
      this.head = Buffer.concat([this.head, chunk.subarray(0, headLength - this.head.length)])
    }
    this.text.push(chunk)
  }

  take(kind: StatementKind, { bytes, line }: Pick<StatementText, "bytes" | "line">, decode: Decode): void {
    const { collations, instead, lacking, rangedByText } = this.reader.read(kind, bytes, decode)
    for (const feature of lacking) {
      const { count, lines } = this.features.get(feature.what) ?? { count: 0, lines: [] }
      const more = lines.length < enough ? [...lines, line] : lines
      if (kind._tag === "Create" && kind.name !== undefined && instead?.length === 0) {
        this.leftOut.push({ feature, object: { ...kind, name: kind.name } })
      }
      this.features.set(feature.what, { feature, count: count + 1, lines: more })
    }
    for (const collation of collations) {
      const key = JSON.stringify([collation.schema, collation.name])
      if (!this.collations.has(key)) this.collations.set(key, { ...collation, line })
    }
    if (rangedByText === true && kind._tag === "Create" && kind.name !== undefined) {
      this.rangedByText.push({ ...(kind.schema === undefined ? {} : { schema: kind.schema }), name: kind.name })
    }
  }

  finish(): BridgeFacts {
    const head = Buffer.from(this.head).toString("latin1")
    const server = /^-- Dumped from database version (\d\S*)/m.exec(head)?.[1]
    const pgDump = /^-- Dumped by pg_dump version (\d\S*)/m.exec(head)?.[1]
    return {
      ...(server === undefined ? {} : { server }),
      ...(pgDump === undefined ? {} : { pgDump }),
      text: this.text.finish(),
      features: [...this.features.values()],
      leftOut: this.leftOut,
      collations: [...this.collations.values()],
      rangedByText: this.rangedByText
    }
  }
}
