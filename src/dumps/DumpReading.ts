/** What one reading of a dump finds in it: the fold behind {@link file://./Proof.ts}. */
import { createHash } from "node:crypto"
import type * as Schema from "effect/Schema"
import { isSystemSchema } from "../postgres/Identifier.ts"
import { type NamedObject, objectKey } from "../postgres/ObjectName.ts"
import { DumpGuard } from "../postgres/script/DumpGuard.ts"
import type { CopyStart, Entry, Meta, ScriptEvent, Statement } from "../postgres/script/ScriptEvent.ts"
import { SqlScanner } from "../postgres/script/SqlScript.ts"
import { insertedRows } from "../postgres/script/Statement.ts"
import type { StatementKind } from "../postgres/script/StatementKind.ts"
import { StatementReader } from "../postgres/script/StatementReader.ts"
import type { QualifiedName } from "../postgres/script/StatementTokens.ts"
import { LargeObjectReading } from "./LargeObjects.ts"
import { type BridgeFacts, BridgeReading } from "./BridgeReading.ts"
import type { contentFields } from "./Manifest.ts"
import { PrismaReading } from "./PrismaMigrations.ts"
import type { RowsFound } from "./RowsReading.ts"
import { type TextKind, together } from "./TextKind.ts"

/** Something wrong in a dump, as the end of a sentence, and where. */
export interface Finding {
  readonly message: string
  readonly line?: number
  /** What helps, where that is known. */
  readonly remedy?: string
}

/** What is in a dump. */
export interface Contents extends Schema.Struct.Type<typeof contentFields> {
  /** Statements, COPY among them. */
  readonly statements: number
  /** COPY blocks that are closed. */
  readonly copies: number
  /** pg_dump's closing lines are the last thing in the file. */
  readonly trailer: boolean
  /** Signs that the file is cut or overwritten; of each kind the first few. */
  readonly flaws: ReadonlyArray<Finding>
  /** What no restore may do; the first few. */
  readonly unsafe: ReadonlyArray<Finding>
  /** What it creates. */
  readonly creates: ReadonlyArray<NamedObject>
  /** What it changes by ALTER and has not created before. */
  readonly alters: ReadonlyArray<NamedObject>
  /** What its own DROP statements take away, large objects included. */
  readonly drops: ReadonlyArray<NamedObject>
  /** Extensions that it creates. */
  readonly extensions: ReadonlyArray<string>
  /** Roles that it makes owners. */
  readonly owners: ReadonlyArray<string>
  /** Roles that its policies are for. */
  readonly policyRoles: ReadonlyArray<string>
  /** Statements of kinds that pg_dump does not write (DELETE, DO …), counted by their first word. */
  readonly unusual: Readonly<Record<string, number>>
  /** OIDs of the large objects that it creates. */
  readonly largeObjectIds: ReadonlyArray<string>
  /**
   * It was made with `--enable-row-security`: of tables with policies it has what they showed. pg_dump tells so by the
   * setting that it writes, and in no other way.
   */
  readonly rowSecurity: boolean
  /** What matters where the target is another server than the source. */
  readonly bridge: BridgeFacts
}

/** How far a reading is. */
export interface ReadingPosition {
  /** Bytes of SQL. */
  readonly bytes: number
  /** Rows of all tables so far, that of the COPY block which is open included. */
  readonly rows: number
  /** The tables of the COPY blocks that are closed, in their order. It grows: remember how much of it you have seen. */
  readonly closed: ReadonlyArray<{ readonly schema: string; readonly name: string }>
  /** Of the COPY block that is open: its table, and what of it was read. */
  readonly table?: { readonly schema: string; readonly name: string; readonly rows: number; readonly bytes: number }
}

type LargeObjectCall = Extract<StatementKind, { readonly _tag: "LargeObjectCall" }>
const unfinished = {
  statement: "it ends inside a statement",
  copy: "it ends inside the data of a table",
  string: "it ends inside a string",
  comment: "it ends inside a comment"
}

const secondDump = "a second dump begins before the first has ended"
/** How many findings are kept. */
const enough = 100
/** First words of what pg_dump writes besides all that has a kind of its own: REFRESH MATERIALIZED VIEW. */
const usual = new Set(["", "refresh", "reset", "set"])
/** Settings that change whose rights count, or which constraints hold. */
const sessionChanging = new Set(["role", "session_replication_role"])
const partsOfTables = new Set(["CONSTRAINT", "DEFAULT", "INDEX", "POLICY", "RULE", "TRIGGER"])

