/** Why there is no connection, and what to do about it. */
import * as Predicate from "effect/Predicate"
import { advice } from "../Advice.ts"
import {
  AuthenticationFailed,
  ConnectionFailed,
  type DatabaseError,
  DatabaseMissing,
  PermissionDenied,
  type ServerFields,
  withFields
} from "../DatabaseError.ts"
import { type DatabaseUrl, DatabaseUrlInvalid, server as serverOf } from "../DatabaseUrl.ts"
import * as Hosts from "./Hosts.ts"
import { quote } from "../Identifier.ts"
import { LoginForbidden } from "./LoginPolicy.ts"
import { mayConnectSoon } from "../Retrying.ts"
import { sqlstateOf, toDatabaseError } from "../Sqlstate.ts"

/** What the driver threw, and how far it had come, until {@link explain} has read it. */
export class Refusal {
  readonly cause: unknown
  /** Whether somebody has accepted the connection. */
  readonly reached: boolean
  /** Whether the connection was encrypted by then. */
  readonly secured: boolean
  constructor(cause: unknown, reached = false, secured = false) {
    this.cause = cause
    this.reached = reached
    this.secured = secured
  }
}

/** Nothing came of it in that time. */
export class NoAnswer extends Error {
  override readonly name = "NoAnswer"
  constructor(seconds: number) {
    super(`There was no answer within ${seconds} second${seconds === 1 ? "" : "s"}.`)
  }
}

/** Whoever listens there speaks something else. */
export class Stranger extends Error {
  override readonly name = "Stranger"
  readonly mend: string
  constructor(said: string, mend: string) {
    super(said)
    this.mend = mend
  }
}

/**
 * Who has sent the first bytes, where it is not a PostgreSQL server: of that they are one letter where it was asked for
 * TLS, else a message of the login, a notice or an error.
 */
export const strangerBy = (bytes: Uint8Array, asked: "TLS" | "login"): Stranger | undefined => {
  const text = Buffer.from(bytes.subarray(0, 5)).toString("latin1")
  if (text.startsWith("HTTP")) {
    return new Stranger("A web server answers there.", "Check the port: 5432 is PostgreSQL's.")
  }
  if (bytes[0] === 0x15 && bytes[1] === 0x03) {
    return new Stranger(
      "Whoever answers there speaks TLS from the first byte on.",
      "A PostgreSQL 17 or newer, or a proxy before one, may want sslmode=require&sslnegotiation=direct; else check the " +
        "port."
    )
  }
  const known = asked === "TLS" ? /^(?:[SN]$|E)/ : /^[RENv]/
  return known.test(text)
    ? undefined
    : new Stranger("Whoever answers there does not speak PostgreSQL's protocol.", "Check host and port.")
}

/** `pg` has no code for this answer; the text is its own, not the server's. */
const withoutTls = ({ cause }: Refusal): boolean =>
  cause instanceof Error && cause.message.includes("does not support SSL")

/** `pg` refuses by itself, without a code, to log in where the server wants a password and there is none. */
const passwordMissing = (cause: unknown): boolean =>
  cause instanceof Error && !("code" in cause) && cause.message.startsWith("SASL: SCRAM-SERVER-FIRST-MESSAGE: client")

/** What to look at, by the way in which a login was refused. */
const loginAdvice = ({ passwordFrom }: DatabaseUrl, cause: unknown, sqlstate: string | undefined): string => {
  if (cause instanceof LoginForbidden) {
    return (
      "Find out whether that is the right server: it may be one in its place that wants the password told. " +
      "Or take require_auth or channel_binding out of the database URL."
    )
  }
  if (sqlstate === undefined)
    return "Put the password into the database URL, set PGPASSWORD, or use ~/.pgpass (mode 0600)."
  if (sqlstate === "28P01") {
    // It may come from a place that nobody thinks of any more.
    const from = passwordFrom === undefined ? "" : ` from ${passwordFrom}`
    return `Check the user, and the password${from}; in a URL its special characters may need percent-encoding.`
  }
  return (
    "Check that the user may log in, and that the server's pg_hba.conf lets it into this database from here, " +
    "with or without TLS (sslmode), with or without a client certificate (sslcert)."
  )
}

/** Where a password file was passed over, why: whoever wrote it believes the password given. */
const unanswered = ({ passwordFrom }: DatabaseUrl): string =>
  `The server wants a password, and ${passwordFrom === undefined ? "none is given." : `it comes from ${passwordFrom}.`}`

const codeOf = (cause: unknown): string => (Predicate.hasProperty(cause, "code") ? String(cause.code) : "")

/** Node's codes of a name that cannot be resolved, of a certificate that it refuses, of a refusal of its own. */
const byCode: ReadonlyArray<readonly [code: RegExp, mend: string]> = [
  ["ENOTFOUND", "No such host is known: check its name, and this machine's DNS."],
  ["EAI_AGAIN", "The host's name could not be resolved for now: check this machine's network and DNS, and try again."],
  ["ECONNREFUSED", "Nobody listens there: check host and port, and that the server is running."],
  ["ENOENT", "There is no such socket: check the folder and the port, and that the server runs."],
  ["E(?:HOST|NET)UNREACH", "There is no way there from here: check the host, this machine's network, and firewalls."],
  [
    "ERR_TLS_CERT_ALTNAME_INVALID",
    "Use the host name that the server's certificate was made for, or sslmode=verify-ca, which does not look at it."
  ],
  [
    "CERT_HAS_EXPIRED|CERT_NOT_YET_VALID",
    "Have the server's certificate renewed; or the clock of this machine is off."
  ],
  ["CERT_REVOKED", "The server's certificate is no longer good (sslcrl): find out whether it is the right server."],
  ["_CRL", "The file of revoked certificates (sslcrl, or ~/.postgresql/root.crl) must be that of each authority."],
  [
    "ALERT.*(?:_CA|CERT)|DECRYPT_ERROR",
    "The server does not take this client's certificate: sslcert and sslkey must be signed by an authority that it " +
      "trusts."
  ],
  [
    "CERT|SIGNATURE",
    "sslrootcert must name the certificate of the authority that signed the server's (else ~/.postgresql/root.crt is " +
      "taken); sslrootcert=system is for those that this machine trusts."
  ],
  ["PROTOCOL|EPROTO|SSL", "Server and client found no way to encrypt that both know: look at ssl_min_protocol_version."]
].map(([code, mend]) => [new RegExp(code!), mend!])

