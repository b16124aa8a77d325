/**
 * What libpq's words for TLS mean, for a driver that has others: which certificates it is given, and what it checks.
 *
 * As libpq does it reads `root.crt`, `root.crl`, `postgresql.crt` and `postgresql.key` in `~/.postgresql` where the URL
 * names no other ones; with a `root.crt` there `require` checks the chain, as `verify-ca` does. What cannot be done here
 * as libpq does it is refused, so that nothing is less careful than it was told to be.
 *
 * @see https://www.postgresql.org/docs/current/libpq-ssl.html
 */
import { existsSync, readFileSync, statSync } from "node:fs"
import { isIP } from "node:net"
import { homedir } from "node:os"
import { join } from "node:path"
import * as tls from "node:tls"
import * as Effect from "effect/Effect"
import { type DatabaseUrl, DatabaseUrlInvalid } from "../DatabaseUrl.ts"

const invalid = (message: string, suggestion: string, detail?: string) =>
  new DatabaseUrlInvalid({ message, suggestion, ...(detail === undefined ? {} : { detail }), state: "untouched" })

const file = (url: DatabaseUrl, parameter: string, standard: string) => {
  const named = url.parameters.get(parameter)
  return named === undefined || named === ""
    ? { path: join(homedir(), ".postgresql", standard), named: false }
    : { path: named, named: true }
}

const read = (path: string, parameter: string): Buffer => {
  try {
    return readFileSync(path)
  } catch (cause) {
    throw invalid(
      `The file ${path}, which ${parameter} stands for, cannot be read.`,
      `Correct the path behind ${parameter}=, or let this user read the file.`,
      cause instanceof Error ? cause.message : String(cause)
    )
  }
}

/** Where OpenSSL looks on most systems: Debian, Red Hat, Alpine and macOS, SUSE. */
const bundles = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/cert.pem",
  "/etc/ssl/ca-bundle.pem"
]

/** Whom the operating system trusts, not whom Node does; undefined where only Node knows any. */
const systemRoots = (): Buffer | undefined => {
  const named = process.env["SSL_CERT_FILE"]
  const path = named === undefined || named === "" ? bundles.find(existsSync) : named
  return path === undefined ? undefined : read(path, "SSL_CERT_FILE")
}

/** Node takes a file without any for one that nobody has signed. */
const certificates = (path: string): Buffer => {
  const text = read(path, "sslrootcert")
  if (text.includes("CERTIFICATE-----")) return text
  throw invalid(`The file ${path}, which sslrootcert stands for, holds no certificate.`, "It must be PEM text.")
}

/** Who must have signed the server's certificate: certificates, whoever the system trusts, or it is not looked at. */
const roots = (url: DatabaseUrl): { readonly ca: Buffer | undefined } | undefined => {
  if (url.parameters.get("sslrootcert") === "system") return { ca: systemRoots() }
  const { named, path } = file(url, "sslrootcert", "root.crt")
  if (named || existsSync(path)) return { ca: certificates(path) }
  if (!url.sslMode.startsWith("verify-")) return undefined
  throw invalid(
    `sslmode=${url.sslMode} wants the certificate of the authority that signed the server's, and there is none.`,
    `Name it with sslrootcert=FILE, put it at ${path}, or use sslrootcert=system for the authorities that this ` +
      "machine trusts.",
    `There is no file ${path}, and no sslrootcert in the database URL.`
  )
}

/** Others than its owner may not read a private key; the group may where root owns it. As libpq has it. */
const checkPrivate = (path: string): void => {
  if (process.platform === "win32") return
  const { mode, uid } = statSync(path)
  if ((mode & (uid === 0 ? 0o037 : 0o077)) === 0) return
  throw invalid(
    `Others than its owner can read the private key ${path}, and it is therefore not used.`,
    `chmod 600 ${path} (0640 where root owns it).`
  )
}

/** What this client shows of itself where the server asks for it. */
const identity = (url: DatabaseUrl): Pick<tls.SecureContextOptions, "cert" | "key" | "passphrase"> => {
  if (url.parameters.get("sslcertmode") === "disable") return {}
  const certificate = file(url, "sslcert", "postgresql.crt")
  if (!certificate.named && !existsSync(certificate.path)) return {}
  const cert = read(certificate.path, "sslcert")
  const { path } = file(url, "sslkey", "postgresql.key")
  const key = read(path, "sslkey")
  checkPrivate(path)
  const passphrase = url.parameters.get("sslpassword")
  return { cert, key, ...(passphrase === undefined ? {} : { passphrase }) }
}

/** Certificates that are no longer good: a missing file of the user's own is no failure, as with libpq. */
const revoked = (url: DatabaseUrl): { readonly crl?: Buffer } => {
  const { named, path } = file(url, "sslcrl", "root.crl")
  return named || existsSync(path) ? { crl: read(path, "sslcrl") } : {}
}