/**
 * Reads a dump in one pass and constant memory. Push every byte of the file, in order; chunks must not be changed
 * afterwards.
 */
export class DumpReading {
  private readonly scanner = new SqlScanner()
  private readonly guard = new DumpGuard()
  private readonly hash = createHash("sha256")
  private readonly reader = new StatementReader()
  private readonly bridge = new BridgeReading()
  private length = 0
  private statements = 0
  private readonly closed: Array<{ readonly schema: string; readonly name: string }> = []
  private copying = false
  /** What of the COPY block that is open was read, and the rows of those that are closed. */
  private open = { rows: 0, bytes: 0 }
  private rows = 0
  private trailer = false
  /** Key of the `\restrict` that waits for its `\unrestrict`. */
  private restricted: string | undefined
  private zeroSeen = false
  private entry: Entry | undefined
  private table: { readonly schema: string; readonly name: string } = { schema: "", name: "" }
  private migrations: PrismaReading | undefined
  private prisma: Contents["prismaMigrations"]
  /** What the files of rows hold. */
  private readonly texts = new Set<TextKind>()
  private readonly largeObjects = new LargeObjectReading()
  /** By name: with --load-via-partition-root, or INSERTs, the rows of a table come in pieces. */
  private readonly tables = new Map<string, Contents["tables"][number]>()
  private readonly sequences: Array<Contents["sequences"][number]> = []
  private readonly schemas = new Set<string>()
  private readonly roles = new Set<string>()
  private readonly owners = new Set<string>()
  private readonly policyRoles = new Set<string>()
  private readonly objects = new Map<string, number>()
  private readonly checks = { foreignKeys: 0, indexes: 0, uniqueConstraints: 0, primaryKeys: 0 }
  private readonly flaws: Array<Finding> = []
  private readonly unsafe: Array<Finding> = []
  private readonly creates: Array<NamedObject> = []
  private readonly created = new Set<string>()
  private readonly alters = new Map<string, NamedObject>()
  private readonly drops: Array<NamedObject> = []
  private readonly unusual = new Map<string, number>()
  private readonly extensions: Array<string> = []
  private readonly largeObjectIds: Array<string> = []
  private rowSecurity = false

  /** Takes the next bytes of the file. Returns the events in them, for a caller that also applies the dump. */
  push(chunk: Uint8Array): ReadonlyArray<ScriptEvent> {
    this.hash.update(chunk)
    this.bridge.push(chunk)
    // Text never holds a zero byte; a file system that lost a block, or UTF-16, does.
    const zero = this.zeroSeen ? -1 : chunk.indexOf(0)
    if (zero !== -1) {
      this.zeroSeen = true
      this.flaws.push({ message: `it holds a zero byte at offset ${this.length + zero}, so it is no text` })
    }
    this.length += chunk.length
    const events = this.scanner.push(chunk)
    for (const event of events) this.take(event)
    return events
  }

  /** Whether the file is known to be cut or overwritten, whatever may still come. */
  get flawed(): boolean {
    return this.flaws.length > 0
  }

  /** How far it is: cheap, so that it may be asked at any moment. */
  get position(): ReadingPosition {
    const { closed, length: bytes, rows } = this
    if (!this.copying) return { bytes, rows, closed }
    return { bytes, rows: rows + this.open.rows, closed, table: { ...this.table, ...this.open } }
  }

  /** Takes what was found in a file of rows. Call it when all SQL was pushed, for all files in their order. */
  add({ name, schema }: { readonly schema: string; readonly name: string }, found: RowsFound): void {
    this.closed.push({ schema, name })
    this.nameSchema(schema)
    this.addRows({ schema, name }, found.rows, found.bytes)
    this.texts.add(found.text)
    this.prisma = found.migrations?.read(this.reader.decode) ?? this.prisma
  }

