-- # SELECTs inside a statement that are answered over all shards before it.
-- unordered
SELECT 'users' AS what, NULL AS kind, count(*) FROM users UNION ALL SELECT 'orders', 7, count(*) FROM orders UNION ALL SELECT 'none', NULL, 0;
-- unordered
SELECT NULL AS kind, tenant_id, count(*) FROM orders GROUP BY 2 UNION ALL SELECT DATE '2020-02-03', 5, 5;
-- unordered
SELECT DISTINCT 'x' AS kind, plan FROM tenants UNION SELECT plan, 'x' FROM tenants;
SELECT a.n, b.n FROM (SELECT count(*) AS n FROM orders) a, (SELECT count(*) AS n FROM users) b;
WITH totals AS (SELECT user_id, sum(total) AS total FROM orders GROUP BY user_id) SELECT x.user_id, x.total, y.total FROM totals x JOIN totals y ON y.user_id = x.user_id + 1 ORDER BY 1, 2, 3 LIMIT 9;
WITH totals AS (SELECT tenant_id, sum(total) AS total, avg(total) AS mean FROM orders GROUP BY tenant_id) SELECT count(*), sum(total), max(mean) FROM totals WHERE total > (SELECT avg(total) FROM totals);
SELECT user_id, sum(total) FROM orders GROUP BY user_id HAVING sum(total) > (SELECT avg(total) FROM orders) ORDER BY 2 DESC, 1 LIMIT 5;
SELECT (SELECT max(email) FROM users), (SELECT count(DISTINCT plan) FROM tenants), ARRAY(SELECT DISTINCT plan FROM tenants ORDER BY 1);
SELECT plan, n FROM (SELECT plan, count(*) FROM tenants GROUP BY plan) AS t (plan, n) WHERE n > (SELECT count(*) FROM tenants) / 10 ORDER BY n, plan COLLATE "C" DESC;
SELECT EXISTS (SELECT sum(total) FROM orders GROUP BY user_id HAVING sum(total) < 0), 5 IN (SELECT max(tenant_id) FROM tenants GROUP BY plan);
(SELECT plan, max(tenant_id) AS m FROM tenants GROUP BY plan ORDER BY m DESC LIMIT 2) UNION ALL (SELECT email, min(tenant_id) FROM users GROUP BY email ORDER BY 1, 2 LIMIT 2) ORDER BY 2, 1;
SELECT max(tenant_id) FROM tenants UNION SELECT min(tenant_id) FROM users EXCEPT SELECT count(*) FROM orders ORDER BY 1 LIMIT 3;
SELECT r.plan, r.n, rank() OVER (ORDER BY r.n DESC, r.plan) FROM (SELECT plan, count(*) AS n FROM tenants GROUP BY ROLLUP (plan)) r ORDER BY 3;
-- # the first inner SELECT reads a column, the second a CTE from outside: they stay where they are
SELECT t.tenant_id, (SELECT max(o.total) + t.tenant_id FROM orders o WHERE o.user_id = t.tenant_id) FROM tenants t ORDER BY 1 LIMIT 7;
WITH tenants AS (SELECT 3 AS tenant_id) SELECT (SELECT sum(tenant_id) FROM tenants), (SELECT count(*) FROM orders);
SELECT count(*) FROM orders o, LATERAL (SELECT max(u.tenant_id) AS m FROM users u WHERE u.tenant_id < o.user_id) x WHERE x.m IS NULL;
SELECT t.mine, l.mine FROM (SELECT o.user_id FROM orders o) AS t (mine) LEFT JOIN LATERAL (SELECT count(*) AS mine FROM users u WHERE u.tenant_id < mine) AS l (mine) ON t.mine = l.mine ORDER BY 1, 2;
-- # now() stands for one moment
SELECT (SELECT count(*) FROM orders WHERE now() > '2001-01-01') = (SELECT count(*) FROM orders);
-- # sums of real are not added up in parts
SELECT (SELECT sum(ratio::real) FROM samples WHERE k = 5), (SELECT avg(weight) FROM samples WHERE k = 5);
SELECT (SELECT sum(small::real) FROM samples), (SELECT avg(small::real) FROM samples);
SELECT s.code, s.n, length(s.fixed) FROM (SELECT code, fixed, count(*) AS n FROM samples GROUP BY code, fixed) s WHERE s.n >= (SELECT min(k) FROM samples) ORDER BY s.code COLLATE "C", s.n, s.fixed LIMIT 20;
-- # a column of an outer query comes before a relation of the inner one
SELECT id FROM samples big WHERE k = 3 AND big IS NOT NULL ORDER BY id LIMIT 3;
SELECT s.id FROM samples s WHERE EXISTS (SELECT 1 FROM parts label WHERE label.k = s.k AND label > 'b') ORDER BY 1;
SELECT s.id FROM samples s WHERE s.k IN (SELECT small.small FROM samples small WHERE small.id < s.id AND label > 'b') ORDER BY 1;
SELECT s.id FROM samples s WHERE s.k IN (SELECT note.k FROM parts note JOIN samples x ON x.id = note.k WHERE flag IS NOT NULL AND price > 3) ORDER BY 1;
SELECT p.part FROM parts p WHERE p.k < ANY (SELECT note.small FROM samples note WHERE note.id = p.k * 2 AND note > 'a') ORDER BY p.k, 1;
-- # a subquery that is grouped or sorted by, read from the same table
SELECT (SELECT max(r.n) FROM readings r WHERE r.n < s.k AND r.n = 3), count(*) FROM samples s JOIN readings t ON t.n = s.id GROUP BY (SELECT max(r.n) FROM readings r WHERE r.n < s.k AND r.n = 3) ORDER BY 1, 2;
SELECT (SELECT count(*) FROM parts p (a) WHERE p.a = s.small AND p.a = 4) AS n, count(*) FROM samples s FULL JOIN readings r ON r.n = s.id GROUP BY (SELECT count(*) FROM parts p (a) WHERE p.a = s.small AND p.a = 4) ORDER BY 1;
SELECT DISTINCT (SELECT count(*) FROM parts p WHERE p.k > s.small AND p.k = 4) FROM samples s JOIN readings r ON r.n = s.id ORDER BY (SELECT count(*) FROM parts p WHERE p.k > s.small AND p.k = 4);
