-- # Subqueries that give values, and read nothing of the statement around them, are answered over all shards first.
SELECT small, sum(price) FROM samples GROUP BY small HAVING sum(price) > (SELECT avg(price) FROM samples) ORDER BY 1;
SELECT small, count(*) FROM samples GROUP BY small HAVING count(*) = (SELECT max(n) FROM (SELECT count(*) AS n FROM samples GROUP BY small) x) ORDER BY 1;
SELECT k, count(*) FROM samples GROUP BY k HAVING count(*) >= (SELECT min(n) + 1 FROM (SELECT count(*) AS n FROM samples GROUP BY k) x) ORDER BY 2 DESC, 1;
SELECT flag, max(weight) FROM samples GROUP BY flag HAVING max(weight) = (SELECT max(weight) FROM samples) OR max(weight) > (SELECT sum(weight) FROM samples) ORDER BY 1;
SELECT small, max(ratio) FROM samples GROUP BY small HAVING max(ratio) = (SELECT max(ratio) FROM samples) ORDER BY 1;
SELECT small, min(born) FROM samples GROUP BY small HAVING min(born) > (SELECT min(born) FROM samples) ORDER BY 1;
SELECT small, max(seen) FROM samples GROUP BY small HAVING max(seen) = (SELECT max(seen) FROM samples) ORDER BY 1;
SELECT small, max(logged) FROM samples GROUP BY small HAVING max(logged) >= (SELECT max(logged) FROM samples) ORDER BY 1;
SELECT small, max(clock), max(zoned) FROM samples GROUP BY small HAVING max(clock) = (SELECT max(clock) FROM samples) OR max(zoned) = (SELECT max(zoned) FROM samples) ORDER BY 1;
SELECT small, max(span) FROM samples GROUP BY small HAVING max(span) = (SELECT max(span) FROM samples) ORDER BY 1;
SELECT small, max(label) FROM samples GROUP BY small HAVING max(label) = (SELECT max(label) FROM samples) ORDER BY 1;
SELECT n, max(value) FROM readings GROUP BY n HAVING max(value) > (SELECT avg(value) FROM readings) ORDER BY 1 LIMIT 5;
SELECT plan, max(name) FROM tenants GROUP BY plan HAVING max(name) <= (SELECT max(name) FROM tenants WHERE name ~ '^[ -~]*$') ORDER BY 1;
SELECT small, bool_or(flag) FROM samples GROUP BY small HAVING bool_or(flag) = (SELECT bool_or(flag) FROM samples) ORDER BY 1;
SELECT small, count(*) FROM samples GROUP BY small HAVING count(*) > (SELECT count(v) FROM empty_table) AND max(big) > (SELECT k FROM empty_table) ORDER BY 1;
SELECT small, count(*) FROM samples GROUP BY small HAVING (SELECT max(k) FROM empty_table) IS NULL ORDER BY 1;
-- # one row by its key, and rows that are too many
SELECT small, sum(k) FROM samples GROUP BY small HAVING sum(k) > (SELECT qty FROM parts WHERE k = 1 ORDER BY qty LIMIT 1) ORDER BY 1;
SELECT small, sum(k) FROM samples GROUP BY small HAVING sum(k) > (SELECT k FROM samples WHERE id = 7) ORDER BY 1;
-- error: 21000
SELECT small, sum(k) FROM samples GROUP BY small HAVING sum(k) > (SELECT k FROM samples);
-- error: 21000
SELECT small, sum(k) FROM samples GROUP BY small HAVING sum(k) > (SELECT max(k) FROM samples GROUP BY small);
SELECT small, sum(k) FROM samples GROUP BY small HAVING CASE WHEN count(*) < 0 THEN sum(k) > (SELECT k FROM samples) ELSE true END ORDER BY 1;
SELECT small, sum(k) FROM samples GROUP BY small HAVING CASE WHEN count(*) < 0 THEN sum(k) > (SELECT 1 / (k - k) FROM samples WHERE id = 7) ELSE true END ORDER BY 1;
-- error: 22012
SELECT small, sum(k) FROM samples GROUP BY small HAVING sum(k) > (SELECT 1 / (count(*) - count(*)) FROM samples);
-- error: 42883
SELECT small, sum(k) FROM samples GROUP BY small HAVING sum(k) > (SELECT bool_or(flag) FROM samples);
-- error: 42703
SELECT small, sum(k) FROM samples GROUP BY small HAVING sum(k) > (SELECT max(nothing) FROM samples);
-- # no shard has such keys
SELECT id, (SELECT max(price) FROM samples) AS best FROM samples WHERE k = 3000000000 ORDER BY 1;
SELECT id, CASE WHEN id > 3 THEN (SELECT max(price) FROM samples) END FROM samples WHERE k = NULL OR k IN (NULL);
SELECT count(*), (SELECT max(price) FROM samples) FROM samples WHERE k = 3 AND k = 4;
SELECT small, count(*) FROM samples GROUP BY small HAVING count(*) > (SELECT count(*) FROM parts WHERE k = NULL) AND NOT EXISTS (SELECT 1 FROM parts WHERE k = NULL) ORDER BY 1;
SELECT small, count(*) FROM samples GROUP BY small HAVING small IN (SELECT k FROM parts WHERE k = 3000000000) OR count(*) > 2 ORDER BY 1;
-- # EXISTS, IN, ANY and ALL
SELECT small, count(*) FROM samples GROUP BY small HAVING EXISTS (SELECT 1 FROM parts WHERE qty > 1) ORDER BY 1;
SELECT small, count(*) FROM samples GROUP BY small HAVING NOT EXISTS (SELECT * FROM parts WHERE k = -5) AND count(*) > 1 ORDER BY 1;
SELECT small, count(*) FROM samples GROUP BY small HAVING EXISTS (SELECT small FROM samples GROUP BY small HAVING count(*) > 1000000) ORDER BY 1;
SELECT small, count(*) FROM samples GROUP BY small HAVING EXISTS (SELECT 1 FROM parts OFFSET 100000) OR EXISTS (SELECT 1 FROM parts LIMIT 0) OR small = 3 ORDER BY 1;
SELECT small, count(*) FROM samples GROUP BY small HAVING small IN (SELECT k FROM parts) ORDER BY 1;
SELECT small, count(*) FROM samples GROUP BY small HAVING count(*) NOT IN (SELECT count(*) FROM samples GROUP BY small HAVING count(*) < 3) ORDER BY 1;
SELECT small, count(*) FROM samples GROUP BY small HAVING max(k) NOT IN (SELECT nullif(n, 3) FROM readings) ORDER BY 1;
SELECT small, count(*) FROM samples GROUP BY small HAVING max(k) NOT IN (SELECT small FROM samples WHERE small IS NULL OR small = 2) ORDER BY 1;
SELECT small, sum(price) FROM samples GROUP BY small HAVING max(price) >= ALL (SELECT max(price) FROM samples WHERE price IS NOT NULL GROUP BY small) ORDER BY 1;
SELECT small, sum(price) FROM samples GROUP BY small HAVING max(price) < ANY (SELECT price FROM samples WHERE k = 3) ORDER BY 1;
SELECT small, count(*) FROM samples GROUP BY small HAVING max(label) IN (SELECT label FROM samples) ORDER BY 1;
SELECT small, count(*) FROM samples GROUP BY small HAVING small IN (SELECT k FROM empty_table) OR small < ALL (SELECT k FROM empty_table WHERE k > 1) ORDER BY 1;
-- # in other places
SELECT small, count(*), (SELECT count(*) FROM parts), (SELECT max(qty) FROM parts) AS best FROM samples GROUP BY small ORDER BY 1;
SELECT (SELECT max(price) FROM samples), (SELECT price FROM samples WHERE id = 7), (SELECT code FROM samples WHERE id = 7);
SELECT id, (SELECT max(price) FROM samples) - price AS less FROM samples WHERE price > (SELECT avg(price) FROM samples) ORDER BY 2 DESC, 1 LIMIT 7;
SELECT x.small, x.n FROM (SELECT small, count(*) AS n FROM samples WHERE price < (SELECT avg(price) FROM samples) GROUP BY small) x WHERE x.n > (SELECT count(*) / 100 FROM parts) ORDER BY 1;
WITH x AS (SELECT small, sum(k) AS s FROM samples GROUP BY small HAVING sum(k) > (SELECT avg(k) FROM samples)) SELECT count(*), sum(s) FROM x;
SELECT k, sum(qty) AS s FROM parts GROUP BY k HAVING sum(qty) > (SELECT sum(qty) * 0.01 FROM parts) ORDER BY s DESC, k;
SELECT count(*) FILTER (WHERE price > (SELECT avg(price) FROM samples)), sum(CASE WHEN k > (SELECT min(k) FROM parts) THEN 1 ELSE 0 END) FROM samples;
SELECT DISTINCT small = (SELECT max(small) FROM samples) AS is_last FROM samples ORDER BY 1;
SELECT small, rank() OVER (ORDER BY count(*) - (SELECT count(*) FROM parts), small) FROM samples GROUP BY small ORDER BY 1;
SELECT small + (SELECT min(k) FROM parts) AS moved, count(*) FROM samples GROUP BY small + (SELECT min(k) FROM parts) ORDER BY 1;
SELECT small, count(*) FROM samples GROUP BY small ORDER BY abs(small - (SELECT max(small) FROM samples)), small;
SELECT s.small, count(*) FROM samples s LEFT JOIN parts p ON p.k = s.k AND p.qty > (SELECT avg(qty) FROM parts) GROUP BY s.small ORDER BY 1;
SELECT count(*) FROM samples s JOIN readings r ON r.n = s.id AND r.value > (SELECT avg(value) FROM readings) WHERE s.price > (SELECT min(price) FROM samples);
SELECT count(*) FROM tenants t WHERE t.tenant_id = (SELECT max(tenant_id) FROM orders) AND EXISTS (SELECT 1 FROM users WHERE email IS NOT NULL);
SELECT small, sum(k) FROM samples GROUP BY ROLLUP (small) HAVING sum(k) > (SELECT avg(k) FROM samples) ORDER BY 1 NULLS FIRST;
SELECT (SELECT array_agg(DISTINCT small ORDER BY small) FROM samples), (SELECT jsonb_agg(DISTINCT flag) FROM samples), (SELECT max(uid::text) FROM samples), (SELECT max(ip) FROM samples);
SELECT * FROM (SELECT small, sum(price) AS total FROM samples GROUP BY small) a WHERE total = (SELECT max(total) FROM (SELECT sum(price) AS total FROM samples GROUP BY small) b);
SELECT count(*) FROM samples WHERE k > 3 OR id = (SELECT max(id) FROM samples WHERE k > (SELECT avg(k) FROM parts WHERE qty > (SELECT avg(qty) FROM parts)));
-- parameters: ["2", "0.01"]
SELECT small, sum(price) FROM samples WHERE k > $1 GROUP BY small HAVING sum(price) > (SELECT sum(price) * $2 FROM samples WHERE k > $1) ORDER BY 1;
-- parameters: ["5"]
SELECT small, count(*) FROM samples GROUP BY small HAVING count(*) > (SELECT count(*) FROM samples WHERE k = $1) ORDER BY 1;
-- parameters: ["3"]
SELECT small, count(*), $1::int FROM samples GROUP BY small HAVING EXISTS (SELECT 1 FROM parts WHERE k = $1::int) ORDER BY 1;
-- # in a block, with nothing else of the shards
BEGIN;
SELECT count(*) FROM generate_series(1, 3) HAVING count(*) < (SELECT max(k) FROM samples);
SELECT count(*) FROM generate_series(1, 3) HAVING count(*) > (SELECT max(k) FROM samples);
SELECT 1 AS one FROM samples s WHERE NOT EXISTS (SELECT x.* FROM samples x WHERE x.small = ANY (SELECT q.small FROM samples q GROUP BY q.small)) AND NOT s.k = 5;
ROLLBACK;
