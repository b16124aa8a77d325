/** Numbers and lists as people read them, in plans, errors and reports. */

const english = new Intl.NumberFormat("en-US")

/** `1,234,567` */
export const count = (n: number): string => english.format(Math.round(n))

/** `1 table`, `18 tables` */
export const plural = (n: number, one: string, many = `${one}s`): string => `${count(n)} ${n === 1 ? one : many}`

/** The first `most` of a list, and how many more there are as its last item. */
export const listed = (items: ReadonlyArray<string>, most = 20): ReadonlyArray<string> =>
  items.length > most ? [...items.slice(0, most), `… and ${count(items.length - most)} more`] : items

/** One digit behind the point below 10, none from there on. */
const short = (value: number): string => (Math.round(value * 10) < 100 ? value.toFixed(1) : value.toFixed(0))

/** Bytes in decimal units: `512 B`, `1.4 MB`. */
export const bytes = (n: number): string => {
  if (n < 1000) return `${n} B`
  let value = n / 1000
  for (const unit of ["kB", "MB", "GB"]) {
    // What would be shown as 1000 is 1.0 of the next unit.
    if (Math.round(value) < 1000) return `${short(value)} ${unit}`
    value /= 1000
  }
  return `${short(value)} TB`
}
