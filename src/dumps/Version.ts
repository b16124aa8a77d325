declare const PGARK_VERSION: string | undefined

/** Version of pgark, as manifests name it: set by the bundler; a run from source has none. */
export const Version = typeof PGARK_VERSION === "string" ? PGARK_VERSION : "0.0.0-source"
