/** Which of the known names somebody may have meant. */

/** Letters to insert, leave out or replace until the one is the other; two that changed places count as one. */
const distance = (a: string, b: string): number => {
  let before: ReadonlyArray<number> = []
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      next.push(
        Math.min(
          (row[j] ?? 0) + 1,
          (next[j - 1] ?? 0) + 1,
          (row[j - 1] ?? 0) + (same ? 0 : 1),
          swapped ? (before[j - 2] ?? 0) + 1 : Infinity
        )
      )
    }
    before = row
    row = next
  }
  return row[b.length] ?? 0
}

const plain = (name: string): string => name.toLowerCase().replaceAll(/[-_.]/g, "")

/** The most similar of the names; none where no name is similar. Case and `-_.` do not matter. */
export const nearest = (written: string, known: ReadonlyArray<string>): string | undefined => {
  const text = plain(written)
  const limit = text.length < 4 ? 1 : 2
  const [best] = known
    .map((name) => ({ name, away: distance(text, plain(name)) }))
    .filter(({ away, name }) => away <= limit || (text.length > 3 && plain(name).startsWith(text)))
    .toSorted((a, b) => a.away - b.away)
  return best?.name
}
