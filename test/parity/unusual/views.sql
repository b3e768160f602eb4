-- # Views over distributed tables.
CREATE VIEW big_bags AS SELECT k, owner, size FROM bags WHERE size > 10;
CREATE VIEW counted (key, n, total) AS SELECT k, count(*), sum(qty) FROM items GROUP BY k;
CREATE VIEW joined AS SELECT b.k, b.owner, i.id, i.label FROM bags b LEFT JOIN items i USING (k);
CREATE VIEW nested AS SELECT c.key, c.n, b.owner FROM counted c JOIN big_bags b ON b.k = c.key;
CREATE VIEW mixed AS SELECT n.word, b.k FROM near n JOIN bags b ON b.k = n.n;
CREATE VIEW top AS SELECT * FROM items ORDER BY qty DESC LIMIT 5;
CREATE VIEW both_kinds AS SELECT k FROM bags UNION ALL SELECT id FROM lone;
CREATE VIEW invoked WITH (security_invoker) AS SELECT k, owner FROM bags;
CREATE VIEW aside.bags AS SELECT k, size AS half FROM public.bags WHERE k % 2 = 0;
CREATE VIEW "Odd View" AS SELECT k AS "The Key", owner AS "select" FROM bags;
CREATE VIEW local_only AS SELECT * FROM near;
CREATE VIEW made AS SELECT twice(k) AS t, k FROM bags;
CREATE RECURSIVE VIEW chain (k, depth) AS SELECT k, 1 FROM bags WHERE k = 1 UNION ALL SELECT c.k + 1, c.depth + 1 FROM chain c JOIN bags b ON b.k = c.k + 1 WHERE c.depth < 5;
SELECT * FROM big_bags ORDER BY k;
SELECT * FROM big_bags WHERE k = 5;
SELECT b.owner, count(*) FROM big_bags b GROUP BY 1 ORDER BY 1;
SELECT big_bags.k FROM big_bags WHERE big_bags.owner = 'owner 2' ORDER BY 1;
SELECT public.big_bags.k FROM public.big_bags ORDER BY 1 DESC LIMIT 2;
SELECT * FROM counted ORDER BY key;
SELECT * FROM counted WHERE key = 3;
SELECT x.a, x.b FROM counted AS x (a, b) WHERE x.b > 5 ORDER BY 1;
SELECT count(*), count(DISTINCT owner) FROM joined;
SELECT * FROM joined WHERE k = 12;
SELECT * FROM nested ORDER BY key;
SELECT * FROM nested WHERE key = 7;
SELECT * FROM mixed ORDER BY k;
SELECT * FROM top ORDER BY qty;
SELECT count(*), sum(k) FROM both_kinds;
SELECT * FROM invoked ORDER BY k;
SELECT * FROM aside.bags ORDER BY k;
SELECT "The Key", "select" FROM "Odd View" WHERE "The Key" < 3 ORDER BY 1;
SELECT * FROM local_only ORDER BY n;
SELECT * FROM made WHERE t = 8;
SELECT * FROM chain ORDER BY 1;
TABLE big_bags ORDER BY k;
SELECT k, owner FROM big_bags UNION (TABLE invoked ORDER BY k LIMIT 1) ORDER BY 1 LIMIT 3;
SELECT k FROM bags WHERE EXISTS (SELECT FROM big_bags v WHERE v.k = bags.k) ORDER BY 1;
SELECT k, (SELECT n FROM counted c WHERE c.key = b.k) FROM bags b ORDER BY k;
WITH v AS (SELECT * FROM big_bags) SELECT sum(size) FROM v;
WITH big_bags AS (SELECT 1 AS k) SELECT * FROM big_bags;
SELECT to_jsonb(v) FROM big_bags v WHERE k = 5;
SELECT count(v) FROM big_bags v;
SELECT l.k, r.k FROM big_bags l JOIN big_bags r ON r.k = l.k + 1 ORDER BY 1;
SELECT a.k FROM aside.bags a JOIN big_bags b USING (k) JOIN near n ON n.n = a.k ORDER BY 1;
SELECT DISTINCT owner FROM big_bags ORDER BY 1 NULLS FIRST;
-- parameters: ["5"]
SELECT * FROM big_bags WHERE k = $1;
-- parameters: ["4", "2"]
SELECT k, size FROM big_bags WHERE k > $1 ORDER BY k LIMIT $2;
-- error: 42703
SELECT nosuch FROM big_bags;
-- error: 42P01
SELECT * FROM aside.big_bags;
-- error: 0A000
SELECT * FROM big_bags TABLESAMPLE bernoulli (10);
SELECT k FROM big_bags ORDER BY k FOR UPDATE;
CREATE TABLE kept AS SELECT * FROM nested;
SELECT count(*), sum(n) FROM kept;
INSERT INTO kept SELECT * FROM nested WHERE key = 5;
SELECT count(*), sum(n) FROM kept;
INSERT INTO bags (k, owner, size) SELECT k + 100, owner, size FROM big_bags;
SELECT count(*), sum(size) FROM bags;
DELETE FROM bags WHERE k > 100;
BEGIN;
DECLARE c CURSOR FOR SELECT k FROM big_bags ORDER BY k;
FETCH 2 FROM c;
FETCH ALL FROM c;
COMMIT;
PREPARE p (int) AS SELECT * FROM counted WHERE key = $1;
EXECUTE p (2);
EXECUTE p (3);
CREATE OR REPLACE VIEW counted (key, n, total) AS SELECT k, count(*) * 10, sum(qty) FROM items GROUP BY k;
EXECUTE p (2);
DEALLOCATE p;
SELECT * FROM counted ORDER BY key;
SELECT * FROM nested ORDER BY key;
BEGIN;
CREATE VIEW short AS SELECT count(*) FROM bags;
SELECT * FROM short;
ROLLBACK;
-- error: 42P01
SELECT * FROM short;
ALTER TABLE bags RENAME COLUMN size TO volume;
SELECT * FROM big_bags ORDER BY k;
ALTER TABLE bags RENAME COLUMN volume TO size;
ALTER VIEW aside.bags RENAME TO halves;
SELECT * FROM aside.halves ORDER BY k;
-- error: 42P01
SELECT * FROM aside.bags;
SELECT count(*) FROM pg_views WHERE viewname IN ('nested', 'mixed');
DROP VIEW nested;
-- error: 42P01
SELECT * FROM nested;
DROP TABLE kept;
