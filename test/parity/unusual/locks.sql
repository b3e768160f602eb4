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
