-- # Statements that name no distributed table, and those over the system.
SELECT 1;
SELECT 1 AS a, 'b' AS "B c", NULL AS n, true, 1.50, 1e3, '2026-01-01'::date;
SELECT;
VALUES (1, 'a'), (2, NULL);
VALUES (1), (2) ORDER BY 1 DESC LIMIT 1;
SELECT * FROM (VALUES (1, 'x'), (2, 'y')) v (a, b) WHERE a > 1;
SELECT * FROM generate_series(1, 5) g WHERE g % 2 = 1;
SELECT * FROM generate_series(TIMESTAMP '2026-01-01', '2026-01-03', '1 day');
SELECT * FROM unnest(ARRAY[1, 2], ARRAY['a', 'b', 'c']) WITH ORDINALITY;
SELECT * FROM jsonb_to_recordset('[{"a": 1, "b": "x"}, {"a": 2}]') AS r (a int, b text);
SELECT * FROM json_each_text('{"a": 1, "b": null}');
SELECT * FROM regexp_split_to_table('a,b,c', ',') WITH ORDINALITY AS s (part, n);
SELECT string_agg(x, '-' ORDER BY x DESC) FROM unnest('{a,b,c}'::text[]) x;
SELECT current_database(), current_user = session_user, current_schema();
SELECT current_setting('TimeZone'), current_setting('DateStyle'), current_setting('IntervalStyle');
SELECT pg_typeof(1), pg_typeof(1.0), pg_typeof('x'::text), pg_typeof(NULL);
SELECT 1 = 1.0, 'a' < 'b', NULL IS NULL, 1 <> 2, NOT true, true AND NULL, 5 BETWEEN 1 AND 9;
SELECT 7 / 2, 7 % 2, 7.0 / 2, 2 ^ 10, |/ 16, @ -3, -7 / 2, 5 & 3, 5 | 3, ~5;
SELECT 0.1 + 0.2, 0.1::float8 + 0.2::float8, 1::float4 / 3, 1.0 / 3, 1e308 * 10::numeric, 'NaN'::float8, 'Infinity'::numeric;
SELECT 12345678901234567890, 123456789012, 1234567890, 32767::int2, -9223372036854775808;
SELECT '{"b": 1, "a": [1, 2]}'::jsonb, '{"b": 1,  "a": 2}'::json, '[1,"x"]'::jsonb -> 1, to_jsonb(ARRAY[1, NULL]);
SELECT ARRAY[1, 2, NULL], ARRAY[[1, 2], [3, 4]], '{}'::int[], ARRAY['a b', 'c"d', NULL, 'NULL'], '[2:3]={1,2}'::int[];
SELECT '\xdeadbeef'::bytea, E'\\x00ff'::bytea, encode('\x01', 'hex'), decode('aGk=', 'base64');
SELECT INTERVAL '1 year 2 months 3 days 04:05:06.7', INTERVAL '-1 day', INTERVAL 'P1Y2M', '1 mon'::interval + '30 days';
SELECT TIMESTAMPTZ '2026-07-01 12:00+00', TIMESTAMP '2026-07-01 12:00', DATE 'infinity', TIME '24:00', TIMETZ '01:02:03+05:30', TIMESTAMP '0044-03-15 BC';
SELECT DATE '2026-01-31' + INTERVAL '1 month', DATE '2026-03-01' - DATE '2026-02-01', date_trunc('quarter', TIMESTAMP '2026-05-05'), make_date(2026, 2, 28), to_date('05 Dec 2026', 'DD Mon YYYY');
SELECT int4range(1, 5), numrange(1.1, 2.2, '[]'), tsrange('2026-01-01', NULL), '{[1,3),[5,7)}'::int4multirange, int4range(1, 5) * int4range(3, 9);
SELECT 'x'::char(3), 'x'::varchar(3), 'xyz'::name, 'c'::"char";
SELECT '10.0.0.1/8'::inet, '10.0.0.0/8'::cidr, '08:00:2b:01:02:03'::macaddr, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid, B'101'::bit(3), B'1'::varbit, '$1.50'::money;
SELECT point(1, 2), '(1,2),(3,4)'::box, 'pg_class'::regclass, 'int4'::regtype, '<a>x</a>'::text, to_tsvector('simple', 'a fat cat'), to_tsquery('simple', 'fat & cat');
SELECT 'straße' = 'STRASSE', lower('ÀÉ'), upper('é'), length('😀'), 'ü' < 'z', ascii('é'), chr(8364), 'a' COLLATE "C" < 'B' COLLATE "C";
SELECT format('%s %I %L %%', 'a', 'B c', 'it''s'), concat('a', NULL, 1), concat_ws('-', 'a', NULL, 'b'), repeat('ab', 3), overlay('abcdef' placing 'X' from 2 for 3);
SELECT 'a' LIKE '_', 'abc' ~ 'b', 'abc' ~* 'B', regexp_match('foo123', '([a-z]+)(\d+)'), substring('foobar' from 'o(.)b'), 'x' ILIKE 'X';
SELECT coalesce(NULL, NULL, 3), nullif(1, 1), greatest(1, NULL, 3), least('b', 'a'), CASE 5 WHEN 1 THEN 'a' ELSE 'z' END, num_nulls(1, NULL);
SELECT (1, 'a') = (1, 'a'), (1, NULL) IS NULL, ROW(1, 2) < ROW(1, 3), (1, 2) IS DISTINCT FROM (1, NULL);
SELECT a.n, b.n FROM generate_series(1, 2) a (n) CROSS JOIN LATERAL generate_series(a.n, 3) b (n) ORDER BY 1, 2;
SELECT EXISTS (SELECT 1), 3 IN (1, 2, 3), 4 = ANY ('{1,2}'), 2 > ALL (VALUES (0), (1)), ARRAY(SELECT generate_series(1, 3));
SELECT sum(x), avg(x), count(*) FROM generate_series(1, 10) x;
SELECT x % 3, count(*) FROM generate_series(1, 10) x GROUP BY ROLLUP (1) ORDER BY 1;
SELECT count(*) FROM pg_catalog.pg_type WHERE typname = 'int4';
SELECT typname FROM pg_type WHERE oid IN (16, 20, 23, 25) ORDER BY oid;
SELECT nspname FROM pg_namespace WHERE nspname IN ('pg_catalog', 'public', 'information_schema') ORDER BY 1;
SELECT relname, relkind FROM pg_class WHERE relname IN ('tenants', 'countries', 'system_settings', 'events_by_time') ORDER BY 1;
SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' AND c.relkind = 'r';
SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attnum > 0 ORDER BY attnum;
SELECT conname, contype, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'users'::regclass ORDER BY conname;
SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename = 'events' ORDER BY 1;
SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1;
SELECT column_name, data_type, is_nullable, character_maximum_length FROM information_schema.columns WHERE table_name = 'tenants' ORDER BY ordinal_position;
SELECT constraint_name, constraint_type FROM information_schema.table_constraints WHERE table_name = 'users' AND constraint_type IN ('PRIMARY KEY', 'FOREIGN KEY') ORDER BY 1;
SELECT tablename, tableowner = current_user FROM pg_tables WHERE schemaname = 'public' ORDER BY 1;
SELECT 'tenants'::regclass::text, 'public.orders'::regclass::text, to_regclass('nothing'), to_regclass('users') IS NOT NULL;
SELECT has_table_privilege('tenants', 'SELECT'), pg_get_serial_sequence('events', 'event_id');
SELECT obj_description('tenants'::regclass), col_description('tenants'::regclass, 1);
SELECT relname, relhasindex, relrowsecurity, relforcerowsecurity, relhastriggers, relpersistence FROM pg_class WHERE relname IN ('tenants', 'samples', 'kinds', 'local_numbers') ORDER BY 1;
SELECT tgname FROM pg_trigger WHERE tgrelid = 'tenants'::regclass AND NOT tgisinternal;
SHOW server_encoding;
SHOW standard_conforming_strings;
SHOW TimeZone;
-- parameters: ["5", "x"]
SELECT $1::int + 1, $2;
-- parameters: ["{1,2}", null]
SELECT unnest($1::int[]), $2::text;
-- error: 22012
SELECT 1 / 0;
-- error: 42601
SELECT FROM WHERE;
-- error: 42601
SELEC 1;
-- error: 42883
SELECT no_such_function(1);
-- error: 42P01
SELECT * FROM nowhere;
-- error: 22P02
SELECT 'abc'::int;
-- error: 22003
SELECT 2147483647::int + 1;
-- error: 22007
SELECT 'not a date'::date;
-- error: 42804
SELECT CASE WHEN 1 THEN 2 END;
-- error: 54000
SELECT chr(0);
-- error: 42704
SELECT 1::no_such_type;
-- error: 22P02
SELECT '{broken'::jsonb;
-- error: 2202E
SELECT ARRAY[[1, 2], [3]];
-- error: 42704
SHOW no_such_setting;
