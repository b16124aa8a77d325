/** The bytes that SQL syntax is made of. All are ASCII. */

export const newline = 0x0a
export const carriageReturn = 0x0d
export const quoteMark = 0x27
export const backslash = 0x5c
export const doubleQuote = 0x22
export const dollar = 0x24
export const opening = 0x28
export const closing = 0x29
export const asterisk = 0x2a
export const dash = 0x2d
export const dot = 0x2e
export const slash = 0x2f
export const semicolon = 0x3b

/** What a byte means between tokens. */
export const ordinary = 0
export const blank = 1
export const letter = 2
export const special = 3
export const classOf = new Uint8Array(256)
/** 1 where a word goes on. */
export const wordBytes = new Uint8Array(256)
for (const byte of Buffer.from(" \t\n\r\f\v")) classOf[byte] = blank
for (const byte of Buffer.from("'\"$-/();\\")) classOf[byte] = special
for (let byte = 0; byte < 256; byte++) {
  const character = String.fromCharCode(byte)
  if (byte >= 0x80 || /[A-Za-z_]/.test(character)) classOf[byte] = letter
  if (byte >= 0x80 || /[A-Za-z0-9_$]/.test(character)) wordBytes[byte] = 1
}
