SELECT n.nspname AS "Schema", c.relname AS "Name",
  CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' END AS "Type",
  pg_catalog.pg_get_userbyid(c.relowner) AS "Owner"
FROM pg_catalog.pg_class c
     LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r','p','')
      AND n.nspname !~ '^pg_toast'
  AND pg_catalog.pg_table_is_visible(c.oid)
ORDER BY 1,2;

SELECT c.oid, n.nspname FROM pg_catalog.pg_class c
WHERE c.relname OPERATOR(pg_catalog.~) '^(events)$' COLLATE pg_catalog.default
  AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 2, 3;

SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod),
  (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid, true) FROM pg_catalog.pg_attrdef d
   WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.atthasdef),
  a.attnotnull, a.attidentity, CASE WHEN a.attstorage = 'p'::"char" THEN 'plain' ELSE '' END AS attstorage
FROM pg_catalog.pg_attribute a
WHERE a.attrelid = '16439' AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum;

SELECT c.oid::pg_catalog.regclass, c.relkind, false AS inhdetachpending
FROM pg_catalog.pg_class c, pg_catalog.pg_inherits i WHERE c.oid = i.inhparent AND i.inhrelid = '16439'

SELECT ic.relname, ix.indisunique, ARRAY(SELECT pg_get_indexdef(ix.indexrelid, k + 1, true)
  FROM generate_subscripts(ix.indkey, 1) AS k ORDER BY k) AS keys
FROM pg_index ix JOIN pg_class ic ON ic.oid = ix.indexrelid WHERE ix.indrelid = $1::regclass

SELECT result.key_seq, (result.keys).n, result.a_attnum FROM (SELECT
  information_schema._pg_expandarray(i.indkey) AS keys, a.attnum AS a_attnum, (i.keys).x key_seq
  FROM pg_catalog.pg_index i) result WHERE result.a_attnum = (result.keys).x ORDER BY 1

SELECT t.oid, t.typname, t.typarray, COALESCE(e.labels, '{}') FROM pg_type t
LEFT JOIN LATERAL (SELECT array_agg(enumlabel ORDER BY enumsortorder) AS labels FROM pg_enum
  WHERE enumtypid = t.oid) e ON true WHERE t.oid = ANY($1::oid[])

SELECT con.conname, u.attnum FROM pg_constraint AS con
CROSS JOIN LATERAL unnest(con.conkey) WITH ORDINALITY AS u (attnum, ord) WHERE con.contype = 'p'

/* {"app": "x"} */ select current_database(), current_schemas(true), version(), pg_backend_pid()

WITH fk AS (SELECT a.attrelid, unnest(a.x) AS y FROM pg_catalog.pg_attribute AS a) SELECT fk.y::text || '.' || E'\t' FROM fk

SELECT typinput='pg_catalog.array_in'::regproc as is_array, typtype FROM pg_catalog.pg_type
 LEFT JOIN (select ns.oid as nspoid, r.r from pg_namespace as ns
 join ( select s.r, (current_schemas(false))[s.r] as nspname
 from generate_series(1, array_upper(current_schemas(false), 1)) as s(r) ) as r using ( nspname ) ) as sp
 ON sp.nspoid = typnamespace WHERE pg_type.oid = $1 ORDER BY sp.r, pg_type.oid DESC

BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SELECT 1; COMMIT

SET client_encoding = 'UTF8'; SET datestyle TO ISO; SET application_name = ''

INSERT INTO "t" ("id", "name") VALUES ($1, $2), ($3, $4) ON CONFLICT ("id") DO UPDATE SET "name" = EXCLUDED."name" RETURNING "t"."id"

DECLARE "cursor_1" NO SCROLL CURSOR WITH HOLD FOR SELECT "t"."id" FROM "t"; FETCH FORWARD 10 FROM "cursor_1"; CLOSE "cursor_1"

SHOW transaction_isolation; SHOW standard_conforming_strings; SHOW TIME ZONE

COPY "s"."t" ("a", "b") FROM STDIN WITH (FORMAT CSV, NULL '\N')

DEALLOCATE ALL; DISCARD ALL; ROLLBACK TO SAVEPOINT "s_1"; RELEASE "s_1"
