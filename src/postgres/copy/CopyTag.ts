/** The number of rows in the tag that a COPY ends with; undefined where it is another statement's. */
export const rowsOf = (tag: string): number | undefined => {
  const rows = /^COPY (\d+)$/.exec(tag)?.[1]
  return rows === undefined ? undefined : Number(rows)
}
