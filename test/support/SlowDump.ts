/** A dump whose COPY stays at work until somebody ends it, for tests that interrupt or kill a restore. */

const rows = (count: number, width: number) =>
  Array.from({ length: count }, (_, index) => `${index}\t${"x".repeat(width)}\n`).join("")

const dump = (name: string, data: string) => `--
-- PostgreSQL database dump
--

SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);

CREATE TABLE public.${name} (id integer, content text);

CREATE FUNCTION public.${name}_wait() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_catalog.pg_sleep(600);
  RETURN NEW;
END $$;

CREATE TRIGGER wait BEFORE INSERT ON public.${name} FOR EACH ROW EXECUTE FUNCTION public.${name}_wait();

COPY public.${name} (id, content) FROM stdin;
${data}\\.


--
-- PostgreSQL database dump complete
--

`

/** All data is sent at once; the restore waits for the server's answer. */
export const waiting: string = dump("slow", rows(10, 10))

/** The server stops reading at the first row; the restore waits to send the rest, 20 MB of it. */
export const blocked: string = dump("slow", rows(200, 100_000))
