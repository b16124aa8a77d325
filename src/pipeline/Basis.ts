/**
 * What a plan rests on: facts by name, each as a digest of its state. Two plans of equal bases do the same; where they
 * differ, the names say in what.
 */
import { createHash } from "node:crypto"
import * as Schema from "effect/Schema"

/** State by name: `table "public"."users"`; of a state only a digest. */
export const Basis = Schema.Record(Schema.String, Schema.String)
export type Basis = typeof Basis.Type

const digestOf = (text: string): string => createHash("sha256").update(text).digest("hex")

/** Hexadecimal digits of a fact's digest: enough to tell states apart, which nobody forges to fool himself. */
const digits = 16

/** A fact: its state is anything that JSON can write. */
export const fact = (name: string, state: unknown): Basis => ({
  [name]: digestOf(JSON.stringify(state)).slice(0, digits)
})

/** One digest over all of them, 64 hexadecimal digits, whatever their order. */
export const digest = (basis: Basis): string =>
  digestOf(JSON.stringify(Object.entries(basis).toSorted(([a], [b]) => (a < b ? -1 : 1))))

/** What is in the second and was not in the first, is gone, or has another state: one phrase each (`new: table …`). */
export const differences = (before: Basis, after: Basis): ReadonlyArray<string> => [
  ...Object.keys(after)
    .filter((name) => !Object.hasOwn(before, name))
    .map((name) => `new: ${name}`),
  ...Object.keys(before)
    .filter((name) => !Object.hasOwn(after, name))
    .map((name) => `gone: ${name}`),
  ...Object.keys(after)
    .filter((name) => Object.hasOwn(before, name) && before[name] !== after[name])
    .map((name) => `changed: ${name}`)
]
