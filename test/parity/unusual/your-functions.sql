-- # Functions of the user's that every node has: made, changed and dropped while statements call them in the shards. The last list: it changes rows that others read.
CREATE FUNCTION inc(a int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT a + 1';
CREATE FUNCTION steps_to(a int) RETURNS int LANGUAGE plpgsql AS $$ DECLARE x int := 0; seen text[] := '{}'; BEGIN FOR i IN 1..a % 5 LOOP x := x + inc(i); seen[i] := i::text; END LOOP; CASE a % 3 WHEN 0 THEN x := x * 2; WHEN 1 THEN NULL; ELSE x := -x; END CASE; SELECT x + count(*) INTO x FROM unnest(seen); RETURN x; EXCEPTION WHEN division_by_zero THEN RETURN 0; END $$;
CREATE FUNCTION shout(t text, tail text DEFAULT '!') RETURNS text LANGUAGE sql STABLE RETURN upper(t) || tail;
CREATE FUNCTION since(a date) RETURNS interval LANGUAGE sql STABLE AS 'SELECT date_trunc(''day'', now()) - a';
CREATE FUNCTION local_day(a date) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT to_char(a::timestamptz, 'YYYY-MM-DD TZ') $$;
CREATE FUNCTION guarded(a int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN IF a > 98 THEN RAISE EXCEPTION 'too large: %', a USING ERRCODE = 'P0042', HINT = 'less'; END IF; RETURN a; END $$;
CREATE FUNCTION odd(a int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN IF a <= 0 THEN RETURN false; END IF; RETURN even(a - 1); END $$;
CREATE OR REPLACE FUNCTION even(a int) RETURNS boolean LANGUAGE sql AS 'SELECT CASE WHEN a <= 0 THEN a = 0 ELSE odd(a - 1) END';
SELECT id, inc(id) FROM items WHERE k = 3 ORDER BY id;
SELECT count(*), sum(inc(id)) FROM items WHERE inc(id) > 50;
SELECT steps_to(id), count(*), max(shout(label)) FROM items GROUP BY 1 ORDER BY 1;
SELECT shout(label), shout(label, tail => '?') FROM items WHERE k = 7 AND label IS NOT NULL ORDER BY id;
SELECT DISTINCT shout(label) FROM items ORDER BY 1 LIMIT 4;
SELECT k, inc(count(*)::int) FROM items GROUP BY k HAVING inc(sum(id)::int) > 10 ORDER BY inc(k) DESC;
SELECT i.id, b.owner FROM items i JOIN bags b ON i.k = b.k AND inc(b.size) = inc(3 * i.k) WHERE steps_to(i.id) > 3 ORDER BY 1, 2;
SELECT i.id FROM items i JOIN lone l ON inc(l.k) = i.id ORDER BY 1 LIMIT 5;
SELECT id FROM items WHERE even(k) AND odd(id) ORDER BY id;
SELECT count(*) FROM items WHERE since(made) IS NOT NULL;
SELECT since(made) IS NULL FROM items WHERE k = 3 LIMIT 1;
SELECT DISTINCT local_day(made) FROM items WHERE id < 4 ORDER BY 1;
SET TimeZone = 'Asia/Tokyo';
SELECT DISTINCT local_day(made) FROM items WHERE id < 4 ORDER BY 1;
SELECT local_day(made) FROM items WHERE k = 4 AND id = 4;
RESET TimeZone;
-- error: P0042
SELECT sum(guarded(id)) FROM items;
-- error: P0042
SELECT guarded(id) FROM items WHERE k = 9;
SELECT row_number() OVER (PARTITION BY k ORDER BY inc(id)), id FROM items WHERE inc(k) < 3 ORDER BY 2;
SELECT (SELECT max(inc(b.k)) FROM bags b WHERE b.k = i.k), id FROM items i WHERE id < 6 ORDER BY id;
-- parameters: ["7", "4"]
SELECT inc($1::int) + id FROM items WHERE k = $2 ORDER BY id;
-- parameters: ["7"]
SELECT count(*) FROM items WHERE steps_to(id) = steps_to($1::int);
WITH s AS (SELECT k, sum(inc(id)) AS x FROM items GROUP BY k) SELECT max(x), min(x) FROM s;
SELECT id FROM items WHERE inc(id) = 5 UNION ALL SELECT inc(k) FROM bags WHERE inc(k) = 4 ORDER BY 1;
SELECT s.rank, inc(i.id) FROM items i JOIN shades s ON s.rank = inc(i.id) - 1 ORDER BY 1;
-- # In blocks, and undone.
BEGIN;
CREATE OR REPLACE FUNCTION inc(a int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT a + 1000';
SELECT sum(inc(id)) FROM items;
SELECT inc(id) FROM items WHERE k = 3 AND id = 3;
SELECT sum(steps_to(id)) FROM items;
SAVEPOINT s;
CREATE FUNCTION brief(a int) RETURNS int LANGUAGE sql AS 'SELECT -a';
SELECT sum(brief(id)) FROM items;
ROLLBACK TO s;
SELECT sum(inc(id)) FROM items;
ROLLBACK;
SELECT sum(inc(id)) FROM items;
SELECT inc(id) FROM items WHERE k = 3 AND id = 3;
CREATE OR REPLACE FUNCTION inc(a int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN a + 2; END $$;
SELECT sum(inc(id)) FROM items;
SELECT inc(id) FROM items WHERE k = 3 AND id = 3;
CREATE FUNCTION inc(a text) RETURNS text LANGUAGE sql AS $$ SELECT a || word FROM near WHERE n = 1 $$;
SELECT count(*) FROM items WHERE inc(label) = 'item 1word 1';
SELECT sum(inc(id)) FROM items;
DROP FUNCTION inc(text);
-- error: 42723
CREATE FUNCTION inc(b int) RETURNS int LANGUAGE sql AS 'SELECT b';
-- error: 42P13
CREATE OR REPLACE FUNCTION inc(a int) RETURNS text LANGUAGE sql AS 'SELECT a::text';
-- error: 42601
CREATE FUNCTION wrong(a int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN a +; END';
-- error: 42703
CREATE FUNCTION wrong(a int) RETURNS int LANGUAGE sql AS 'SELECT b';
-- error: 42883
DROP FUNCTION nosuch(int);
DROP FUNCTION IF EXISTS nosuch(int);
-- # Renamed, moved, changed.
ALTER FUNCTION inc(int) RENAME TO plus_two;
-- error: 42883
SELECT sum(steps_to(id)) FROM items;
SELECT sum(plus_two(id)) FROM items;
ALTER FUNCTION plus_two(int) RENAME TO inc;
SELECT sum(steps_to(id)) FROM items;
ALTER FUNCTION shout SET SCHEMA aside;
SELECT max(aside.shout(label)) FROM items;
-- error: 42883
SELECT max(shout(label)) FROM items;
SET search_path = public, aside;
SELECT max(shout(label)) FROM public.items;
RESET search_path;
ALTER FUNCTION aside.shout STRICT IMMUTABLE;
SELECT count(aside.shout(label)) FROM items;
ALTER FUNCTION local_day(date) SET TimeZone = 'America/Lima';
SELECT max(local_day(made)) FROM items;
-- # In what belongs to tables.
CREATE INDEX items_inc ON items (inc(id));
SELECT id FROM items WHERE inc(id) = 7;
ALTER TABLE items ADD CONSTRAINT small_enough CHECK (inc(id) < 100000);
-- error: 23514
INSERT INTO items VALUES (1, 100001);
ALTER TABLE items ADD COLUMN up int GENERATED ALWAYS AS (inc(id)) STORED;
SELECT sum(up) FROM items;
ALTER TABLE items ALTER COLUMN label SET DEFAULT aside.shout('none');
INSERT INTO items (k, id) VALUES (1, 901), (2, 902);
SELECT label, up FROM items WHERE id > 900 ORDER BY id;
-- error: 2BP01
DROP FUNCTION inc(int);
CREATE TABLE priced (id int PRIMARY KEY, price int DEFAULT steps_to(7) CHECK (guarded(price) < 90));
SELECT id, price FROM priced;
-- # Writes.
UPDATE items SET label = aside.shout(label, k::text) WHERE k = 5;
UPDATE items SET qty = inc(qty::int) WHERE inc(k) > 5;
SELECT sum(qty), max(label) FROM items;
INSERT INTO items (k, id, label) VALUES (3, inc(1000), aside.shout('new')) RETURNING id, label;
INSERT INTO items (k, id, label) VALUES (inc(1), 1010, 'x'), (3, 1011, steps_to(4)::text) RETURNING k, label;
INSERT INTO items (k, id, label) VALUES (3, 1012, wordy(2)) RETURNING label;
UPDATE items SET label = wordy(2) WHERE k = 3 AND id = 1011;
UPDATE items SET label = wordy(4) WHERE id > 1000;
DELETE FROM items WHERE k = 2 AND wordy(2) IS NULL;
SELECT k, id, label FROM items WHERE id > 1000 ORDER BY 1, 2;
INSERT INTO items (k, id, label) VALUES (3, 1012, 'y') ON CONFLICT (k, id) DO UPDATE SET label = aside.shout(excluded.label) RETURNING label;
INSERT INTO items (k, id, label) SELECT inc(k), inc(id) + 2000, aside.shout(label) FROM items WHERE id < 5;
DELETE FROM items WHERE inc(id) > 900;
SELECT count(*), sum(id), max(label) FROM items;
UPDATE shades SET rank = inc(rank);
SELECT sum(rank) FROM shades;
-- # Rights and other kinds.
REVOKE EXECUTE ON FUNCTION inc(int) FROM PUBLIC;
SELECT sum(inc(id)) FROM items;
CREATE PROCEDURE put(a int) LANGUAGE sql AS 'INSERT INTO near (n) VALUES (a)';
CALL put(77);
DROP PROCEDURE put;
CREATE AGGREGATE joined(text) (SFUNC = textcat, STYPE = text, INITCOND = '');
SELECT joined(label) FROM (SELECT label FROM items WHERE label IS NOT NULL ORDER BY id LIMIT 3) s;
COMMENT ON AGGREGATE joined(text) IS 'all';
DROP AGGREGATE joined(text);
ALTER TABLE items DROP COLUMN up;
DROP INDEX items_inc;
ALTER TABLE items DROP CONSTRAINT small_enough, ALTER COLUMN label DROP DEFAULT;
DROP FUNCTION inc(int), aside.shout;
-- error: 42883
SELECT inc(id) FROM items WHERE k = 3;
-- error: 42883
SELECT steps_to(id) FROM items WHERE k = 3;
-- # Of names that are Postgres' own, for types of the user's.
CREATE TYPE pair AS (a int, b int);
CREATE FUNCTION pair_low(x pair, y pair) RETURNS pair LANGUAGE sql AS 'SELECT CASE WHEN (x).b < (y).b THEN x ELSE y END';
CREATE AGGREGATE sum(pair) (SFUNC = pair_low, STYPE = pair, INITCOND = '(7,70)');
CREATE FUNCTION lower(p pair) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT least(p.a, p.b)';
CREATE FUNCTION total(p pair) RETURNS int LANGUAGE sql AS 'SELECT p.a + p.b';
CREATE FUNCTION upper(p pair) RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM near WHERE n BETWEEN p.a AND p.b';
SELECT (sum(ROW(k, id + 71)::pair)).a FROM items WHERE k > 2;
SELECT sum(lower(ROW(k, id)::pair)) FROM items;
SELECT sum((ROW(k, id)::pair).total) FROM items;
SELECT sum(upper(ROW(k, id)::pair)), max(upper(label)), sum((ROW(k, id)::pair).upper) FROM items;
SELECT upper(ROW(k, id)::pair), upper(label) FROM items WHERE k = 3 ORDER BY id LIMIT 3;
UPDATE items SET qty = upper(ROW(k, id)::pair) WHERE k = 3;
SELECT sum(qty) FROM items;
DROP AGGREGATE sum(pair);
DROP FUNCTION lower(pair), total(pair), upper(pair), pair_low;
DROP TYPE pair;
-- # Casts and operators of the user's: code that no body names as its own.
CREATE FUNCTION told(mood) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN CASE WHEN $1 = 'glad' THEN 'High' ELSE 'Low' END; END $$;
CREATE FUNCTION tells(mood) RETURNS text LANGUAGE sql AS 'SELECT $1::text';
SELECT k, tells(m) FROM moods ORDER BY k;
CREATE CAST (mood AS text) WITH FUNCTION told(mood);
SELECT k, tells(m) FROM moods ORDER BY k;
DROP CAST (mood AS text);
SELECT k, tells(m) FROM moods ORDER BY k;
CREATE FUNCTION unlike(mood, mood) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 <> $2';
CREATE OPERATOR @= (LEFTARG = mood, RIGHTARG = mood, FUNCTION = unlike);
CREATE FUNCTION differs(m mood) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT m @= 'sad' $$;
SELECT k FROM moods WHERE differs(m) ORDER BY k;
DROP OPERATOR @= (mood, mood);
DROP FUNCTION unlike, differs, tells, told;
DROP TABLE moods;
