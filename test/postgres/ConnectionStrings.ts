/**
 * Connection strings as documentation and providers write them, other hosts and secrets in them, and what each client
 * receives. `CA` stands for the path of a file of certificates.
 */
export interface ConnectionString {
  /** Who writes it so. */
  readonly by: string
  readonly text: string
  readonly env?: Readonly<Record<string, string>>
  /** The variables of a pg_dump of the machine, but PGAPPNAME, which is pgark in each. */
  readonly native: string
  /** The names that pg_dump as WebAssembly is told; its connection is the one of `pg`. */
  readonly wasm: string
  /** What `pg` and `@effect/sql-pg` connect with, both the same: login@address/database, encryption, patience, options. */
  readonly drivers: string
  /** Why `@effect/sql-pg` gets nothing, where it cannot do what the string wants. */
  readonly refusal?: string
  /** The default schema of grant and clean. */
  readonly schema?: string
  /** What became of the parameters. */
  readonly record?: ReadonlyArray<string>
}

/** Of libpq, of ORMs and of drivers. */
export const libraryStrings: ReadonlyArray<ConnectionString> = [
  {
    by: "libpq's manual",
    text: "postgresql://",
    native: "PGDATABASE=me PGHOST=localhost PGPASSFILE=none PGPORT=5432 PGSSLMODE=prefer PGUSER=me",
    wasm: "PGDATABASE=me PGHOST=localhost PGPORT=5432 PGUSER=me",
    drivers: "me@localhost:5432/me, TLS, nothing checked, 10 s"
  },
  {
    by: "libpq's manual",
    text: "postgresql://localhost",
    native: "PGDATABASE=me PGHOST=localhost PGPASSFILE=none PGPORT=5432 PGSSLMODE=prefer PGUSER=me",
    wasm: "PGDATABASE=me PGHOST=localhost PGPORT=5432 PGUSER=me",
    drivers: "me@localhost:5432/me, TLS, nothing checked, 10 s"
  },
  {
    by: "libpq's manual",
    text: "postgresql://localhost:5433",
    native: "PGDATABASE=me PGHOST=localhost PGPASSFILE=none PGPORT=5433 PGSSLMODE=prefer PGUSER=me",
    wasm: "PGDATABASE=me PGHOST=localhost PGPORT=5433 PGUSER=me",
    drivers: "me@localhost:5433/me, TLS, nothing checked, 10 s"
  },
  {
    by: "libpq's manual",
    text: "postgresql://localhost/mydb",
    native: "PGDATABASE=mydb PGHOST=localhost PGPASSFILE=none PGPORT=5432 PGSSLMODE=prefer PGUSER=me",
    wasm: "PGDATABASE=mydb PGHOST=localhost PGPORT=5432 PGUSER=me",
    drivers: "me@localhost:5432/mydb, TLS, nothing checked, 10 s"
  },
  {
    by: "libpq's manual",
    text: "postgresql://user@localhost",
    native: "PGDATABASE=user PGHOST=localhost PGPASSFILE=none PGPORT=5432 PGSSLMODE=prefer PGUSER=user",
    wasm: "PGDATABASE=user PGHOST=localhost PGPORT=5432 PGUSER=user",
    drivers: "user@localhost:5432/user, TLS, nothing checked, 10 s"
  },
  {
    by: "libpq's manual",
    text: "postgresql://user:secret@localhost",
    native: "PGDATABASE=user PGHOST=localhost PGPASSWORD=secret PGPORT=5432 PGSSLMODE=prefer PGUSER=user",
    wasm: "PGDATABASE=user PGHOST=localhost PGPORT=5432 PGUSER=user",
    drivers: "user:secret@localhost:5432/user, TLS, nothing checked, 10 s"
  },
  {
    by: "libpq's manual",
    text: "postgresql://other@localhost/otherdb?connect_timeout=10&application_name=myapp",
    native:
      "PGCONNECT_TIMEOUT=10 PGDATABASE=otherdb PGHOST=localhost PGPASSFILE=none PGPORT=5432 PGSSLMODE=prefer PGUSER=other",
    wasm: "PGDATABASE=otherdb PGHOST=localhost PGPORT=5432 PGUSER=other",
    drivers: "other@localhost:5432/otherdb, TLS, nothing checked, 10 s",
    record: ["connect_timeout: kept", "application_name: kept"]
  },
  {
    by: "libpq's manual",
    text: "postgresql://host1:123,host2:456/somedb?target_session_attrs=any&application_name=myapp",
    native:
      "PGDATABASE=somedb PGHOST=host1,host2 PGPASSFILE=none PGPORT=123,456 PGSSLMODE=prefer PGTARGETSESSIONATTRS=any PGUSER=me",
    wasm: "PGDATABASE=somedb PGHOST=host1 PGPORT=123 PGUSER=me",
    drivers: "me@host1:123/somedb, TLS, nothing checked, 10 s",
    record: ["target_session_attrs: kept", "application_name: kept"]
  },
  {
    by: "libpq's manual",
    text: "postgresql://user@localhost:5433/mydb?options=-c%20synchronous_commit%3Doff",
    native:
      'PGDATABASE=mydb PGHOST=localhost PGOPTIONS="-c synchronous_commit=off" PGPASSFILE=none PGPORT=5433 PGSSLMODE=prefer PGUSER=user',
    wasm: "PGDATABASE=mydb PGHOST=localhost PGPORT=5433 PGUSER=user",
    drivers: "user@localhost:5433/mydb, TLS, nothing checked, 10 s, -c synchronous_commit=off",
    record: ["options: kept"]
  },
  {
    by: "libpq's manual",
    text: "postgresql:///mydb?host=localhost&port=5433",
    native: "PGDATABASE=mydb PGHOST=localhost PGPASSFILE=none PGPORT=5433 PGSSLMODE=prefer PGUSER=me",
    wasm: "PGDATABASE=mydb PGHOST=localhost PGPORT=5433 PGUSER=me",
    drivers: "me@localhost:5433/mydb, TLS, nothing checked, 10 s"
  },
  {
    by: "libpq's manual",
    text: "postgresql://[2001:db8::1234]/database",
    native: "PGDATABASE=database PGHOST=2001:db8::1234 PGPASSFILE=none PGPORT=5432 PGSSLMODE=prefer PGUSER=me",
    wasm: "PGDATABASE=database PGHOST=2001:db8::1234 PGPORT=5432 PGUSER=me",
    drivers: "me@2001:db8::1234:5432/database, TLS, nothing checked, 10 s"
  },
  {
    by: "libpq's manual",
    text: "postgresql:///dbname?host=/var/lib/postgresql",
    native: "PGDATABASE=dbname PGHOST=/var/lib/postgresql PGPASSFILE=none PGPORT=5432 PGSSLMODE=prefer PGUSER=me",
    wasm: "PGDATABASE=dbname PGHOST=/var/lib/postgresql PGPORT=5432 PGUSER=me",
    drivers: "me@/var/lib/postgresql:5432/dbname, plain, 10 s"
  },
  {
    by: "libpq's manual",
    text: "postgresql://%2Fvar%2Flib%2Fpostgresql/dbname",
    native: "PGDATABASE=dbname PGHOST=/var/lib/postgresql PGPASSFILE=none PGPORT=5432 PGSSLMODE=prefer PGUSER=me",
    wasm: "PGDATABASE=dbname PGHOST=/var/lib/postgresql PGPORT=5432 PGUSER=me",
    drivers: "me@/var/lib/postgresql:5432/dbname, plain, 10 s"
  },
  {
    by: "libpq's manual",
    text: "host=localhost port=5432 dbname=mydb connect_timeout=10",
    native:
      "PGCONNECT_TIMEOUT=10 PGDATABASE=mydb PGHOST=localhost PGPASSFILE=none PGPORT=5432 PGSSLMODE=prefer PGUSER=me",
    wasm: "PGDATABASE=mydb PGHOST=localhost PGPORT=5432 PGUSER=me",
    drivers: "me@localhost:5432/mydb, TLS, nothing checked, 10 s",
    record: ["connect_timeout: kept"]
  },
  {
    by: "libpq's manual, quoting",
    text: "dbname = 'my db' user=me password='it\\'s \\\\ here'",
    native: 'PGDATABASE="my db" PGHOST=localhost PGPASSWORD="it\'s \\\\ here" PGPORT=5432 PGSSLMODE=prefer PGUSER=me',
    wasm: 'PGDATABASE="my db" PGHOST=localhost PGPORT=5432 PGUSER=me',
    drivers: "me:it's \\ here@localhost:5432/my db, TLS, nothing checked, 10 s"
  },
  {
    by: "libpq, environment alone",
    text: "postgresql://",
    env: {
      PGHOST: "db.example.com",
      PGPORT: "5433",
      PGUSER: "app",
      PGPASSWORD: "secret",
      PGDATABASE: "shop",
      PGSSLMODE: "require",
      PGOPTIONS: "-c geqo=off"
    },
    native:
      'PGDATABASE=shop PGHOST=db.example.com PGOPTIONS="-c geqo=off" PGPASSWORD=secret PGPORT=5433 PGSSLMODE=require PGUSER=app',
    wasm: "PGDATABASE=shop PGHOST=db.example.com PGPORT=5433 PGUSER=app",
    drivers: "app:secret@db.example.com:5433/shop, TLS, nothing checked, 10 s, -c geqo=off",
    record: ["options: kept", "sslmode: kept"]
  },
  {
    by: "libpq, hostaddr",
    text: "postgresql://app:secret@db.example.com/shop?hostaddr=192.0.2.7&sslmode=verify-full&sslrootcert=CA",
    native:
      "PGDATABASE=shop PGHOST=db.example.com PGHOSTADDR=192.0.2.7 PGPASSWORD=secret PGPORT=5432 PGSSLMODE=verify-full PGSSLROOTCERT=CA PGUSER=app",
    wasm: "PGDATABASE=shop PGHOST=db.example.com PGPORT=5432 PGUSER=app",
    drivers: "app:secret@192.0.2.7:5432/shop, TLS, chain and host checked by file as db.example.com, 10 s",
    record: ["sslmode: kept", "sslrootcert: kept"]
  },
  {
    by: "Prisma",
    text: "postgresql://johndoe:randompassword@localhost:5432/mydb?schema=public",
    native: "PGDATABASE=mydb PGHOST=localhost PGPASSWORD=randompassword PGPORT=5432 PGSSLMODE=prefer PGUSER=johndoe",
    wasm: "PGDATABASE=mydb PGHOST=localhost PGPORT=5432 PGUSER=johndoe",
    drivers: "johndoe:randompassword@localhost:5432/mydb, TLS, nothing checked, 10 s",
    schema: "public",
    record: ["schema: kept"]
  },
  {
    by: "Prisma, percent-encoded password",
    text: "postgresql://johndoe:p%40%24%24w0rd@localhost:5432/mydb?schema=public&connection_limit=5&socket_timeout=3",
    native: "PGDATABASE=mydb PGHOST=localhost PGPASSWORD=p@$$w0rd PGPORT=5432 PGSSLMODE=prefer PGUSER=johndoe",
    wasm: "PGDATABASE=mydb PGHOST=localhost PGPORT=5432 PGUSER=johndoe",
    drivers: "johndoe:p@$$w0rd@localhost:5432/mydb, TLS, nothing checked, 10 s",
    schema: "public",
    record: ["schema: kept", "connection_limit: dropped", "socket_timeout: dropped"]
  },
  {
    by: "Prisma, certificates",
    text: "postgresql://johndoe:mypassword@localhost:5432/mydb?schema=public&sslmode=require&sslcert=CA&sslidentity=../client-identity.p12&sslpassword=hidden",
    native:
      "PGDATABASE=mydb PGHOST=localhost PGPASSWORD=mypassword PGPORT=5432 PGSSLMODE=require PGSSLROOTCERT=CA PGUSER=johndoe",
    wasm: "PGDATABASE=mydb PGHOST=localhost PGPORT=5432 PGUSER=johndoe",
    drivers: "johndoe:mypassword@localhost:5432/mydb, TLS, chain checked by file, 10 s",
    schema: "public",
    record: [
      "schema: kept",
      "sslmode: kept",
      "sslcert: translated sslrootcert",
      "sslidentity: dropped",
      "sslpassword: dropped"
    ]
  },
  {
    by: "Prisma, strict",
    text: "postgresql://johndoe:mypassword@db.example.com/mydb?sslmode=require&sslaccept=strict&sslcert=CA",
    native:
      "PGDATABASE=mydb PGHOST=db.example.com PGPASSWORD=mypassword PGPORT=5432 PGSSLMODE=verify-full PGSSLROOTCERT=CA PGUSER=johndoe",
    wasm: "PGDATABASE=mydb PGHOST=db.example.com PGPORT=5432 PGUSER=johndoe",
    drivers: "johndoe:mypassword@db.example.com:5432/mydb, TLS, chain and host checked by file, 10 s",
    record: ["sslmode: dropped", "sslaccept: translated sslmode=verify-full", "sslcert: translated sslrootcert"]
  },
  {
    by: "Prisma, socket",
    text: "postgresql://johndoe:mypassword@localhost/mydb?host=/var/run/postgresql/",
    native:
      "PGDATABASE=mydb PGHOST=/var/run/postgresql PGPASSWORD=mypassword PGPORT=5432 PGSSLMODE=prefer PGUSER=johndoe",
    wasm: "PGDATABASE=mydb PGHOST=/var/run/postgresql PGPORT=5432 PGUSER=johndoe",
    drivers: "johndoe:mypassword@/var/run/postgresql:5432/mydb, plain, 10 s"
  },
  {
    by: "Drizzle",
    text: "postgres://postgres:adminadmin@0.0.0.0:5432/db",
    native: "PGDATABASE=db PGHOST=0.0.0.0 PGPASSWORD=adminadmin PGPORT=5432 PGSSLMODE=prefer PGUSER=postgres",
    wasm: "PGDATABASE=db PGHOST=0.0.0.0 PGPORT=5432 PGUSER=postgres",
    drivers: "postgres:adminadmin@0.0.0.0:5432/db, TLS, nothing checked, 10 s"
  },
  {
    by: "node-postgres",
    text: "postgresql://dbuser:secretpassword@database.server.com:3211/mydb",
    native:
      "PGDATABASE=mydb PGHOST=database.server.com PGPASSWORD=secretpassword PGPORT=3211 PGSSLMODE=prefer PGUSER=dbuser",
    wasm: "PGDATABASE=mydb PGHOST=database.server.com PGPORT=3211 PGUSER=dbuser",
    drivers: "dbuser:secretpassword@database.server.com:3211/mydb, TLS, nothing checked, 10 s"
  },
  {
    by: "node-postgres, socket",
    text: "socket:/var/run/pgsql?db=mydb&encoding=utf8",
    native: "PGDATABASE=mydb PGHOST=/var/run/pgsql PGPASSFILE=none PGPORT=5432 PGSSLMODE=prefer PGUSER=me",
    wasm: "PGDATABASE=mydb PGHOST=/var/run/pgsql PGPORT=5432 PGUSER=me",
    drivers: "me@/var/run/pgsql:5432/mydb, plain, 10 s",
    record: ["client_encoding: dropped"]
  },
  {
    by: "node-postgres, path",
    text: "/var/run/pgsql mydb",
    native: "PGDATABASE=mydb PGHOST=/var/run/pgsql PGPASSFILE=none PGPORT=5432 PGSSLMODE=prefer PGUSER=me",
    wasm: "PGDATABASE=mydb PGHOST=/var/run/pgsql PGPORT=5432 PGUSER=me",
    drivers: "me@/var/run/pgsql:5432/mydb, plain, 10 s"
  },
  {
    by: "node-postgres, TLS",
    text: "postgres://someuser:somepassword@somehost:381/somedatabase?sslmode=no-verify",
    native:
      "PGDATABASE=somedatabase PGHOST=somehost PGPASSWORD=somepassword PGPORT=381 PGSSLMODE=require PGUSER=someuser",
    wasm: "PGDATABASE=somedatabase PGHOST=somehost PGPORT=381 PGUSER=someuser",
    drivers: "someuser:somepassword@somehost:381/somedatabase, TLS, nothing checked, 10 s",
    record: ["sslmode: translated sslmode=require"]
  },
  {
    by: "node-postgres, TLS as libpq has it",
    text: "postgres://someuser:somepassword@somehost:381/somedatabase?uselibpqcompat=true&sslmode=verify-ca&sslrootcert=CA",
    native:
      "PGDATABASE=somedatabase PGHOST=somehost PGPASSWORD=somepassword PGPORT=381 PGSSLMODE=verify-ca PGSSLROOTCERT=CA PGUSER=someuser",
    wasm: "PGDATABASE=somedatabase PGHOST=somehost PGPORT=381 PGUSER=someuser",
    drivers: "someuser:somepassword@somehost:381/somedatabase, TLS, chain checked by file, 10 s",
    record: ["uselibpqcompat: dropped", "sslmode: kept", "sslrootcert: kept"]
  },
  {
    by: "node-postgres, a pasted password",
    text: "postgres://someuser:p@ss#w/rd?1@somehost:381/somedatabase",
    native:
      "PGDATABASE=somedatabase PGHOST=somehost PGPASSWORD=p@ss#w/rd?1 PGPORT=381 PGSSLMODE=prefer PGUSER=someuser",
    wasm: "PGDATABASE=somedatabase PGHOST=somehost PGPORT=381 PGUSER=someuser",
    drivers: "someuser:p@ss#w/rd?1@somehost:381/somedatabase, TLS, nothing checked, 10 s"
  },
  {
    by: "JDBC",
    text: "jdbc:postgresql://localhost/test?user=fred&password=secret&ssl=true&sslrootcert=CA",
    native:
      "PGDATABASE=test PGHOST=localhost PGPASSWORD=secret PGPORT=5432 PGSSLMODE=verify-full PGSSLROOTCERT=CA PGUSER=fred",
    wasm: "PGDATABASE=test PGHOST=localhost PGPORT=5432 PGUSER=fred",
    drivers: "fred:secret@localhost:5432/test, TLS, chain and host checked by file, 10 s",
    record: ["ssl: translated sslmode=verify-full", "sslrootcert: kept"]
  },
  {
    by: "JDBC, database alone",
    text: "jdbc:postgresql:test",
    native: "PGDATABASE=test PGHOST=localhost PGPASSFILE=none PGPORT=5432 PGSSLMODE=prefer PGUSER=me",
    wasm: "PGDATABASE=test PGHOST=localhost PGPORT=5432 PGUSER=me",
    drivers: "me@localhost:5432/test, TLS, nothing checked, 10 s"
  },
  {
    by: "JDBC, several hosts",
    text: "jdbc:postgresql://node1:5432,node2/accounting?targetServerType=primary&loadBalanceHosts=true&currentSchema=app,public&ApplicationName=books&loginTimeout=5",
    native:
      "PGCONNECT_TIMEOUT=5 PGDATABASE=accounting PGHOST=node1,node2 PGLOADBALANCEHOSTS=random PGPASSFILE=none PGPORT=5432,5432 PGSSLMODE=prefer PGTARGETSESSIONATTRS=read-write PGUSER=me",
    wasm: "PGDATABASE=accounting PGHOST=node1 PGPORT=5432 PGUSER=me",
    drivers: "me@node1:5432/accounting, TLS, nothing checked, 5 s",
    schema: "app",
    record: [
      "targetServerType: translated target_session_attrs=read-write",
      "loadBalanceHosts: translated load_balance_hosts=random",
      "currentSchema: translated schema",
      "ApplicationName: translated application_name",
      "loginTimeout: translated connect_timeout"
    ]
  },
  {
    by: "JDBC, a certificate that nobody signed",
    text: "jdbc:postgresql://[::1]:5740/accounting?user=fred&ssl=true&sslfactory=org.postgresql.ssl.NonValidatingFactory",
    native: "PGDATABASE=accounting PGHOST=::1 PGPASSFILE=none PGPORT=5740 PGSSLMODE=require PGUSER=fred",
    wasm: "PGDATABASE=accounting PGHOST=::1 PGPORT=5740 PGUSER=fred",
    drivers: "fred@::1:5740/accounting, TLS, nothing checked, 10 s",
    record: ["ssl: translated sslmode=require", "sslfactory: dropped"]
  },
  {
    by: "SQLAlchemy",
    text: "postgresql+psycopg2://scott:tiger@localhost:5432/mydatabase",
    native: "PGDATABASE=mydatabase PGHOST=localhost PGPASSWORD=tiger PGPORT=5432 PGSSLMODE=prefer PGUSER=scott",
    wasm: "PGDATABASE=mydatabase PGHOST=localhost PGPORT=5432 PGUSER=scott",
    drivers: "scott:tiger@localhost:5432/mydatabase, TLS, nothing checked, 10 s"
  },
  {
    by: "SQLAlchemy, asyncpg",
    text: "postgresql+asyncpg://scott:tiger@localhost/mydatabase?ssl=require",
    native: "PGDATABASE=mydatabase PGHOST=localhost PGPASSWORD=tiger PGPORT=5432 PGSSLMODE=require PGUSER=scott",
    wasm: "PGDATABASE=mydatabase PGHOST=localhost PGPORT=5432 PGUSER=scott",
    drivers: "scott:tiger@localhost:5432/mydatabase, TLS, nothing checked, 10 s",
    record: ["ssl: translated sslmode=require"]
  },
  {
    by: "GeoDjango",
    text: "postgis://user:secret@localhost/gis",
    native: "PGDATABASE=gis PGHOST=localhost PGPASSWORD=secret PGPORT=5432 PGSSLMODE=prefer PGUSER=user",
    wasm: "PGDATABASE=gis PGHOST=localhost PGPORT=5432 PGUSER=user",
    drivers: "user:secret@localhost:5432/gis, TLS, nothing checked, 10 s"
  },
  {
    by: "Phoenix",
    text: "ecto://postgres:postgres@localhost/hello_dev",
    native: "PGDATABASE=hello_dev PGHOST=localhost PGPASSWORD=postgres PGPORT=5432 PGSSLMODE=prefer PGUSER=postgres",
    wasm: "PGDATABASE=hello_dev PGHOST=localhost PGPORT=5432 PGUSER=postgres",
    drivers: "postgres:postgres@localhost:5432/hello_dev, TLS, nothing checked, 10 s"
  },
  {
    by: "Go, lib/pq and pgx",
    text: "postgres://pqgotest:password@localhost/pqgotest?sslmode=verify-full&sslrootcert=CA&search_path=app&binary_parameters=yes",
    native:
      "PGDATABASE=pqgotest PGHOST=localhost PGPASSWORD=password PGPORT=5432 PGSSLMODE=verify-full PGSSLROOTCERT=CA PGUSER=pqgotest",
    wasm: "PGDATABASE=pqgotest PGHOST=localhost PGPORT=5432 PGUSER=pqgotest",
    drivers: "pqgotest:password@localhost:5432/pqgotest, TLS, chain and host checked by file, 10 s",
    schema: "app",
    record: ["sslmode: kept", "sslrootcert: kept", "search_path: translated schema", "binary_parameters: dropped"]
  },
  {
    by: "postgres.js, through a .env file",
    text: "DATABASE_URL='postgres://user:secret@host:5432/database?ssl=prefer&max=10&idle_timeout=20'",
    native: "PGDATABASE=database PGHOST=host PGPASSWORD=secret PGPORT=5432 PGSSLMODE=prefer PGUSER=user",
    wasm: "PGDATABASE=database PGHOST=host PGPORT=5432 PGUSER=user",
    drivers: "user:secret@host:5432/database, TLS, nothing checked, 10 s",
    record: ["ssl: translated sslmode=prefer", "max: dropped", "idle_timeout: dropped"]
  }
]
