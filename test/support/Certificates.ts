/** Authorities and certificates, made by openssl; tests that need them are skipped where it is not installed. */
import { execFileSync, spawnSync } from "node:child_process"
import { chmodSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe } from "@effect/vitest"

const isInstalled = spawnSync("openssl", ["version"]).status === 0

/** `describe` for them. */
export const suite = (title: string, body: () => void): void => {
  describe.skipIf(!isInstalled)(isInstalled ? title : `${title} (skipped: openssl is not on PATH)`, body)
}

const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]

/** Password of the key of `locked`. */
export const keyPassword = "the key's own"

/**
 * In this folder, each with its .key:
 *
 * - own.crt, other.crt: two authorities
 * - server.crt: by own, for localhost. own.crl: says that it is no longer good; good.crl that all are
 * - self.crt: for localhost, by itself
 * - card.crt: by own, for the role card; locked.crt the same, its key with a password
 * - foreign.crt: by other, for the role card
 */
export const make = (directory: string): void => {
  const openssl = (...args: ReadonlyArray<string>) =>
    execFileSync("openssl", [...args], { cwd: directory, stdio: "pipe" })
  const file = (name: string, text: string) => writeFileSync(join(directory, name), text)
  file("san", "subjectAltName=DNS:localhost")
  for (const name of ["own", "other"]) {
    openssl(
      "req",
      "-x509",
      ...key,
      "-nodes",
      "-days",
      "2",
      "-subj",
      `/CN=${name}`,
      "-keyout",
      `${name}.key`,
      "-out",
      `${name}.crt`
    )
  }
  const san = ["-addext", "subjectAltName=DNS:localhost"]
  openssl(
    "req",
    "-x509",
    ...key,
    "-nodes",
    "-days",
    "2",
    "-subj",
    "/CN=localhost",
    ...san,
    "-keyout",
    "self.key",
    "-out",
    "self.crt"
  )
  const signed = (name: string, authority: string, subject: string, ...more: ReadonlyArray<string>) => {
    const lock = name === "locked" ? ["-passout", `pass:${keyPassword}`] : ["-nodes"]
    openssl("req", "-new", ...key, ...lock, "-subj", `/CN=${subject}`, "-keyout", `${name}.key`, "-out", "request")
    const by = ["-CA", `${authority}.crt`, "-CAkey", `${authority}.key`, "-CAcreateserial"]
    openssl("x509", "-req", "-in", "request", "-days", "2", ...by, ...more, "-out", `${name}.crt`)
    chmodSync(join(directory, `${name}.key`), 0o600)
  }
  signed("server", "own", "localhost", "-extfile", "san")
  signed("card", "own", "card")
  signed("locked", "own", "card")
  signed("foreign", "other", "card")
  file("index.txt", "")
  file("crl.conf", "[ca]\ndefault_ca = all\n[all]\ndatabase = index.txt\ndefault_md = sha256\ndefault_crl_days = 2\n")
  const revoking = ["ca", "-config", "crl.conf", "-keyfile", "own.key", "-cert", "own.crt"]
  openssl(...revoking, "-gencrl", "-out", "good.crl")
  openssl(...revoking, "-revoke", "server.crt")
  openssl(...revoking, "-gencrl", "-out", "own.crl")
}
