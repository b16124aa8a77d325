/** Text of a dump as JavaScript text. Only for names in reports and decisions: SQL and data go to the server as bytes. */
import type { Decode } from "./StatementTokens.ts"

/** PostgreSQL's names for encodings (without punctuation) that `TextDecoder` knows under another. */
const labels: Record<string, string> = {
  latin2: "iso-8859-2",
  latin3: "iso-8859-3",
  latin4: "iso-8859-4",
  latin5: "windows-1254",
  latin6: "iso-8859-10",
  latin7: "iso-8859-13",
  latin8: "iso-8859-14",
  latin9: "iso-8859-15",
  latin10: "iso-8859-16",
  koi8r: "koi8-r",
  koi8u: "koi8-u",
  eucjp: "euc-jp",
  euckr: "euc-kr",
  euccn: "gbk",
  gbk: "gbk",
  gb18030: "gb18030",
  big5: "big5",
  sjis: "shift_jis",
  uhc: "euc-kr",
  win866: "ibm866",
  win874: "windows-874"
}

const utf8: Decode = (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8")
const latin1: Decode = (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1")

/**
 * The decoder for a `client_encoding`. What neither Node nor this table knows is read as UTF-8, with replacement
 * characters where that fails.
 *
 * @see https://www.postgresql.org/docs/current/multibyte.html#CHARSET-TABLE
 */
export const decoderFor = (encoding: string): Decode => {
  const name = encoding.toLowerCase().replace(/[^a-z0-9]/g, "")
  if (name === "latin1") return latin1
  const label = labels[name] ?? name.replace(/^win(\d+)$/, "windows-$1").replace(/^iso8859(\d+)$/, "iso-8859-$1")
  if (label === name && labels[name] === undefined) return utf8
  try {
    const decoder = new TextDecoder(label)
    return (bytes) => decoder.decode(bytes)
  } catch (error) {
    if (error instanceof RangeError) return utf8
    throw error
  }
}

export { utf8 }
