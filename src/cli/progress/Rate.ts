/** How fast something goes: an average in which what was lately counts most. */

/** Moments are milliseconds since 1970. */
export interface Rate {
  readonly since: number
  readonly at: number
  /** The count at that moment. */
  readonly done: number
  /** A second's count, weighted, not yet divided by the weights. */
  readonly sum: number
}

/** Milliseconds after which a moment counts a third of what it did. */
const memory = 4000

/** Milliseconds without news that mean nothing: counts come in steps. */
const grace = 500

/** Milliseconds without news after which nobody knows how long it will take. */
const still = 3000

/** Milliseconds that have to be seen before anything is said of what is to come. */
const enough = 2000

const fading = (milliseconds: number): number => Math.exp(-Math.max(0, milliseconds) / memory)

/** The rate after a count at a moment. */
export const add = (rate: Rate | undefined, done: number, now: number): Rate => {
  if (rate === undefined || done < rate.done) return { since: now, at: now, done, sum: 0 }
  const milliseconds = now - rate.at
  if (milliseconds <= 0) return { ...rate, done }
  const kept = fading(milliseconds)
  const current = ((done - rate.done) * 1000) / milliseconds
  return { since: rate.since, at: now, done, sum: rate.sum * kept + current * (1 - kept) }
}

/** A second's count, as of now; undefined where too little was seen. */
export const perSecond = ({ at, since, sum }: Rate, now: number): number | undefined => {
  const weights = 1 - fading(now - since)
  return now - since < enough ? undefined : (sum * fading(now - at - grace)) / weights
}

/** Milliseconds until the count is so high; undefined while that cannot be known. */
export const left = (rate: Rate, total: number, now: number): number | undefined => {
  const speed = perSecond(rate, now)
  if (speed === undefined || speed <= 0 || now - rate.at > still || rate.done >= total) return undefined
  return ((total - rate.done) / speed) * 1000
}