  /** Ends the reading. Call it once. */
  finish(): Contents {
    for (const event of this.scanner.end()) this.take(event)
    const open = this.guard.end()
    if (open !== undefined) this.unsafe.push({ message: open })
    const bridge = this.bridge.finish()
    return {
      encoding: this.reader.encoding,
      tables: [...this.tables.values()],
      sequences: this.sequences,
      schemas: [...this.schemas],
      roles: [...this.roles],
      objects: Object.fromEntries(this.objects),
      largeObjects: this.largeObjects.finish(),
      checks: this.checks,
      ...(this.prisma === undefined ? {} : { prismaMigrations: this.prisma }),
      sql: { length: this.length, sha256: this.hash.digest("hex") },
      statements: this.statements,
      copies: this.closed.length,
      trailer: this.trailer && this.restricted === undefined,
      flaws: this.flaws,
      unsafe: this.unsafe,
      creates: this.creates,
      alters: [...this.alters.values()],
      drops: this.drops,
      extensions: this.extensions,
      owners: [...this.owners],
      policyRoles: [...this.policyRoles],
      unusual: Object.fromEntries(this.unusual),
      largeObjectIds: this.largeObjectIds,
      rowSecurity: this.rowSecurity,
      bridge: { ...bridge, text: together(bridge.text, ...this.texts) }
    }
  }

  private take(event: ScriptEvent): void {
    switch (event._tag) {
      case "Statement":
      case "CopyStart":
        return this.takeStatement(event)
      case "CopyData":
        this.open = { rows: event.rows, bytes: this.open.bytes + event.bytes.length }
        this.migrations?.push(event.bytes)
        return
      case "CopyEnd":
        this.closed.push(this.table)
        this.copying = false
        this.rows += event.rows
        this.addRows(this.table, event.rows, event.bytes)
        this.prisma = this.migrations?.read(this.reader.decode) ?? this.prisma
        this.migrations = undefined
        return
      case "Meta":
        return this.takeMeta(event)
      case "Trailer":
        this.trailer = true
        return
      case "Malformed":
        this.find(this.flaws, `line ${event.line} cannot be read (${event.reason.replace(/\.$/, "")})`, event.line)
        return
      case "Unfinished":
        this.find(this.flaws, unfinished[event.what], event.line)
        return
    }
  }

  private find(findings: Array<Finding>, message: string, line: number, remedy?: string): void {
    if (findings.length < enough) findings.push({ message, line, ...(remedy === undefined ? {} : { remedy }) })
  }

  private judge(event: Statement | CopyStart | Meta, kind?: StatementKind): void {
    const verdict = this.guard.judge(event, kind)
    if (verdict._tag === "Refuse") this.find(this.unsafe, verdict.reason, event.line, verdict.remedy)
  }

  private takeMeta(event: Meta): void {
    this.judge(event)
    const [, command, key] = /^\\(restrict|unrestrict) (\S+)$/.exec(event.text) ?? []
    if (command === "unrestrict" && key === this.restricted) this.restricted = undefined
    else {
      this.trailer = false
      if (command !== "restrict") return
      // The end of a cut dump, and a whole one behind it.
      if (this.restricted !== undefined) this.find(this.flaws, secondDump, event.line)
      this.restricted = key
    }
  }

  private takeStatement(event: Statement | CopyStart): void {
    this.statements++
    this.trailer = false
    if (event.entry !== undefined && event.entry !== this.entry) {
      this.entry = event.entry
      this.objects.set(event.entry.type, (this.objects.get(event.entry.type) ?? 0) + 1)
    }
    const kind = this.reader.read(event.bytes)
    this.judge(event, kind)
    this.bridge.take(kind, event, this.reader.decode)
    if (kind._tag === "InsertInto") this.takeInsert(kind.table, event)
    else if (kind._tag === "LargeObjectCall") this.takeLargeObject(kind, event)
    else this.takeKind(kind)
  }

  private nameSchema(schema: string | undefined): void {
    if (schema !== undefined && !isSystemSchema(schema)) this.schemas.add(schema)
  }

  private takeInsert({ schema = "", name }: QualifiedName, event: Statement | CopyStart): void {
    const rows = insertedRows(event.bytes)
    if (rows === undefined) return
    this.nameSchema(schema)
    this.addRows({ schema, name }, rows, event.bytes.length)
  }

