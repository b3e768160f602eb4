-- # Rows that the coordinator brings together, of which the shards are told the values that partners have. Columns with NULLs: samples.big, label, born, seen; parts.note.
SET pgloom.broadcast_joins = never;
SET pgloom.repartition_joins = never;
SET pgloom.key_filters = always;
SELECT t.plan, count(*), sum(o.total) FROM orders o JOIN tenants t ON o.user_id = t.tenant_id WHERE t.plan = 'free' GROUP BY t.plan ORDER BY 1;
SELECT s.k, s.id, p.part FROM samples s JOIN parts p ON p.k = s.small WHERE p.qty > 3 ORDER BY 1, 2, 3 LIMIT 20;
SELECT o.user_id, t.plan FROM orders o LEFT JOIN tenants t ON t.tenant_id = o.user_id AND t.plan <> 'free' WHERE o.total > 20 ORDER BY 1, 2 LIMIT 12;
SELECT t.tenant_id, count(o.order_id) FROM orders o RIGHT JOIN tenants t ON t.tenant_id = o.user_id WHERE t.tenant_id % 3 = 1 GROUP BY 1 ORDER BY 1;
SELECT count(*), count(o.order_id), count(t.tenant_id) FROM (SELECT * FROM orders WHERE total > 50) o FULL JOIN (SELECT * FROM tenants WHERE plan = 'pro') t ON t.tenant_id = o.user_id;
SELECT s.big, count(*), count(n."Key") FROM samples s LEFT JOIN "Odd Names" n ON n."Key" = s.big WHERE s.k < 5 GROUP BY s.big ORDER BY 1 LIMIT 9;
SELECT s.big, n."Key" FROM samples s RIGHT JOIN "Odd Names" n ON n."Key" = s.big AND s.k < 5 ORDER BY 2, 1;
SELECT count(*) FROM samples s WHERE EXISTS (SELECT FROM readings r WHERE r.sensor = s.label AND r.n > 2);
SELECT s.id FROM samples s WHERE NOT EXISTS (SELECT FROM "Odd Names" n WHERE n."Key" = s.big) AND s.id < 20 ORDER BY 1;
SELECT s.id FROM samples s WHERE NOT EXISTS (SELECT FROM parts p WHERE p.k = s.id AND p.note = s.label) AND s.small = 3 ORDER BY 1;
-- # a NULL tells in all
SELECT count(*) FROM "Odd Names" WHERE "Key" NOT IN (SELECT big FROM samples WHERE k > 2);
SELECT count(*) FROM samples WHERE big NOT IN (SELECT "Key" FROM "Odd Names") AND k < 4;
SELECT id, big IN (SELECT "Key" FROM "Odd Names") FROM samples WHERE k < 5 ORDER BY id LIMIT 20;
SELECT r.n, r.n IN (SELECT s.small FROM samples s WHERE s.k = 3) FROM readings r WHERE r.n < 6 ORDER BY r.sensor, r.n LIMIT 20;
SELECT count(*) FROM orders WHERE user_id IN (SELECT tenant_id FROM tenants WHERE plan = 'free');
SELECT count(*) FROM orders o WHERE o.total > ALL (SELECT u.tenant_id FROM users u WHERE u.tenant_id = o.user_id) AND o.total < 30;
-- # values of other columns and types
SELECT count(*) FROM samples s JOIN samples t ON t.uid = s.uid AND t.k <> s.k WHERE s.id < 40;
SELECT count(*) FROM samples s JOIN parts p ON p.made = s.born WHERE s.id < 40;
SELECT count(*) FROM samples s JOIN samples t ON t.seen = s.seen AND t.id <> s.id WHERE s.k = 3;
SELECT count(*) FROM samples s JOIN samples t ON t.logged = s.logged WHERE s.k = 3 AND t.id > 3;
SELECT count(*) FROM samples s JOIN parts p ON p.note = s.code WHERE s.id < 50;
SELECT count(*) FROM samples s JOIN samples t ON t.big = s.small WHERE s.k = 3;
SELECT count(*) FROM samples s JOIN kinds k ON k.kind = s.code JOIN readings r ON r.n = s.id WHERE k.rank > 1 AND r.value > 0;
SELECT count(*) FROM samples s JOIN readings r ON r.value = s.weight WHERE s.k < 9;
SELECT count(*) FROM samples s JOIN readings r ON r.n = s.small JOIN tenants t ON t.tenant_id = r.n JOIN orders o ON o.user_id = s.small WHERE t.plan = 'pro' AND s.id < 60;
-- # the same rows in several places, CTEs, arms, subqueries
SELECT a.tenant_id, b.user_id FROM orders a JOIN orders b ON b.user_id = a.tenant_id WHERE a.total > 90 ORDER BY 1, 2 LIMIT 9;
SELECT count(*) FROM orders a, orders b WHERE a.user_id = b.tenant_id;
WITH x AS (SELECT o.user_id, t.plan FROM orders o JOIN tenants t ON t.tenant_id = o.user_id WHERE t.tenant_id < 20) SELECT count(*), count(DISTINCT a.plan) FROM x a JOIN x b ON a.user_id = b.user_id + 1;
WITH RECURSIVE r AS (SELECT t.tenant_id AS n FROM tenants t WHERE t.tenant_id = 3 UNION SELECT o.user_id FROM r JOIN orders o ON o.tenant_id = r.n WHERE o.total > 60) SELECT count(*), max(n) FROM r;
SELECT o.user_id FROM orders o JOIN tenants t ON t.tenant_id = o.user_id WHERE t.plan = 'pro' UNION SELECT u.tenant_id FROM users u JOIN orders o ON o.user_id = u.tenant_id WHERE o.total > 80 ORDER BY 1 LIMIT 20;
SELECT t.tenant_id, (SELECT sum(o.total) FROM orders o WHERE o.user_id = t.tenant_id), (SELECT count(*) FROM users u WHERE u.email > 'b' AND u.tenant_id = t.tenant_id + 1) FROM tenants t WHERE t.plan = 'pro' ORDER BY 1;
SELECT t.tenant_id, x.* FROM tenants t LEFT JOIN LATERAL (SELECT o.total, o.order_id FROM orders o WHERE o.user_id = t.tenant_id ORDER BY o.total DESC, o.order_id LIMIT 2) x ON true WHERE t.tenant_id < 12 ORDER BY 1, 2, 3;
SELECT x.user_id, x.n FROM (SELECT user_id, count(*) AS n FROM orders GROUP BY user_id) x JOIN tenants t ON t.tenant_id = x.user_id WHERE t.plan = 'pro' ORDER BY 1;
SELECT x.user_id, x.n FROM (SELECT user_id, total, rank() OVER (ORDER BY total DESC, order_id) AS n FROM orders) x JOIN tenants t ON t.tenant_id = x.user_id WHERE t.plan = 'pro' ORDER BY 2 LIMIT 9;
SELECT x.user_id, t.plan FROM (SELECT user_id, total FROM orders ORDER BY total DESC, order_id LIMIT 20) x JOIN tenants t ON t.tenant_id = x.user_id WHERE t.plan <> 'free' ORDER BY 1, 2;
SELECT DISTINCT ON (x.small) x.small, p.part FROM samples x JOIN parts p ON p.k = x.id WHERE p.qty > 1 ORDER BY x.small, p.part;
SELECT count(*) FROM orders o JOIN tenants t ON t.tenant_id = o.user_id OR t.plan = 'pro' WHERE t.tenant_id < 10;
SELECT count(*) FROM tenants t JOIN orders o ON o.user_id = t.tenant_id WHERE t.tenant_id = -1;
SELECT count(*), count(o.user_id) FROM tenants t LEFT JOIN (orders o JOIN users u ON u.tenant_id = o.user_id) ON o.user_id = t.tenant_id AND u.tenant_id > 5 WHERE t.plan = 'pro';
SELECT (SELECT max(r.n) FROM readings r WHERE r.n = s.small), count(*) FROM samples s JOIN readings t ON t.n = s.id WHERE s.k < 7 GROUP BY (SELECT max(r.n) FROM readings r WHERE r.n = s.small) ORDER BY 1, 2;
SELECT p.k, p.part, p.qty FROM parts p JOIN samples s ON s.id = p.k WHERE s.flag GROUP BY p.k, p.part ORDER BY 1, 2 LIMIT 9;
-- parameters: ["free", "30"]
SELECT o.order_id, t.plan FROM orders o JOIN tenants t ON t.tenant_id = o.user_id WHERE t.plan = $1 AND o.total > $2::numeric ORDER BY 1 LIMIT 9;
-- parameters: ["5"]
SELECT count(*), $1::int FROM orders o JOIN tenants t ON t.tenant_id = o.user_id JOIN users u ON u.tenant_id = t.tenant_id WHERE u.tenant_id > $1::int;
-- error: 22012
SELECT count(*) FROM orders o JOIN tenants t ON t.tenant_id = o.user_id WHERE t.plan = 'pro' AND 1 / (o.user_id - o.user_id) = 1;
BEGIN;
UPDATE tenants SET plan = 'new' WHERE tenant_id < 4;
UPDATE orders SET user_id = 2 WHERE tenant_id = 5;
UPDATE orders SET user_id = NULL WHERE tenant_id = 6 AND total > 30;
SELECT t.plan, count(*), sum(o.total) FROM orders o JOIN tenants t ON o.user_id = t.tenant_id WHERE t.plan = 'new' GROUP BY t.plan HAVING count(*) > (SELECT count(*) FROM tenants WHERE plan = 'new') - 3;
SELECT plan, count(*) FROM tenants GROUP BY plan HAVING count(*) = (SELECT count(*) FROM tenants WHERE plan = 'new') ORDER BY 1;
ROLLBACK;
RESET pgloom.key_filters;
RESET pgloom.repartition_joins;
RESET pgloom.broadcast_joins;
