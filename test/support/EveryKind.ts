/** A database with an object of every kind that pg_dump knows and that needs nothing beside the server's own files. */

/** To be run by a superuser. `role` gets rights here and there. */
export const sql = (role: string): string => `
COMMENT ON SCHEMA public IS 'the public one''s "comment"';
CREATE SCHEMA kinds;
COMMENT ON SCHEMA kinds IS 'every kind';
SET search_path = kinds;

CREATE TYPE mood AS ENUM ('sad', 'it''s ok', 'glad');
CREATE TYPE pair AS (a integer, b text COLLATE "C");
CREATE TYPE span AS RANGE (subtype = float8, multirange_type_name = spans);
CREATE TYPE unfinished;
CREATE TYPE base;
CREATE FUNCTION base_in(cstring) RETURNS base LANGUAGE internal IMMUTABLE STRICT AS 'textin';
CREATE FUNCTION base_out(base) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
CREATE TYPE base (INPUT = base_in, OUTPUT = base_out, LIKE = text);
CREATE DOMAIN positive AS integer DEFAULT 1 CONSTRAINT above CHECK (VALUE > 0);
COMMENT ON TYPE mood IS 'a mood';
CREATE COLLATION backwards (locale = 'C');
CREATE SEQUENCE counter AS smallint INCREMENT 3 START 7 CYCLE;
SELECT setval('counter', 22, false);

CREATE FUNCTION twice(n integer DEFAULT 2) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 3
  BEGIN ATOMIC SELECT CASE WHEN n > 0 THEN n * 2 ELSE 0 END; END;
CREATE FUNCTION rows_of(OUT a integer, OUT b text) RETURNS SETOF record LANGUAGE plpgsql STABLE ROWS 5
  SET work_mem = '5MB' AS $body$ BEGIN RETURN QUERY SELECT 1, 'x;--'; END $body$;
CREATE PROCEDURE nothing() LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN END';
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION note_event() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE AGGREGATE total(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0');
CREATE FUNCTION same(pair, pair) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1.a = $2.a';
CREATE OPERATOR === (LEFTARG = pair, RIGHTARG = pair, FUNCTION = same, COMMUTATOR = ===);
CREATE OPERATOR FAMILY pairs USING hash;
CREATE FUNCTION hash_of(pair) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT $1.a';
CREATE OPERATOR CLASS pair_ops FOR TYPE pair USING hash FAMILY pairs AS OPERATOR 1 ===, FUNCTION 1 hash_of(pair);
CREATE FUNCTION text_of(pair) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1.b';
CREATE CAST (pair AS text) WITH FUNCTION text_of(pair) AS ASSIGNMENT;
CREATE CONVERSION other FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
CREATE TRUSTED LANGUAGE plmine HANDLER plpgsql_call_handler;
CREATE ACCESS METHOD other_heap TYPE TABLE HANDLER heap_tableam_handler;

CREATE TEXT SEARCH PARSER parser (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype);
CREATE TEXT SEARCH TEMPLATE template (INIT = dsimple_init, LEXIZE = dsimple_lexize);
CREATE TEXT SEARCH DICTIONARY dictionary (TEMPLATE = simple, STOPWORDS = english);
CREATE TEXT SEARCH CONFIGURATION configuration (PARSER = parser);
ALTER TEXT SEARCH CONFIGURATION configuration ADD MAPPING FOR asciiword WITH dictionary;

CREATE TABLE parent (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  mood mood NOT NULL DEFAULT 'glad',
  "Größe ""x""" text COLLATE backwards,
  doubled integer GENERATED ALWAYS AS (id * 2) STORED,
  pair pair,
  amount positive,
  span span,
  numbers integer[],
  CONSTRAINT even CHECK (id % 2 = 0 OR id > 0)
) WITH (fillfactor = 70);
ALTER TABLE parent ALTER COLUMN numbers SET STORAGE EXTERNAL, ALTER COLUMN numbers SET STATISTICS 50;
COMMENT ON COLUMN parent."Größe ""x""" IS E'with a\\nline break and a \\\\';
INSERT INTO parent (mood, "Größe ""x""", pair, numbers)
  SELECT 'it''s ok', E'tab\\t back\\\\ nul\\\\N \\\\. line\\n' || i, ROW(i, NULL)::kinds.pair, ARRAY[i, NULL] FROM generate_series(1, 50) i;
CREATE TABLE child (extra jsonb) INHERITS (parent);
CREATE TABLE refers (
  id bigserial PRIMARY KEY,
  parent integer REFERENCES parent ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
  during tsrange,
  EXCLUDE USING gist (during WITH &&)
);
ALTER TABLE refers ADD CONSTRAINT later CHECK (id > 0) NOT VALID;
CREATE UNLOGGED TABLE fleeting (a integer);
CREATE TABLE "Of type" OF pair (a PRIMARY KEY);
CREATE TABLE parted (id integer, at date NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE parted_rest PARTITION OF parted DEFAULT;
INSERT INTO parted VALUES (1, '2020-05-05'), (2, '1999-01-01');
CREATE INDEX ON parted (at);
CREATE INDEX partial ON parent ((id + 1) DESC NULLS LAST) INCLUDE (mood) WHERE id > 3;
ALTER TABLE parent CLUSTER ON parent_pkey;
ALTER TABLE refers REPLICA IDENTITY FULL;
CREATE STATISTICS both_columns (ndistinct, mcv) ON id, mood FROM parent;
CREATE VIEW seen WITH (security_barrier) AS SELECT id, mood FROM parent WHERE id > 0 WITH LOCAL CHECK OPTION;
CREATE VIEW circle AS SELECT 1 AS a;
CREATE OR REPLACE VIEW circle AS SELECT a FROM (SELECT 2 AS a) x;
CREATE MATERIALIZED VIEW frozen AS SELECT count(*) AS n FROM parent;
CREATE UNIQUE INDEX ON frozen (n);
CREATE MATERIALIZED VIEW empty_one AS SELECT 1 AS one WITH NO DATA;
CREATE RULE quiet AS ON INSERT TO seen DO INSTEAD (SELECT 1; SELECT 2);
CREATE TRIGGER noted BEFORE INSERT OR UPDATE OF mood ON parent FOR EACH ROW WHEN (NEW.id > 5) EXECUTE FUNCTION note('a''b');
ALTER TABLE parent DISABLE TRIGGER noted;
ALTER TABLE parent ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY mine ON parent AS RESTRICTIVE FOR UPDATE TO ${role} USING (id > 1) WITH CHECK (id > 2);

CREATE FOREIGN DATA WRAPPER wrapper OPTIONS (debug 'true');
CREATE SERVER elsewhere TYPE 'x' VERSION '1' FOREIGN DATA WRAPPER wrapper OPTIONS (host 'h');
CREATE USER MAPPING FOR ${role} SERVER elsewhere OPTIONS (word 'w');
CREATE FOREIGN TABLE far (a integer OPTIONS (col 'b')) SERVER elsewhere OPTIONS (t 'u');
CREATE EVENT TRIGGER watched ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION note_event();
ALTER EVENT TRIGGER watched DISABLE;
CREATE PUBLICATION parts FOR TABLE parent (id, mood) WHERE (id > 3), refers WITH (publish = 'insert');
CREATE PUBLICATION schemas FOR TABLES IN SCHEMA kinds;
CREATE SUBSCRIPTION listening CONNECTION 'host=localhost dbname=none' PUBLICATION p WITH (connect = false, slot_name = NONE);

GRANT USAGE ON SCHEMA kinds TO ${role};
GRANT SELECT, UPDATE (mood) ON parent TO ${role} WITH GRANT OPTION;
GRANT EXECUTE ON FUNCTION twice TO ${role};
REVOKE EXECUTE ON FUNCTION twice FROM PUBLIC;
GRANT USAGE ON SEQUENCE counter TO PUBLIC;
GRANT USAGE ON FOREIGN SERVER elsewhere TO ${role};
ALTER DEFAULT PRIVILEGES IN SCHEMA kinds GRANT SELECT ON TABLES TO ${role};
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
SELECT lo_from_bytea(4711, decode(repeat('00ff5c27', 5000), 'hex'));
COMMENT ON LARGE OBJECT 4711 IS 'a large one';
GRANT SELECT ON LARGE OBJECT 4711 TO ${role};
`