/** As Node does it, and an address that is only the certificate's common name, as libpq does. */
const checkHost = (host: string, certificate: tls.PeerCertificate): Error | undefined =>
  isIP(host) !== 0 && certificate.subjectaltname === undefined && certificate.subject.CN === host
    ? undefined
    : tls.checkServerIdentity(host, certificate)

/** Words of libpq that are not done here in the same way, and what to do about it. */
const refusals: ReadonlyArray<readonly [parameter: string, refused: (value: string) => boolean, mend: string]> = [
  ["gssencmode", (value) => value === "require", "Encryption by GSSAPI is not to be had: use TLS (sslmode)."],
  ["sslcertmode", (value) => value === "require", "Leave it out: a server that wants a certificate says so itself."],
  ["sslcrldir", (value) => value !== "", "Name one file of revoked certificates: sslcrl=FILE."],
  ["sslsni", (value) => value === "0", "Leave it out: the host's name is always sent where it is one."],
  ["requirepeer", (value) => value !== "", "Leave it out: who owns the server's socket cannot be found out here."]
]

const versions: ReadonlyArray<string> = ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]

/** Whether the connection goes through a socket file, which is never encrypted. */
export const isLocal = ({ host }: Pick<DatabaseUrl, "host">): boolean => host.startsWith("/") || host.startsWith("@")

/**
 * Fails where a word of libpq for encryption or login cannot be followed, encrypted or not.
 *
 * @throws DatabaseUrlInvalid
 */
export const checkWords = (url: DatabaseUrl): void => {
  const { parameters, sslMode } = url
  for (const [parameter, refused, mend] of refusals) {
    const value = parameters.get(parameter)
    if (value !== undefined && refused(value)) throw invalid(`${parameter}=${value} is not supported.`, mend)
  }
  const [least, most] = ["ssl_min_protocol_version", "ssl_max_protocol_version"].map((parameter) =>
    versions.indexOf(parameters.get(parameter) ?? "")
  )
  if (least! >= 0 && most! >= 0 && least! > most!) {
    throw invalid(
      "ssl_min_protocol_version is above ssl_max_protocol_version: no version of TLS is left.",
      "Leave out one of them."
    )
  }
  const weak = sslMode === "disable" || sslMode === "allow" || sslMode === "prefer"
  if (parameters.get("sslnegotiation") === "direct" && weak) {
    throw invalid(
      `sslnegotiation=direct does not go with sslmode=${sslMode}, which would also do without TLS.`,
      "Use sslmode=require, verify-ca or verify-full with it."
    )
  }
  if (parameters.get("channel_binding") === "require" && (sslMode === "disable" || isLocal(url))) {
    throw invalid(
      "channel_binding=require wants TLS, and this connection would have none.",
      "Use sslmode=require, verify-ca or verify-full with it, over a host name."
    )
  }
}

const unusable = (cause: unknown) =>
  invalid(
    "The certificates or the key for TLS cannot be used.",
    "They must be PEM text, the key that of the certificate, and sslpassword its password where it has one.",
    cause instanceof Error ? cause.message : String(cause)
  )

/**
 * What Node's TLS is given for an encrypted connection, its certificates read.
 *
 * @throws DatabaseUrlInvalid where a file cannot be used, or a word of libpq cannot be followed
 */
export const options = (url: DatabaseUrl): tls.ConnectionOptions => {
  checkWords(url)
  const { parameters, sslMode } = url
  const trusted = roots(url)
  const limit = (parameter: string) => (parameters.get(parameter) || undefined) as tls.SecureVersion | undefined
  const [minVersion, maxVersion] = [limit("ssl_min_protocol_version"), limit("ssl_max_protocol_version")]
  const context = {
    ...(trusted?.ca === undefined ? {} : { ca: trusted.ca }),
    ...(trusted === undefined ? {} : revoked(url)),
    ...identity(url),
    ...(minVersion === undefined ? {} : { minVersion }),
    ...(maxVersion === undefined ? {} : { maxVersion })
  }
  try {
    // A driver would find out in the middle of connecting, where one of them lets the process end with it.
    tls.createSecureContext(context)
  } catch (cause) {
    throw unusable(cause)
  }
  return {
    ...context,
    rejectUnauthorized: trusted !== undefined,
    checkServerIdentity: sslMode === "verify-full" ? checkHost : () => undefined,
    // Where the connection goes to an address, the certificate is still the name's.
    ...(url.hostaddr === undefined ? {} : { host: url.host }),
    ...(url.hostaddr === undefined || isIP(url.host) !== 0 ? {} : { servername: url.host })
  }
}

/**
 * Fails where TLS cannot be had as the URL wants it: a file that cannot be read or is not what it should be, a key that
 * others can read or whose password is wrong, a word of libpq that is not followed here. A later connection could only
 * say that it failed.
 */
export const check = (url: DatabaseUrl): Effect.Effect<void, DatabaseUrlInvalid> =>
  Effect.try({
    try: () => void (url.sslMode === "disable" || [url, ...url.others].every(isLocal) ? checkWords(url) : options(url)),
    catch: (cause) => (cause instanceof DatabaseUrlInvalid ? cause : unusable(cause))
  })
