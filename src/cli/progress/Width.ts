/** How wide text is on a terminal. */
import stringWidth from "string-width"

const plain = /^[ -~]*$/

/** Columns of one line. Nearly all of it is plain, which is not worth the tables of Unicode ten times a second. */
export const widthOf = (text: string): number => (plain.test(text) ? text.length : stringWidth(text))