/** What to look at, by what became of the connection. */
const wayAdvice = (refusal: Refusal, sqlstate: string | undefined): string => {
  const { cause, reached } = refusal
  if (cause instanceof Stranger) return cause.mend
  if (cause instanceof NoAnswer) {
    return reached
      ? "Somebody listens there and says nothing: check host and port, or give a slow server " +
          "more time: --connect-timeout."
      : "Nobody is there, or a firewall in between says nothing: check the host and whether this " +
          "machine may reach it, or give a slow network more time: --connect-timeout."
  }
  if (sqlstate === "08P01") {
    return (
      "A pooler answers so: look at what it says. Where that is a startup parameter, take options out of the database " +
      "URL (or PGOPTIONS); better, connect to the server itself."
    )
  }
  if (sqlstate !== undefined) return advice(sqlstate)
  if (withoutTls(refusal)) {
    return "The server has no TLS. Have it switched on there, or use sslmode=prefer where the network is trusted."
  }
  if (cause instanceof Error && cause.message.startsWith("Unknown authenticationOk message type")) {
    return (
      "The server wants a login by GSSAPI, SSPI or another way that pgark does not have: have its pg_hba.conf ask for " +
      "scram-sha-256 or a client certificate."
    )
  }
  const code = codeOf(cause)
  return (
    byCode.find(([pattern]) => pattern.test(code))?.[1] ??
    "Check host and port, and that the server is running and reachable from here."
  )
}

/** The error that is reported of a connection that was not to be had; nothing has been touched. */
const explain = (url: DatabaseUrl, refusal: Refusal): DatabaseError => {
  const { cause } = refusal
  const error =
    passwordMissing(cause) || cause instanceof LoginForbidden
      ? new AuthenticationFailed({
          message: cause instanceof LoginForbidden ? cause.message : unanswered(url)
        })
      : toDatabaseError(cause)
  const server = serverOf(url)
  const fields = (message: string, suggestion: string): ServerFields => ({
    message,
    detail: error.message === "" ? "no answer" : error.message,
    suggestion,
    state: "untouched",
    ...(error.sqlstate === undefined ? {} : { sqlstate: error.sqlstate })
  })
  switch (error._tag) {
    case "AuthenticationFailed":
      return new AuthenticationFailed(
        fields(
          `The server at ${server} refuses the login of "${url.user}".`,
          loginAdvice(url, cause, sqlstateOf(cause))
        )
      )
    case "DatabaseMissing":
      return new DatabaseMissing(
        fields(
          `There is no database "${url.database}" at ${server}.`,
          "Create it first, or correct the name at the end of the database URL."
        )
      )
    case "ConnectionFailed":
      return new ConnectionFailed(
        cause instanceof DatabaseUrlInvalid
          ? fields(cause.message, cause.suggestion ?? "")
          : fields(`Cannot connect to the server at ${server}.`, wayAdvice(refusal, error.sqlstate))
      )
    case "PermissionDenied":
      return new PermissionDenied(
        fields(
          `The role "${url.user}" may not connect to database "${url.database}" at ${server}.`,
          `Have the database's owner run: GRANT CONNECT ON DATABASE ${quote(url.database)} TO ${quote(url.user)};`
        )
      )
    default:
      return withFields(error, { state: "untouched" })
  }
}

/** Whether another server may do better: as with libpq not where one has answered, unless it is only starting. */
export const elsewhere = (error: Refusal | Hosts.Unfit | undefined): boolean => {
  if (!(error instanceof Refusal) || mayConnectSoon(error.cause)) return true
  return (
    sqlstateOf(error.cause) === undefined && !passwordMissing(error.cause) && !(error.cause instanceof LoginForbidden)
  )
}

const words = ({ cause }: Refusal): string => (cause instanceof Error ? cause.message : String(cause)) || "no answer"

/** What all of the servers that were tried have come to: the login that one refused, or nobody who will do. */
export const explainAll = (url: DatabaseUrl, tried: ReadonlyArray<Hosts.Tried<Refusal>>): DatabaseError => {
  const last = tried.at(-1)
  const detail = Hosts.lines(tried, words)
  if (last?.error instanceof Refusal && (tried.length === 1 || !elsewhere(last.error))) {
    const error = explain(last.url, last.error)
    return tried.length === 1 ? error : withFields(error, { detail })
  }
  const answered = tried.some((one) => one.error instanceof Hosts.Unfit)
  return new ConnectionFailed({
    message: answered
      ? `No server of the database URL is what target_session_attrs=${Hosts.wanted(url)} asks for.`
      : "Cannot connect to any server of the database URL.",
    detail,
    suggestion: "Check hosts and ports, and that the servers are running and reachable from here.",
    state: "untouched"
  })
}