/** Types of entries, as pg_dump names them, that its dump has at least. */
export const kinds: ReadonlyArray<string> = [
  "ACCESS METHOD",
  "ACL",
  "AGGREGATE",
  "CAST",
  "CHECK CONSTRAINT",
  "COLLATION",
  "COMMENT",
  "CONSTRAINT",
  "CONVERSION",
  "DEFAULT",
  "DEFAULT ACL",
  "DOMAIN",
  "EVENT TRIGGER",
  "FK CONSTRAINT",
  "FOREIGN DATA WRAPPER",
  "FOREIGN TABLE",
  "FUNCTION",
  "INDEX",
  "INDEX ATTACH",
  "MATERIALIZED VIEW",
  "MATERIALIZED VIEW DATA",
  "OPERATOR",
  "OPERATOR CLASS",
  "OPERATOR FAMILY",
  "POLICY",
  "PROCEDURAL LANGUAGE",
  "PROCEDURE",
  "PUBLICATION",
  "PUBLICATION TABLE",
  "PUBLICATION TABLES IN SCHEMA",
  "ROW SECURITY",
  "RULE",
  "SCHEMA",
  "SEQUENCE",
  "SEQUENCE SET",
  "SERVER",
  "SHELL TYPE",
  "STATISTICS",
  "SUBSCRIPTION",
  "TABLE",
  "TABLE ATTACH",
  "TEXT SEARCH CONFIGURATION",
  "TEXT SEARCH DICTIONARY",
  "TEXT SEARCH PARSER",
  "TEXT SEARCH TEMPLATE",
  "TRIGGER",
  "TYPE",
  "USER MAPPING",
  "VIEW"
]
