-- # Materialized views over distributed tables.
CREATE MATERIALIZED VIEW totals AS SELECT k, count(*) AS n, sum(qty) AS total FROM items GROUP BY k;
SELECT * FROM totals ORDER BY k;
CREATE MATERIALIZED VIEW owners (who, bags) AS SELECT owner, count(*) FROM bags GROUP BY owner WITH DATA;
SELECT * FROM owners ORDER BY who NULLS FIRST;
CREATE MATERIALIZED VIEW waiting AS SELECT l.id, b.owner FROM lone l JOIN bags b USING (k) WITH NO DATA;
-- error: 55000
SELECT * FROM waiting;
REFRESH MATERIALIZED VIEW waiting;
SELECT * FROM waiting ORDER BY id;
CREATE MATERIALIZED VIEW few AS SELECT id, label, qty FROM items WHERE k = 3 ORDER BY id LIMIT 4;
SELECT * FROM few;
-- error: 42P01
CREATE MATERIALIZED VIEW with_near AS (SELECT n.word, b.k FROM near n JOIN bags b ON b.k = n.n) UNION ALL TABLE few_words;
CREATE TABLE few_words (word text, k int);
CREATE MATERIALIZED VIEW with_near AS (SELECT n.word, b.k FROM near n JOIN bags b ON b.k = n.n) UNION ALL TABLE few_words;
SELECT * FROM with_near ORDER BY k;
-- error: 42P07
CREATE MATERIALIZED VIEW totals AS SELECT 1 AS one FROM items;
CREATE MATERIALIZED VIEW IF NOT EXISTS totals AS SELECT 1 AS one FROM items;
-- error: 42703
CREATE MATERIALIZED VIEW wrong AS SELECT nosuch FROM items;
-- error: 42601
CREATE MATERIALIZED VIEW wrong (a, b, c) AS SELECT k FROM items;
-- error: 22012
CREATE MATERIALIZED VIEW wrong AS SELECT k / 0 AS x FROM items;
-- error: 42P01
SELECT * FROM wrong;
CREATE UNIQUE INDEX totals_k ON totals (k);
SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'totals';
UPDATE items SET qty = qty + 1 WHERE k < 3;
INSERT INTO items VALUES (77, 1, 'new', 5);
SELECT sum(total), count(*) FROM totals;
REFRESH MATERIALIZED VIEW CONCURRENTLY totals;
SELECT * FROM totals ORDER BY k;
-- error: 55000
REFRESH MATERIALIZED VIEW CONCURRENTLY owners;
-- error: 42601
REFRESH MATERIALIZED VIEW CONCURRENTLY totals WITH NO DATA;
-- error: 42809
INSERT INTO totals VALUES (1, 1, 1);
SELECT pg_get_viewdef('totals');
SELECT pg_get_viewdef('owners'::regclass, true);
SELECT pg_catalog.pg_get_viewdef(oid, true) FROM pg_class WHERE relname = 'waiting';
SELECT matviewname, hasindexes, ispopulated, definition FROM pg_matviews ORDER BY 1;
SELECT a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a WHERE a.attrelid = 'few'::regclass AND a.attnum > 0 ORDER BY a.attnum;
-- # Beside distributed tables, under views, and as a source.
SELECT b.k, t.n FROM bags b JOIN totals t USING (k) ORDER BY 1;
CREATE VIEW over_totals AS SELECT t.k, t.n, b.owner FROM totals t JOIN bags b USING (k);
SELECT * FROM over_totals ORDER BY k;
CREATE MATERIALIZED VIEW of_view AS SELECT owner, sum(n) AS n FROM over_totals GROUP BY owner;
SELECT * FROM of_view ORDER BY owner NULLS FIRST;
SELECT pg_get_viewdef('of_view');
REFRESH MATERIALIZED VIEW of_view;
SELECT count(*) FROM of_view;
CREATE MATERIALIZED VIEW on_matview AS SELECT max(n) FROM totals;
REFRESH MATERIALIZED VIEW on_matview;
SELECT * FROM on_matview;
-- # Changes.
ALTER MATERIALIZED VIEW owners RENAME COLUMN bags TO how_many;
SELECT pg_get_viewdef('owners'::regclass, true);
REFRESH MATERIALIZED VIEW owners;
SELECT * FROM owners ORDER BY who NULLS FIRST;
ALTER MATERIALIZED VIEW owners RENAME TO holders;
REFRESH MATERIALIZED VIEW holders;
ALTER MATERIALIZED VIEW holders SET SCHEMA aside;
INSERT INTO bags (k, owner) VALUES (500, 'somebody');
REFRESH MATERIALIZED VIEW aside.holders;
SELECT * FROM aside.holders ORDER BY who NULLS FIRST;
DELETE FROM bags WHERE k = 500;
ALTER TABLE bags RENAME COLUMN owner TO keeper;
REFRESH MATERIALIZED VIEW aside.holders;
SELECT pg_get_viewdef('aside.holders');
ALTER TABLE bags RENAME COLUMN keeper TO owner;
REFRESH MATERIALIZED VIEW waiting WITH NO DATA;
-- error: 55000
SELECT * FROM waiting;
-- error: 2BP01
ALTER TABLE bags DROP COLUMN owner;
-- error: 0A000
ALTER TABLE items ALTER COLUMN qty TYPE int;
BEGIN;
INSERT INTO items VALUES (78, 1, 'mine', 6);
REFRESH MATERIALIZED VIEW totals;
SELECT count(*) FROM totals WHERE k = 78;
ROLLBACK;
SELECT count(*) FROM totals WHERE k = 78;
BEGIN;
CREATE MATERIALIZED VIEW passing AS SELECT k FROM bags;
REFRESH MATERIALIZED VIEW passing;
SELECT count(*) FROM passing;
ROLLBACK;
-- error: 42P01
SELECT * FROM passing;
BEGIN;
INSERT INTO bags (k) VALUES (501), (502), (503);
CREATE MATERIALIZED VIEW counted_bags AS SELECT count(*) AS n FROM bags;
COMMIT;
SELECT * FROM counted_bags;
DELETE FROM bags WHERE k > 500;
REFRESH MATERIALIZED VIEW counted_bags;
SELECT * FROM counted_bags;
DELETE FROM items WHERE k = 77;
-- error: 42P01
REFRESH MATERIALIZED VIEW nosuch;
-- error: 0A000
REFRESH MATERIALIZED VIEW bags;
-- error: 2BP01
DROP MATERIALIZED VIEW totals;
DROP MATERIALIZED VIEW of_view, on_matview;
DROP VIEW over_totals;
DROP MATERIALIZED VIEW totals;
-- error: 42P01
SELECT * FROM totals;
DROP MATERIALIZED VIEW aside.holders, waiting, few, with_near, counted_bags;
DROP TABLE few_words;
CREATE TABLE shortlived (id int PRIMARY KEY, v text);
CREATE SCHEMA passing;
SELECT count(*) FROM pg_class WHERE relkind = 'm';
ALTER TABLE bags ALTER COLUMN owner TYPE varchar(40);
ALTER TABLE bags ALTER COLUMN owner TYPE text;
DROP SCHEMA passing;
DROP TABLE shortlived;
