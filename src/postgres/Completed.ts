/** The answer to a completed query. */
export interface Completed {
  /** Command tag of the last statement, for example `COPY 5000` or `DROP TABLE`. */
  readonly tag: string
  /** Notices and warnings that came with it, in order. */
  readonly notices: ReadonlyArray<Notice>
}

/** A NoticeResponse of the server. */
export interface Notice {
  readonly sqlstate: string
  readonly message: string
}
