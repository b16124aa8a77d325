/** Numbers and lists as people read them, in plans, errors and reports. */

const english = new Intl.NumberFormat("en-US")

/** `1,234,567` */
export const count = (n: number): string => english.format(Math.round(n))

/** `1 table`, `18 tables` */
export const plural = (n: number, one: string, many = `${one}s`): string => `${count(n)} ${n === 1 ? one : many}`

/** The first `most` of a list, and how many more there are as its last item. */
export const listed = (items: ReadonlyArray<string>, most = 20): ReadonlyArray<string> =>
  items.length > most ? [...items.slice(0, most), `… and ${count(items.length - most)} more`] : items
