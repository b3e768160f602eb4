-- # Functions, aggregates and types of the user's over distributed tables.
SELECT id, twice(qty) FROM items WHERE k = 3 ORDER BY id;
SELECT id, twice(id) FROM items ORDER BY id;
SELECT count(*) FROM items WHERE twice(id) > 150;
SELECT twice(k), count(*), sum(twice(qty)) FROM items GROUP BY 1 ORDER BY 1;
SELECT k, twice(count(*)::int) FROM items GROUP BY k HAVING twice(count(*)::int) > 10 ORDER BY k;
SELECT i.id, wordy(i.k) FROM items i WHERE i.k IN (1, 2) ORDER BY 1;
SELECT wordy(k), count(*) FROM items GROUP BY 1 ORDER BY 1;
SELECT k, ranked('dark') FROM bags ORDER BY k;
SELECT public.twice(k) AS t FROM bags ORDER BY t DESC LIMIT 3;
SELECT noted(id) FROM items WHERE k = 4 ORDER BY id;
SELECT x FROM journal ORDER BY x;
SELECT sum(noted(id)) FROM items WHERE id <= 10;
SELECT count(*), sum(x) FROM journal;
BEGIN;
SELECT noted(1) FROM bags WHERE k < 3;
ROLLBACK;
SELECT count(*), sum(x) FROM journal;
BEGIN READ ONLY;
-- error: 25006
SELECT noted(1) FROM bags WHERE k = 3;
ROLLBACK;
BEGIN READ ONLY;
SELECT twice(k) FROM bags ORDER BY 1;
COMMIT;
SELECT count(*), sum(x) FROM journal;
SELECT k, s FROM bags, steps(k) s WHERE k < 5 ORDER BY 1, 2;
SELECT k, steps(2) FROM bags WHERE k < 3 ORDER BY 1, 2;
SELECT b.k, p.* FROM bags b CROSS JOIN LATERAL pairs(b.k) p WHERE b.k = 3 ORDER BY a;
SELECT b.k, p.b FROM bags b LEFT JOIN LATERAL pairs(b.k) p ON p.a > 2 ORDER BY 1, 2;
SELECT labelled(i) FROM items i WHERE k = 2 ORDER BY 1;
SELECT labelled(items) FROM items ORDER BY 1 LIMIT 5;
-- error: P0777
SELECT fails(k) FROM bags;
-- error: P0777
SELECT fails(k) FROM bags WHERE k = 5;
SELECT fails(k) FROM bags WHERE k = 4;
SELECT product(k + 1) FROM bags;
SELECT owner, product(size) FROM bags WHERE size > 0 GROUP BY owner ORDER BY 1;
SELECT k, product(k + 1) OVER (ORDER BY k) FROM bags ORDER BY k;
SELECT moody(k), count(*) FROM bags GROUP BY 1 ORDER BY 1;
SELECT k, moody(k) FROM bags WHERE k = 6;
SELECT k, moody(k)::text FROM bags WHERE moody(k) = 'sad' ORDER BY 1;
-- parameters: ["3"]
SELECT k, twice($1::int) FROM bags WHERE k < $1 ORDER BY 1;
-- parameters: ["3"]
SELECT twice(k) FROM bags WHERE k = $1;
-- error: 42883
SELECT nosuch(k) FROM bags;
-- error: 42883
SELECT nosuch(k) FROM bags WHERE k = 1;
SELECT remembers(owner) FROM bags WHERE k = 1;
SELECT current_setting('app.seen', true);
SELECT remembers('b' || k) FROM bags ORDER BY k;
SELECT current_setting('app.seen', true) IS NOT NULL;
SELECT EXISTS (SELECT FROM bags WHERE twice(k) = 8), (SELECT max(twice(id)) FROM items);
SELECT l.id, twice(i.id) FROM lone l JOIN items i ON i.id = l.id WHERE l.k = 2 ORDER BY 1;
WITH t AS (SELECT k, twice(size) AS d FROM bags) SELECT sum(d) FROM t WHERE k > 2;
SELECT k FROM bags ORDER BY twice(k) DESC, k LIMIT 2;
SELECT DISTINCT twice(k % 2) FROM items ORDER BY 1;
