/** Bytes and times as people read them. */
import { plural } from "../../pipeline/Words.ts"

export { bytes } from "../../pipeline/Words.ts"

/** One digit behind the point below 10, none from there on. */
const short = (value: number): string => (Math.round(value * 10) < 100 ? value.toFixed(1) : value.toFixed(0))

/** Milliseconds as `15 ms`, `0.4 s`, `12 s`, `3 min 20 s`. */
export const duration = (milliseconds: number): string => {
  if (milliseconds < 100) return `${Math.round(milliseconds)} ms`
  const seconds = Math.round(milliseconds / 1000)
  if (seconds < 60) return `${short(milliseconds / 1000)} s`
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}

/** The same for a clock that goes on, in whole seconds, minutes from an hour on: `9 s`, `3 min 20 s`, `2 h 5 min`. */
export const span = (milliseconds: number): string => {
  const seconds = Math.floor(milliseconds / 1000)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  return minutes < 60 ? `${minutes} min ${seconds % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** How long ago, from milliseconds: `2 minutes ago`. */
export const ago = (milliseconds: number): string => {
  const steps: ReadonlyArray<readonly [number, string]> = [
    [86_400_000, "day"],
    [3_600_000, "hour"],
    [60_000, "minute"],
    [1000, "second"]
  ]
  for (const [size, unit] of steps) {
    if (milliseconds >= size) return `${plural(Math.floor(milliseconds / size), unit)} ago`
  }
  return "just now"
}
