/**
 * How a server may ask who is there, where the URL narrows it: `require_auth` and `channel_binding=require`.
 *
 * The driver answers whatever it is asked for. A server that was put in the place of the right one could so have the
 * password told; hence what it asks for is looked at before the driver answers.
 *
 * @see https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-REQUIRE-AUTH
 */
import type { Client } from "pg"
import type { DatabaseUrl } from "../DatabaseUrl.ts"

/** The server wants the login in a way that the URL forbids. */
export class LoginForbidden extends Error {
  override readonly name = "LoginForbidden"
}

type Method = "password" | "md5" | "scram-sha-256" | "none"

/** What the list of `require_auth` lets through: those that it names, or all but those that it names with a `!`. */
const permits = (list: string, method: Method): boolean => {
  const names = list
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "")
  if (names.every((name) => name.startsWith("!"))) return !names.includes(`!${method}`)
  return names.includes(method)
}

const binding = "SCRAM-SHA-256-PLUS"

/**
 * Watches over the login of a client that is not connected yet, and calls back once where the server breaks the rules;
 * the connection has been closed then, and nothing was answered.
 */
export const watch = (client: Client, url: DatabaseUrl, forbidden: (cause: LoginForbidden) => void): void => {
  const list = url.parameters.get("require_auth") ?? ""
  const bound = url.parameters.get("channel_binding") === "require"
  if (list === "" && !bound) return
  const { connection } = client
  let proven = false
  const refuse = (said: string) => {
    connection.stream.destroy()
    forbidden(new LoginForbidden(said))
  }
  const judge = (method: Method) => {
    if (!permits(list, method)) return refuse(`It asks for the method "${method}"; require_auth is ${list}.`)
    if (bound && !proven) refuse(`It does not offer ${binding}, which channel_binding=require is for.`)
  }
  connection.once("authenticationCleartextPassword", () => judge("password"))
  connection.once("authenticationMD5Password", () => judge("md5"))
  connection.once("authenticationSASL", ({ mechanisms }: { readonly mechanisms: ReadonlyArray<string> }) => {
    proven = mechanisms.includes(binding)
    judge("scram-sha-256")
    connection.off("authenticationOk", unasked)
    // A server that has not shown that it knows the password may be one in the place of the right one.
    connection.once("authenticationOk", unfinished)
    connection.once("authenticationSASLFinal", () => connection.off("authenticationOk", unfinished))
  })
  const unfinished = () => refuse("It lets this client in without having finished the login that it asked for.")
  // It follows each of the others, of which the first two have been judged by then.
  const unasked = () => judge("none")
  connection.once("authenticationOk", unasked)
  for (const asked of ["authenticationCleartextPassword", "authenticationMD5Password"]) {
    connection.once(asked, () => connection.off("authenticationOk", unasked))
  }
}
