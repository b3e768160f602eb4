-- What few programs do, but one Postgres allows: loaded after nothing else.
CREATE TABLE items (k int, id int, label text, qty numeric(8,2), made date, PRIMARY KEY (k, id));
CREATE TABLE bags (k int PRIMARY KEY, owner text, size int);
CREATE TABLE lone (id int PRIMARY KEY, k int, note text);
CREATE TABLE keyless (k int, v int);
CREATE TABLE shades (shade text PRIMARY KEY, rank int);
CREATE TABLE near (n int PRIMARY KEY, word text);
CREATE SCHEMA aside;
CREATE TABLE aside.items (k int, title text);

SELECT create_distributed_table('items', 'k', shard_count => 8);
SELECT create_distributed_table('bags', 'k', colocate_with => 'items');
SELECT create_distributed_table('lone', 'id', colocate_with => 'none');
SELECT create_distributed_table('keyless', 'k', colocate_with => 'items');
SELECT create_distributed_table('aside.items', 'k', colocate_with => 'items');
SELECT create_reference_table('shades');

INSERT INTO items SELECT g % 10, g, CASE WHEN g % 7 = 0 THEN NULL ELSE 'item ' || g % 13 END, g * 1.25, DATE '2026-01-01' + g FROM generate_series(1, 100) g;
INSERT INTO bags SELECT g, CASE WHEN g % 4 = 0 THEN NULL ELSE 'owner ' || g % 3 END, g * 3 FROM generate_series(0, 12) g;
INSERT INTO lone SELECT g, g % 10, 'note ' || g % 5 FROM generate_series(1, 40) g;
INSERT INTO keyless SELECT g % 5, g FROM generate_series(1, 30) g;
INSERT INTO shades VALUES ('dark', 1), ('light', 2), ('none', NULL);
INSERT INTO near SELECT g, CASE WHEN g % 3 = 0 THEN NULL ELSE 'word ' || g END FROM generate_series(1, 12) g;
INSERT INTO aside.items SELECT g, 'title ' || g FROM generate_series(0, 8) g;

CREATE FUNCTION twice(x numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT x * 2';
CREATE FUNCTION twice(x int) RETURNS int LANGUAGE plpgsql IMMUTABLE STRICT AS 'BEGIN RETURN x * 2; END';
CREATE FUNCTION wordy(x int) RETURNS text LANGUAGE sql STABLE AS 'SELECT word FROM near WHERE n = x';
CREATE FUNCTION ranked(s text) RETURNS int LANGUAGE sql STABLE AS 'SELECT rank FROM shades WHERE shade = s';
CREATE FUNCTION noted(x int) RETURNS int LANGUAGE plpgsql VOLATILE AS $$ BEGIN INSERT INTO journal VALUES (x); RETURN x; END $$;
CREATE FUNCTION steps(x int) RETURNS SETOF int LANGUAGE sql IMMUTABLE ROWS 3 AS 'SELECT generate_series(1, x)';
CREATE FUNCTION pairs(x int) RETURNS TABLE (a int, b text) LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN QUERY SELECT g, 'b' || g FROM generate_series(1, x) g; END $$;
CREATE FUNCTION labelled(i items) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT i.k || ':' || coalesce(i.label, '-') $$;
CREATE FUNCTION fails(x int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN IF x = 5 THEN RAISE EXCEPTION 'five' USING ERRCODE = 'P0777'; END IF; RETURN x; END $$;
CREATE FUNCTION remembers(x text) RETURNS text LANGUAGE sql AS $$ SELECT set_config('app.seen', x, false) $$;
CREATE AGGREGATE product(numeric) (SFUNC = numeric_mul, STYPE = numeric, INITCOND = '1');
CREATE TABLE journal (x int);
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE DOMAIN small AS int CHECK (VALUE < 1000);
CREATE FUNCTION moody(x int) RETURNS mood LANGUAGE sql IMMUTABLE AS $$ SELECT CASE WHEN x % 2 = 0 THEN 'glad' ELSE 'sad' END::mood $$;
CREATE TABLE moods (k int PRIMARY KEY, m mood);
SELECT create_distributed_table('moods', 'k', shard_count => 4);
INSERT INTO moods SELECT g, moody(g) FROM generate_series(1, 12) g;
