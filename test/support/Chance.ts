/** Numbers by chance that are the same in every run, unless `PGARK_SEED` says otherwise. */

/** The seed of this run. Tests name it when they fail: with `PGARK_SEED` set to it they do the same again. */
export const seed = Number(process.env["PGARK_SEED"] ?? 4)

/** A source of numbers from 0 to 1; each `stream` has its own. */
export const from = (stream: number) => {
  let state = (Math.imul(seed, 2_654_435_761) + Math.imul(stream, 40_503)) >>> 0
  return (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

/** So many whole numbers from 0 up to and without `below`. */
export const integers = (stream: number, count: number, below: number): ReadonlyArray<number> => {
  const next = from(stream)
  return Array.from({ length: count }, () => Math.floor(next() * below))
}

/** So many of these, none twice, in their order. */
export const sample = <A>(stream: number, count: number, all: ReadonlyArray<A>): ReadonlyArray<A> => {
  const next = from(stream)
  const picked = all
    .map((one, index) => ({ one, index, weight: next() }))
    .toSorted((a, b) => a.weight - b.weight)
    .slice(0, count)
  return picked.toSorted((a, b) => a.index - b.index).map(({ one }) => one)
}
