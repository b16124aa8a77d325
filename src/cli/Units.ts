/** Numbers as people read them. */

/** `1,234,567` */
export const count = (n: number): string => Math.round(n).toLocaleString("en-US")

/** `1 table`, `18 tables` */
export const plural = (n: number, one: string, many = `${one}s`): string => `${count(n)} ${n === 1 ? one : many}`

/** Bytes in decimal units: `512 B`, `1.4 MB`. */
export const bytes = (n: number): string => {
  const units = ["B", "kB", "MB", "GB", "TB"]
  const power = n < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(n) / 3))
  const value = n / 1000 ** power
  return `${power === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${units[power]}`
}

/** Milliseconds as `0.4 s`, `12 s`, `3 min 20 s`. */
export const duration = (milliseconds: number): string => {
  const seconds = milliseconds / 1000
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  if (seconds < 60) return `${Math.round(seconds)} s`
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`
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