  private takeLargeObject({ call, oid }: LargeObjectCall, { bytes }: Statement | CopyStart): void {
    switch (call) {
      case "lo_create":
        this.largeObjects.create()
        if (oid !== undefined) this.largeObjectIds.push(oid)
        return
      case "lo_open":
        return this.largeObjects.begin(oid)
      case "lowrite":
        return this.largeObjects.write(bytes)
      case "lo_close":
        return this.largeObjects.close()
    }
  }

  private addRows(table: { readonly schema: string; readonly name: string }, rows: number, bytes: number): void {
    const key = objectKey({ kind: "TABLE", ...table })
    const known = this.tables.get(key) ?? { ...table, rows: 0, bytes: 0 }
    this.tables.set(key, { ...known, rows: known.rows + rows, bytes: known.bytes + bytes })
  }

  private nameRoles(...roles: ReadonlyArray<string | undefined>): void {
    for (const role of roles) if (role !== undefined) this.roles.add(role)
  }

  private takeKind(kind: StatementKind): void {
    switch (kind._tag) {
      case "Schema":
        if (kind.action === "create") this.creates.push({ kind: "SCHEMA", name: kind.schema })
        // Rights on a schema, or a comment, do not make it one of the dump's.
        if (kind.action === "create" || kind.action === "drop") this.nameSchema(kind.schema)
        return this.nameRoles(...kind.roles)
      case "Create":
        if (kind.kind === "INDEX") this.checks.indexes++
        for (const role of kind.roles ?? []) this.policyRoles.add(role)
        this.nameRoles(...(kind.roles ?? []))
        this.note(this.creates, kind)
        if (kind.name !== undefined) this.created.add(objectKey({ ...kind, name: kind.name }))
        return this.nameSchema(kind.schema)
      case "Drop":
        // What stands on a table goes with it; only the table is worth a name.
        if (!partsOfTables.has(kind.kind)) this.note(this.drops, kind)
        return
      case "Extension":
        if (kind.action === "create") this.extensions.push(kind.name)
        return
      case "AddConstraint":
        if (kind.constraint === "foreign key") this.checks.foreignKeys++
        if (kind.constraint === "primary key") this.checks.primaryKeys++
        if (kind.constraint === "unique") this.checks.uniqueConstraints++
        return this.noteAlter({ kind: "TABLE", ...kind.table })
      case "Alter":
        return this.noteAlter(kind)
      case "CopyFrom":
        this.nameSchema(kind.table?.schema)
        this.table = { schema: kind.table?.schema ?? "", name: kind.table?.name ?? "" }
        this.copying = true
        this.open = { rows: 0, bytes: 0 }
        this.migrations = new PrismaReading({ ...this.table, columns: kind.columns })
        return
      case "SequenceValue": {
        const { name, value, called } = kind
        this.sequences.push({ schema: kind.schema ?? "", name, value, called })
        return
      }
      case "LargeObjectUnlink":
        if (kind.oid !== undefined) this.drops.push({ kind: "LARGE OBJECT", name: kind.oid })
        return
      case "OwnerTo":
        this.owners.add(kind.owner)
        return this.nameRoles(kind.owner)
      case "SetSetting":
        if (sessionChanging.has(kind.name)) this.countUnusual(`set ${kind.name}`)
        if (kind.name === "row_security" && kind.value === "on") this.rowSecurity = true
        return
      case "Other":
        if (!usual.has(kind.word)) this.countUnusual(kind.word)
        return
      case "SessionAuthorization":
        return this.nameRoles(kind.role)
      case "Grant":
        return this.nameRoles(...kind.roles)
      case "DefaultPrivileges":
        return this.nameRoles(kind.forRole, ...kind.roles)
      default:
        return
    }
  }

  private countUnusual(word: string): void {
    this.unusual.set(word, (this.unusual.get(word) ?? 0) + 1)
  }

  private note(
    list: Array<NamedObject>,
    { kind, schema, name }: { readonly kind: string } & Partial<QualifiedName>
  ): void {
    if (name !== undefined) list.push({ kind, ...(schema === undefined ? {} : { schema }), name })
  }

  private noteAlter({ kind, schema, name }: { readonly kind: string } & Partial<QualifiedName>): void {
    if (name === undefined) return
    const object = { kind, ...(schema === undefined ? {} : { schema }), name }
    const key = objectKey(object)
    if (!this.created.has(key)) this.alters.set(key, object)
  }
}
