/** The one place through which whole lines reach stderr that no effect writes: logs, and what a tracer tells. */

/** Writes a line and its end. */
export const line = (text: string): void => {
  process.stderr.write(`${text}\n`)
}
