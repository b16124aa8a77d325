/** Manifests of dumps that no server has written. */
import { createHash } from "node:crypto"
import * as DateTime from "effect/DateTime"
import type { Provenance } from "../../src/dumps/DumpWriting.ts"
import { Manifest, manifestVersion } from "../../src/dumps/Manifest.ts"

/** Of a dump of this database, all of it. */
export const provenanceOf = (database: string): Omit<Provenance, "compression"> => ({
  pgark: "0.0.0",
  source: { host: "localhost", port: 5432, user: "me", database, serverVersion: "15.18" },
  tool: { name: "pg_dump", version: "15.18" },
  catalog: { snapshot: "shared", encoding: "UTF8", collate: "C", ctype: "C", extensions: [], parts: [], states: [] },
  schemas: []
})

/** A manifest's text that was edited by hand, with the digest that fits it again. */
export const resealed = (text: string): string => {
  const { digest: _, ...fields } = JSON.parse(text) as Record<string, unknown>
  const digest = createHash("sha256").update(JSON.stringify(fields)).digest("hex")
  return JSON.stringify({ ...fields, digest })
}

/** The manifest of an unpacked dump that holds this. */
export const manifestOf = (
  database: string,
  contents: Omit<
    Manifest,
    keyof Provenance | "version" | "createdAt" | "provenAt" | "format" | "compression" | "stored"
  > &
    Pick<Manifest, "schemas">
): Manifest => {
  const at = DateTime.makeUnsafe("2026-01-02T03:04:05.006Z")
  return new Manifest({
    version: manifestVersion,
    ...provenanceOf(database),
    createdAt: at,
    provenAt: at,
    format: "plain",
    compression: "none",
    stored: contents.sql,
    ...contents
  })
}
