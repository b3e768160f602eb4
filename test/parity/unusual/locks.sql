-- # Row locks, of one session: the rows must be right; who waits for whom is another test's.
SELECT * FROM bags WHERE k = 3 FOR UPDATE;
-- unordered
SELECT * FROM bags FOR UPDATE;
SELECT * FROM bags ORDER BY size DESC FOR UPDATE;
SELECT owner, size FROM bags WHERE size > 6 ORDER BY 1, 2 FOR NO KEY UPDATE;
SELECT k FROM bags ORDER BY k OFFSET 3 FOR UPDATE;
SELECT k, owner FROM bags ORDER BY k LIMIT 3 FOR UPDATE;
SELECT k, owner AS o FROM bags ORDER BY o DESC NULLS LAST, k LIMIT 3 FOR SHARE;
SELECT k, size * 2 FROM bags ORDER BY 2 DESC LIMIT 3 OFFSET 2 FOR UPDATE SKIP LOCKED;
SELECT k FROM bags WHERE owner IS NULL ORDER BY k LIMIT 10 FOR KEY SHARE NOWAIT;
SELECT id, label FROM items WHERE qty > 20 ORDER BY made DESC LIMIT 4 FOR UPDATE;
SELECT i.id, i.label FROM items i WHERE i.k IN (1, 2, 3) ORDER BY i.id LIMIT 5 FOR UPDATE OF i SKIP LOCKED;
SELECT it.a, it.b FROM items AS it (a, b) ORDER BY it.b LIMIT 3 FOR UPDATE;
SELECT * FROM items ORDER BY id LIMIT 0 FOR UPDATE;
SELECT * FROM items WHERE k = 99 ORDER BY id LIMIT 2 FOR UPDATE;
SELECT count(*) FROM (SELECT k FROM bags WHERE k = 3 FOR UPDATE) x;
SELECT id FROM items ORDER BY id LIMIT ALL OFFSET 97 FOR UPDATE;
-- parameters: ["2"]
SELECT k FROM bags ORDER BY k LIMIT $1 FOR UPDATE SKIP LOCKED;
-- parameters: ["2", "3", "20"]
SELECT k, size + $1::int FROM bags WHERE size > $3 ORDER BY k LIMIT $1 OFFSET $2 FOR UPDATE;
-- error: 2201W
SELECT k FROM bags ORDER BY k LIMIT -1 FOR UPDATE;
SELECT b.k, i.id FROM bags b JOIN items i USING (k) WHERE b.k = 4 ORDER BY 2 FOR UPDATE;
SELECT b.k, i.id FROM bags b JOIN items i USING (k) ORDER BY 2 FOR UPDATE OF b;
SELECT b.k, s.rank FROM bags b JOIN shades s ON s.rank = b.k ORDER BY 1 FOR UPDATE OF b;
SELECT * FROM shades WHERE rank = 1 FOR UPDATE;
SELECT b.k, i.id FROM bags b JOIN items i USING (k) ORDER BY i.id DESC, b.k LIMIT 4 FOR UPDATE;
SELECT b.k, i.id FROM bags b, items i WHERE b.k = i.k AND qty > 10 ORDER BY qty, 2 LIMIT 3 OFFSET 2 FOR SHARE OF i SKIP LOCKED;
SELECT i.label FROM bags b JOIN items i USING (k) WHERE b.k IN (1, 2, 3) ORDER BY i.id LIMIT 5 FOR NO KEY UPDATE OF b FOR SHARE OF i;
SELECT b.k, s.rank FROM bags b JOIN shades s ON s.rank = b.k ORDER BY 1 LIMIT 2 FOR UPDATE OF b;
SELECT b.k, s.shade FROM bags b JOIN shades s ON s.rank = b.k ORDER BY 1 FOR UPDATE;
-- unordered
SELECT b.k, s.* FROM bags b, shades s WHERE s.rank > b.k FOR SHARE;
SELECT b.k, s.shade FROM bags b JOIN shades s ON s.rank = b.k WHERE b.k = 3 FOR UPDATE NOWAIT;
SELECT b.k, i.id, s.shade FROM bags b JOIN items i USING (k) JOIN shades s ON s.rank = b.k ORDER BY 2 LIMIT 3 FOR UPDATE SKIP LOCKED;
-- parameters: ["2", "1"]
SELECT b.k, s.shade FROM bags b JOIN shades s ON s.rank = b.k WHERE b.k > $2 ORDER BY 1 LIMIT $1 FOR UPDATE OF s;
SELECT s.shade, (SELECT max(rank) FROM shades) FROM bags b JOIN shades s ON s.rank = b.k ORDER BY 1 OFFSET 1 FOR KEY SHARE;
SELECT near.word FROM bags JOIN near ON n = k ORDER BY n FOR UPDATE OF near;
-- # Tables without a key: rows are known by where they lie.
SELECT k, v FROM keyless ORDER BY v LIMIT 3 FOR UPDATE;
SELECT v FROM keyless WHERE k > 1 ORDER BY v DESC LIMIT 4 OFFSET 2 FOR SHARE SKIP LOCKED;
SELECT v FROM keyless ORDER BY v OFFSET 27 FOR NO KEY UPDATE;
SELECT v FROM keyless WHERE v > 1000 ORDER BY v LIMIT 3 FOR UPDATE NOWAIT;
-- parameters: ["2", "20"]
SELECT k, v + 1 FROM keyless WHERE v > $2 ORDER BY v LIMIT $1 FOR UPDATE;
SELECT b.owner, y.v FROM bags b JOIN keyless y USING (k) ORDER BY v LIMIT 4 FOR UPDATE;
SELECT y.v, s.shade FROM keyless y JOIN shades s ON s.rank = y.k ORDER BY v LIMIT 4 FOR UPDATE;
SELECT y.v, s.shade FROM keyless y JOIN shades s ON s.rank = y.k ORDER BY v FOR UPDATE OF s;
SELECT t.title, y.v FROM aside.items t JOIN keyless y USING (k) ORDER BY v, title LIMIT 5 FOR UPDATE;
-- # Outer joins.
SELECT b.k, y.v FROM bags b LEFT JOIN keyless y USING (k) ORDER BY y.v NULLS LAST, b.k LIMIT 4 FOR UPDATE OF b;
SELECT b.k, y.v FROM bags b LEFT JOIN keyless y USING (k) ORDER BY b.k DESC, y.v LIMIT 12 OFFSET 3 FOR UPDATE OF b SKIP LOCKED;
SELECT b.k, y.v FROM keyless y RIGHT JOIN bags b ON b.k = y.k AND y.v > 20 ORDER BY 1, 2 LIMIT 7 FOR UPDATE OF b;
SELECT y.v, b.owner, s.shade FROM keyless y LEFT JOIN bags b USING (k) LEFT JOIN shades s ON s.rank = y.k ORDER BY v LIMIT 6 FOR SHARE OF y;
SELECT b.k, i.id FROM bags b LEFT JOIN items i ON i.k = b.k AND i.qty > 100 ORDER BY 1, 2 LIMIT 5 FOR NO KEY UPDATE OF b NOWAIT;
-- error: 0A000
SELECT b.k, y.v FROM bags b LEFT JOIN keyless y USING (k) ORDER BY 1, 2 LIMIT 4 FOR UPDATE;
-- error: 0A000
SELECT b.k, y.v FROM bags b LEFT JOIN keyless y USING (k) ORDER BY 1, 2 LIMIT 4 FOR UPDATE OF y;
-- error: 0A000
SELECT b.k, y.v FROM bags b FULL JOIN keyless y USING (k) ORDER BY 1, 2 LIMIT 4 FOR UPDATE OF b;
-- error: 0A000
SELECT b.k, y.v FROM bags b LEFT JOIN keyless y USING (k) WHERE b.k > 1000 LIMIT 4 FOR UPDATE;
-- # Beside subqueries.
SELECT y.v, s.m FROM keyless y JOIN (SELECT k, max(size) AS m FROM bags GROUP BY k) s USING (k) ORDER BY v LIMIT 3 FOR UPDATE OF y;
WITH s AS (SELECT k FROM bags WHERE size > 6) SELECT y.v FROM keyless y JOIN s USING (k) ORDER BY 1 LIMIT 4 FOR UPDATE;
SELECT b.k, g FROM bags b, generate_series(1, 2) g ORDER BY b.k, g LIMIT 5 FOR UPDATE OF b;
-- # Together with local tables, or joined on other columns: all the rows, without LIMIT.
SELECT b.k, near.word FROM bags b JOIN near ON n = k ORDER BY n FOR UPDATE;
SELECT b.k, near.word FROM bags b JOIN near ON n = k AND word IS NOT NULL ORDER BY n FOR UPDATE OF b SKIP LOCKED;
SELECT b.k, near.word, i.id FROM bags b JOIN near ON n = k JOIN items i ON i.k = b.k WHERE i.id < 30 ORDER BY 1, 3 FOR SHARE OF b, i FOR NO KEY UPDATE OF near;
SELECT b.k, near.word FROM bags b LEFT JOIN near ON n = k ORDER BY k FOR UPDATE OF b;
-- error: 0A000
SELECT b.k, near.word FROM bags b LEFT JOIN near ON n = k ORDER BY k FOR UPDATE OF near;
SELECT i.id, y.k FROM items i JOIN keyless y ON y.v = i.id ORDER BY 1 FOR UPDATE OF i;
-- unordered
SELECT y.v FROM items i JOIN keyless y ON y.v = i.id FOR KEY SHARE;
SELECT b.k FROM bags b WHERE EXISTS (SELECT FROM lone WHERE lone.k = b.size) ORDER BY 1 FOR UPDATE;
-- parameters: ["5"]
SELECT b.k, near.word FROM bags b JOIN near ON n = k AND n > $1 ORDER BY n FOR UPDATE;
-- error: 0A000
SELECT b.owner, count(*) FROM bags b JOIN near ON n = k GROUP BY 1 FOR UPDATE;
BEGIN;
SELECT b.k, near.word FROM bags b JOIN near ON n = k ORDER BY n FOR UPDATE;
UPDATE bags SET size = size + 1 WHERE k < 4;
UPDATE near SET word = 'new' WHERE n < 4;
SELECT b.size, near.word FROM bags b JOIN near ON n = k ORDER BY n FOR UPDATE;
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
UPDATE keyless SET v = v + 100 WHERE v < 3;
SELECT k, v FROM keyless ORDER BY v DESC LIMIT 3 FOR UPDATE;
ROLLBACK;
BEGIN READ ONLY;
-- error: 25006
SELECT v FROM keyless WHERE v > 1000 LIMIT 2 FOR UPDATE;
ROLLBACK;
BEGIN;
SELECT k FROM bags ORDER BY k LIMIT 2 FOR UPDATE;
UPDATE bags SET size = size + 1 WHERE k < 2;
SELECT k, size FROM bags ORDER BY size DESC, k LIMIT 2 FOR UPDATE;
SELECT k, size FROM bags ORDER BY k FOR UPDATE;
ROLLBACK;
BEGIN;
SELECT b.k, s.shade FROM bags b JOIN shades s ON s.rank = b.k ORDER BY 1 LIMIT 2 FOR UPDATE;
UPDATE shades SET rank = rank + 1 WHERE rank = 2;
UPDATE bags SET size = size + 1 WHERE k < 4;
SELECT b.k, b.size, s.shade FROM bags b JOIN shades s ON s.rank = b.k ORDER BY 1, 3 LIMIT 5 FOR UPDATE;
SELECT b.k, b.size, s.shade FROM bags b JOIN shades s ON s.rank = b.k ORDER BY 1, 3 FOR UPDATE OF s;
ROLLBACK;
BEGIN READ ONLY;
-- error: 25006
SELECT k FROM bags ORDER BY k LIMIT 2 FOR UPDATE;
ROLLBACK;
-- error: 0A000
SELECT owner, count(*) FROM bags GROUP BY owner FOR UPDATE;
-- error: 0A000
SELECT DISTINCT owner FROM bags FOR UPDATE;
-- error: 0A000
SELECT count(*) FROM bags FOR UPDATE;
-- error: 0A000
SELECT k FROM bags UNION SELECT k FROM items FOR UPDATE;
-- error: 42P01
SELECT k FROM bags b ORDER BY k LIMIT 1 FOR UPDATE OF bags;
SELECT k FROM bags ORDER BY k;
