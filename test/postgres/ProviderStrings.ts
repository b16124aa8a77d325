/** Connection strings as providers show them; {@link file://./ConnectionStrings.ts} says what stands in each. */
import type { ConnectionString } from "./ConnectionStrings.ts"

export const providerStrings: ReadonlyArray<ConnectionString> = [
  {
    by: "Heroku",
    text: "postgres://uabcdefghijklm:p0123456789abcdef@ec2-203-0-113-25.compute-1.amazonaws.com:5432/d0123456789abc?sslmode=require",
    native:
      "PGDATABASE=d0123456789abc PGHOST=ec2-203-0-113-25.compute-1.amazonaws.com PGPASSWORD=p0123456789abcdef PGPORT=5432 PGSSLMODE=require PGUSER=uabcdefghijklm",
    wasm: "PGDATABASE=d0123456789abc PGHOST=ec2-203-0-113-25.compute-1.amazonaws.com PGPORT=5432 PGUSER=uabcdefghijklm",
    drivers:
      "uabcdefghijklm:p0123456789abcdef@ec2-203-0-113-25.compute-1.amazonaws.com:5432/d0123456789abc, TLS, nothing checked, 10 s",
    record: ["sslmode: kept"]
  },
  {
    by: "Heroku, Java",
    text: "jdbc:postgresql://ec2-203-0-113-25.compute-1.amazonaws.com:5432/d0123456789abc?user=u&password=p0&sslmode=require",
    native:
      "PGDATABASE=d0123456789abc PGHOST=ec2-203-0-113-25.compute-1.amazonaws.com PGPASSWORD=p0 PGPORT=5432 PGSSLMODE=require PGUSER=u",
    wasm: "PGDATABASE=d0123456789abc PGHOST=ec2-203-0-113-25.compute-1.amazonaws.com PGPORT=5432 PGUSER=u",
    drivers: "u:p0@ec2-203-0-113-25.compute-1.amazonaws.com:5432/d0123456789abc, TLS, nothing checked, 10 s",
    record: ["sslmode: kept"]
  },
  {
    by: "Supabase, direct",
    text: "postgresql://postgres:[YOUR-PASSWORD]@db.abcdefghijklmnopqrst.supabase.co:5432/postgres",
    native:
      "PGDATABASE=postgres PGHOST=db.abcdefghijklmnopqrst.supabase.co PGPASSWORD=[YOUR-PASSWORD] PGPORT=5432 PGSSLMODE=prefer PGUSER=postgres",
    wasm: "PGDATABASE=postgres PGHOST=db.abcdefghijklmnopqrst.supabase.co PGPORT=5432 PGUSER=postgres",
    drivers: "postgres:[YOUR-PASSWORD]@db.abcdefghijklmnopqrst.supabase.co:5432/postgres, TLS, nothing checked, 10 s"
  },
  {
    by: "Supabase, session pooler",
    text: "postgres://postgres.abcdefghijklmnopqrst:secret@aws-0-eu-central-1.pooler.supabase.com:5432/postgres",
    native:
      "PGDATABASE=postgres PGHOST=aws-0-eu-central-1.pooler.supabase.com PGPASSWORD=secret PGPORT=5432 PGSSLMODE=prefer PGUSER=postgres.abcdefghijklmnopqrst",
    wasm: "PGDATABASE=postgres PGHOST=aws-0-eu-central-1.pooler.supabase.com PGPORT=5432 PGUSER=postgres.abcdefghijklmnopqrst",
    drivers:
      "postgres.abcdefghijklmnopqrst:secret@aws-0-eu-central-1.pooler.supabase.com:5432/postgres, TLS, nothing checked, 10 s"
  },
  {
    by: "Supabase, transaction pooler",
    text: "postgres://postgres.abcdefghijklmnopqrst:secret@aws-0-eu-central-1.pooler.supabase.com:6543/postgres?pgbouncer=true&connection_limit=1&supa=base-pooler.x",
    native:
      "PGDATABASE=postgres PGHOST=aws-0-eu-central-1.pooler.supabase.com PGPASSWORD=secret PGPORT=6543 PGSSLMODE=prefer PGUSER=postgres.abcdefghijklmnopqrst",
    wasm: "PGDATABASE=postgres PGHOST=aws-0-eu-central-1.pooler.supabase.com PGPORT=6543 PGUSER=postgres.abcdefghijklmnopqrst",
    drivers:
      "postgres.abcdefghijklmnopqrst:secret@aws-0-eu-central-1.pooler.supabase.com:6543/postgres, TLS, nothing checked, 10 s",
    record: ["pgbouncer: dropped", "connection_limit: dropped", "supa: dropped"]
  },
  {
    by: "Neon, direct",
    text: "psql 'postgresql://alex:AbC123dEf@ep-cool-darkness-123456.us-east-2.aws.neon.tech/dbname?sslmode=require&channel_binding=require'",
    native:
      "PGCHANNELBINDING=require PGDATABASE=dbname PGHOST=ep-cool-darkness-123456.us-east-2.aws.neon.tech PGPASSWORD=AbC123dEf PGPORT=5432 PGSSLMODE=require PGUSER=alex",
    wasm: "PGDATABASE=dbname PGHOST=ep-cool-darkness-123456.us-east-2.aws.neon.tech PGPORT=5432 PGUSER=alex",
    drivers: "alex:AbC123dEf@ep-cool-darkness-123456.us-east-2.aws.neon.tech:5432/dbname, TLS, nothing checked, 10 s",
    refusal: "@effect/sql-pg cannot do what channel_binding asks for.",
    record: ["sslmode: kept", "channel_binding: kept"]
  },
  {
    by: "Neon, pooled",
    text: "postgresql://alex:AbC123dEf@ep-cool-darkness-123456-pooler.us-east-2.aws.neon.tech/dbname?sslmode=require",
    native:
      "PGDATABASE=dbname PGHOST=ep-cool-darkness-123456-pooler.us-east-2.aws.neon.tech PGPASSWORD=AbC123dEf PGPORT=5432 PGSSLMODE=require PGUSER=alex",
    wasm: "PGDATABASE=dbname PGHOST=ep-cool-darkness-123456-pooler.us-east-2.aws.neon.tech PGPORT=5432 PGUSER=alex",
    drivers:
      "alex:AbC123dEf@ep-cool-darkness-123456-pooler.us-east-2.aws.neon.tech:5432/dbname, TLS, nothing checked, 10 s",
    record: ["sslmode: kept"]
  },
  {
    by: "Neon, without SNI",
    text: "postgresql://alex:AbC123dEf@ep-cool-darkness-123456.us-east-2.aws.neon.tech/dbname?sslmode=require&options=endpoint%3Dep-cool-darkness-123456",
    native:
      "PGDATABASE=dbname PGHOST=ep-cool-darkness-123456.us-east-2.aws.neon.tech PGOPTIONS=endpoint=ep-cool-darkness-123456 PGPASSWORD=AbC123dEf PGPORT=5432 PGSSLMODE=require PGUSER=alex",
    wasm: "PGDATABASE=dbname PGHOST=ep-cool-darkness-123456.us-east-2.aws.neon.tech PGPORT=5432 PGUSER=alex",
    drivers:
      "alex:AbC123dEf@ep-cool-darkness-123456.us-east-2.aws.neon.tech:5432/dbname, TLS, nothing checked, 10 s, endpoint=ep-cool-darkness-123456",
    record: ["sslmode: kept", "options: kept"]
  },
  {
    by: "Railway",
    text: "postgresql://postgres:secret@roundhouse.proxy.rlwy.net:34567/railway",
    native:
      "PGDATABASE=railway PGHOST=roundhouse.proxy.rlwy.net PGPASSWORD=secret PGPORT=34567 PGSSLMODE=prefer PGUSER=postgres",
    wasm: "PGDATABASE=railway PGHOST=roundhouse.proxy.rlwy.net PGPORT=34567 PGUSER=postgres",
    drivers: "postgres:secret@roundhouse.proxy.rlwy.net:34567/railway, TLS, nothing checked, 10 s"
  },
  {
    by: "Render",
    text: "postgresql://user:secret@dpg-abcdefghij1234567890-a.oregon-postgres.render.com/dbname",
    native:
      "PGDATABASE=dbname PGHOST=dpg-abcdefghij1234567890-a.oregon-postgres.render.com PGPASSWORD=secret PGPORT=5432 PGSSLMODE=prefer PGUSER=user",
    wasm: "PGDATABASE=dbname PGHOST=dpg-abcdefghij1234567890-a.oregon-postgres.render.com PGPORT=5432 PGUSER=user",
    drivers: "user:secret@dpg-abcdefghij1234567890-a.oregon-postgres.render.com:5432/dbname, TLS, nothing checked, 10 s"
  },
  {
    by: "Fly",
    text: "postgres://postgres:secret@app-db.flycast:5432/app?sslmode=disable",
    native: "PGDATABASE=app PGHOST=app-db.flycast PGPASSWORD=secret PGPORT=5432 PGSSLMODE=disable PGUSER=postgres",
    wasm: "PGDATABASE=app PGHOST=app-db.flycast PGPORT=5432 PGUSER=postgres",
    drivers: "postgres:secret@app-db.flycast:5432/app, plain, 10 s",
    record: ["sslmode: kept"]
  },
  {
    by: "DigitalOcean",
    text: "postgresql://doadmin:secret@db-postgresql-nyc3-12345-do-user-678.b.db.ondigitalocean.com:25060/defaultdb?sslmode=require",
    native:
      "PGDATABASE=defaultdb PGHOST=db-postgresql-nyc3-12345-do-user-678.b.db.ondigitalocean.com PGPASSWORD=secret PGPORT=25060 PGSSLMODE=require PGUSER=doadmin",
    wasm: "PGDATABASE=defaultdb PGHOST=db-postgresql-nyc3-12345-do-user-678.b.db.ondigitalocean.com PGPORT=25060 PGUSER=doadmin",
    drivers:
      "doadmin:secret@db-postgresql-nyc3-12345-do-user-678.b.db.ondigitalocean.com:25060/defaultdb, TLS, nothing checked, 10 s",
    record: ["sslmode: kept"]
  },
  {
    by: "Azure",
    text: "postgres://myadmin@myserver:secret@myserver.postgres.database.azure.com:5432/mydb?sslmode=require",
    native:
      "PGDATABASE=mydb PGHOST=myserver.postgres.database.azure.com PGPASSWORD=secret PGPORT=5432 PGSSLMODE=require PGUSER=myadmin@myserver",
    wasm: "PGDATABASE=mydb PGHOST=myserver.postgres.database.azure.com PGPORT=5432 PGUSER=myadmin@myserver",
    drivers: "myadmin@myserver:secret@myserver.postgres.database.azure.com:5432/mydb, TLS, nothing checked, 10 s",
    record: ["sslmode: kept"]
  },
  {
    by: "Azure, psql",
    text: "host=myserver.postgres.database.azure.com port=5432 dbname=postgres user=myadmin password=secret sslmode=require",
    native:
      "PGDATABASE=postgres PGHOST=myserver.postgres.database.azure.com PGPASSWORD=secret PGPORT=5432 PGSSLMODE=require PGUSER=myadmin",
    wasm: "PGDATABASE=postgres PGHOST=myserver.postgres.database.azure.com PGPORT=5432 PGUSER=myadmin",
    drivers: "myadmin:secret@myserver.postgres.database.azure.com:5432/postgres, TLS, nothing checked, 10 s",
    record: ["sslmode: kept"]
  },
  {
    by: "AWS RDS",
    text: "postgresql://master:secret@mydb.123456789012.us-east-1.rds.amazonaws.com:5432/app?sslmode=verify-full&sslrootcert=CA",
    native:
      "PGDATABASE=app PGHOST=mydb.123456789012.us-east-1.rds.amazonaws.com PGPASSWORD=secret PGPORT=5432 PGSSLMODE=verify-full PGSSLROOTCERT=CA PGUSER=master",
    wasm: "PGDATABASE=app PGHOST=mydb.123456789012.us-east-1.rds.amazonaws.com PGPORT=5432 PGUSER=master",
    drivers:
      "master:secret@mydb.123456789012.us-east-1.rds.amazonaws.com:5432/app, TLS, chain and host checked by file, 10 s",
    record: ["sslmode: kept", "sslrootcert: kept"]
  },
  {
    by: "Google Cloud SQL, socket",
    text: "postgresql://user:secret@/db?host=/cloudsql/project:region:instance",
    native:
      "PGDATABASE=db PGHOST=/cloudsql/project:region:instance PGPASSWORD=secret PGPORT=5432 PGSSLMODE=prefer PGUSER=user",
    wasm: "PGDATABASE=db PGHOST=/cloudsql/project:region:instance PGPORT=5432 PGUSER=user",
    drivers: "user:secret@/cloudsql/project:region:instance:5432/db, plain, 10 s"
  },
  {
    by: "Google Cloud SQL, socket for Prisma",
    text: "postgresql://user:secret@localhost/db?host=/cloudsql/project:region:instance&schema=public",
    native:
      "PGDATABASE=db PGHOST=/cloudsql/project:region:instance PGPASSWORD=secret PGPORT=5432 PGSSLMODE=prefer PGUSER=user",
    wasm: "PGDATABASE=db PGHOST=/cloudsql/project:region:instance PGPORT=5432 PGUSER=user",
    drivers: "user:secret@/cloudsql/project:region:instance:5432/db, plain, 10 s",
    schema: "public",
    record: ["schema: kept"]
  },
  {
    by: "Google Cloud SQL, socket file",
    text: "postgresql://user:secret@/db?host=/cloudsql/project:region:instance/.s.PGSQL.5432",
    native:
      "PGDATABASE=db PGHOST=/cloudsql/project:region:instance PGPASSWORD=secret PGPORT=5432 PGSSLMODE=prefer PGUSER=user",
    wasm: "PGDATABASE=db PGHOST=/cloudsql/project:region:instance PGPORT=5432 PGUSER=user",
    drivers: "user:secret@/cloudsql/project:region:instance:5432/db, plain, 10 s"
  },
  {
    by: "Vercel",
    text: '"postgres://default:secret@ep-cool-darkness-123456-pooler.us-east-1.postgres.vercel-storage.com:5432/verceldb?sslmode=require&pgbouncer=true&connect_timeout=15"\n',
    native:
      "PGCONNECT_TIMEOUT=15 PGDATABASE=verceldb PGHOST=ep-cool-darkness-123456-pooler.us-east-1.postgres.vercel-storage.com PGPASSWORD=secret PGPORT=5432 PGSSLMODE=require PGUSER=default",
    wasm: "PGDATABASE=verceldb PGHOST=ep-cool-darkness-123456-pooler.us-east-1.postgres.vercel-storage.com PGPORT=5432 PGUSER=default",
    drivers:
      "default:secret@ep-cool-darkness-123456-pooler.us-east-1.postgres.vercel-storage.com:5432/verceldb, TLS, nothing checked, 15 s",
    record: ["sslmode: kept", "pgbouncer: dropped", "connect_timeout: kept"]
  },
  {
    by: "Timescale",
    text: "postgres://tsdbadmin:secret@abcde12345.fghij67890.tsdb.cloud.timescale.com:34567/tsdb?sslmode=require",
    native:
      "PGDATABASE=tsdb PGHOST=abcde12345.fghij67890.tsdb.cloud.timescale.com PGPASSWORD=secret PGPORT=34567 PGSSLMODE=require PGUSER=tsdbadmin",
    wasm: "PGDATABASE=tsdb PGHOST=abcde12345.fghij67890.tsdb.cloud.timescale.com PGPORT=34567 PGUSER=tsdbadmin",
    drivers: "tsdbadmin:secret@abcde12345.fghij67890.tsdb.cloud.timescale.com:34567/tsdb, TLS, nothing checked, 10 s",
    record: ["sslmode: kept"]
  },
  {
    by: "Aiven",
    text: "postgres://avnadmin:AVNS_secret@pg-service-project.a.aivencloud.com:12691/defaultdb?sslmode=require",
    native:
      "PGDATABASE=defaultdb PGHOST=pg-service-project.a.aivencloud.com PGPASSWORD=AVNS_secret PGPORT=12691 PGSSLMODE=require PGUSER=avnadmin",
    wasm: "PGDATABASE=defaultdb PGHOST=pg-service-project.a.aivencloud.com PGPORT=12691 PGUSER=avnadmin",
    drivers: "avnadmin:AVNS_secret@pg-service-project.a.aivencloud.com:12691/defaultdb, TLS, nothing checked, 10 s",
    record: ["sslmode: kept"]
  },
  {
    by: "CockroachDB, in PostgreSQL's words",
    text: "postgresql://max:secret@free-tier.gcp-us-central1.cockroachlabs.cloud:26257/defaultdb?sslmode=verify-full&sslrootcert=CA&options=--cluster%3Dblue-dog-147",
    native:
      "PGDATABASE=defaultdb PGHOST=free-tier.gcp-us-central1.cockroachlabs.cloud PGOPTIONS=--cluster=blue-dog-147 PGPASSWORD=secret PGPORT=26257 PGSSLMODE=verify-full PGSSLROOTCERT=CA PGUSER=max",
    wasm: "PGDATABASE=defaultdb PGHOST=free-tier.gcp-us-central1.cockroachlabs.cloud PGPORT=26257 PGUSER=max",
    drivers:
      "max:secret@free-tier.gcp-us-central1.cockroachlabs.cloud:26257/defaultdb, TLS, chain and host checked by file, 10 s, --cluster=blue-dog-147",
    record: ["sslmode: kept", "sslrootcert: kept", "options: kept"]
  }
]
