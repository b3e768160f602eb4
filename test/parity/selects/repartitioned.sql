-- # Joins whose rows are split by a column's values, wherever that is legal. Columns with NULLs: samples.big, label, born, seen; parts.note.
SET pgloom.repartition_joins = always;
SET pgloom.broadcast_joins = never;
-- # one side is distributed by what it is joined on
SELECT t.plan, count(*), sum(o.total) FROM orders o JOIN tenants t ON o.user_id = t.tenant_id GROUP BY t.plan ORDER BY 1;
SELECT s.k, s.id, p.part FROM samples s JOIN parts p ON p.k = s.small ORDER BY 1, 2, 3 LIMIT 20;
SELECT o.user_id, t.plan FROM orders o LEFT JOIN tenants t ON t.tenant_id = o.user_id ORDER BY 1, 2 LIMIT 12;
SELECT count(*), count(t.plan) FROM orders o RIGHT JOIN tenants t ON t.tenant_id = o.user_id WHERE t.tenant_id > 3;
SELECT count(*), count(o.order_id), count(t.tenant_id) FROM orders o FULL JOIN tenants t ON t.tenant_id = o.user_id;
SELECT s.big, count(*), count(n."Key") FROM samples s LEFT JOIN "Odd Names" n ON n."Key" = s.big GROUP BY s.big ORDER BY 1 LIMIT 9;
SELECT coalesce(s.big, n."Key"), count(*) FROM samples s FULL JOIN "Odd Names" n ON n."Key" = s.big GROUP BY 1 ORDER BY 1;
SELECT big, count(*) FROM samples FULL JOIN (SELECT "Key" AS big, "select" FROM "Odd Names") n USING (big) GROUP BY big ORDER BY 1;
SELECT count(*) FROM samples s WHERE EXISTS (SELECT FROM readings r WHERE r.sensor = s.label);
SELECT s.id FROM samples s WHERE NOT EXISTS (SELECT FROM "Odd Names" n WHERE n."Key" = s.big) AND s.id < 20 ORDER BY 1;
-- # a NULL that is in one shard only tells in all
SELECT count(*) FROM "Odd Names" WHERE "Key" NOT IN (SELECT big FROM samples);
SELECT count(*) FROM samples WHERE big NOT IN (SELECT "Key" FROM "Odd Names");
SELECT count(*) FROM samples WHERE (big NOT IN (SELECT "Key" FROM "Odd Names" WHERE false)) IS NOT FALSE;
SELECT id, big IN (SELECT "Key" FROM "Odd Names") FROM samples ORDER BY id LIMIT 20;
SELECT count(*) FROM orders WHERE user_id IN (SELECT tenant_id FROM tenants);
SELECT count(*) FROM orders WHERE user_id NOT IN (SELECT tenant_id FROM tenants);
-- # neither is
SELECT count(*), sum(o.total) FROM orders o JOIN users u ON u.user_id = o.user_id;
SELECT s.big, count(*), count(r.born) FROM samples s LEFT JOIN samples r ON r.born = s.born AND r.id <> s.id GROUP BY s.big ORDER BY 2 DESC, 1 LIMIT 7;
SELECT coalesce(s.label, r.note), count(*), count(s.id), count(r.note) FROM samples s FULL JOIN parts r ON r.note = s.label GROUP BY 1 ORDER BY coalesce(s.label, r.note) COLLATE "C";
SELECT s.label COLLATE "C", count(*) FROM samples s JOIN parts p ON p.note < s.label JOIN samples r ON r.label = s.label GROUP BY 1 ORDER BY 1;
SELECT a.uid, b.id FROM samples a JOIN samples b ON a.uid = b.uid WHERE b.id % 40 = 3 ORDER BY 1;
SELECT a.fixed, count(*) FROM samples a JOIN (SELECT DISTINCT fixed FROM samples) b ON a.fixed = b.fixed GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM samples a JOIN samples b ON a.seen = b.seen JOIN samples c ON c.logged = a.logged;
-- # and others besides
SELECT t.plan, k.title, count(*) FROM orders o JOIN tenants t ON t.tenant_id = o.user_id JOIN samples s ON s.small = o.tenant_id JOIN kinds k ON k.kind = s.code GROUP BY 1, 2 ORDER BY 1, 2;
SELECT u.email, sum(o.total) OVER (PARTITION BY o.user_id ORDER BY o.order_id) FROM orders o JOIN users u ON u.user_id = o.user_id ORDER BY 1, 2 LIMIT 15;
SELECT DISTINCT ON (s.big) s.big, s.id, n."select" FROM samples s LEFT JOIN "Odd Names" n ON n."Key" = s.big ORDER BY s.big, s.id LIMIT 8;
SELECT s.big, percentile_cont(0.5) WITHIN GROUP (ORDER BY s.id), array_agg(DISTINCT s.code ORDER BY s.code) FROM samples s JOIN samples r ON r.big = s.big GROUP BY s.big ORDER BY 1 LIMIT 5;
SELECT o.order_id, x.n FROM orders o JOIN LATERAL (SELECT count(*) AS n FROM tenants t WHERE t.tenant_id = o.user_id) x ON true ORDER BY 1 LIMIT 9;
SELECT count(*) FROM orders o JOIN tenants t ON t.tenant_id = o.user_id WHERE o.user_id = 11;
SELECT count(*) FROM orders o JOIN tenants t ON t.tenant_id = o.user_id WHERE o.user_id IN (11, 12, 40) AND o.total > 20.5;
WITH big AS (SELECT user_id, sum(total) AS total FROM orders GROUP BY user_id) SELECT t.plan, max(b.total) FROM big b JOIN tenants t ON t.tenant_id = b.user_id GROUP BY 1 ORDER BY 1;
-- parameters: ["11", "20.5"]
SELECT o.order_id, t.plan FROM orders o JOIN tenants t ON t.tenant_id = o.user_id WHERE t.tenant_id >= $1 AND o.total > $2 ORDER BY 1;
SELECT t.plan, count(*) FROM orders o JOIN tenants t ON t.tenant_id = o.user_id GROUP BY t.plan HAVING count(*) > (SELECT count(*) / 60 FROM orders) ORDER BY 1;
-- # in blocks: beside them, until they write
BEGIN;
SELECT t.plan, count(*), sum(o.total) FROM orders o JOIN tenants t ON o.user_id = t.tenant_id GROUP BY t.plan ORDER BY 1;
SET pgloom.broadcast_joins = always;
SELECT s.k, s.id, p.part FROM samples s JOIN parts p ON p.k = s.small ORDER BY 1, 2, 3 LIMIT 20;
SELECT count(*), sum(o.total) FROM orders o JOIN users u ON u.user_id = o.user_id WHERE o.order_id IN (SELECT n * 100 + 1 FROM local_numbers);
UPDATE orders SET user_id = 11 WHERE user_id < 100;
SELECT t.plan, count(*), sum(o.total) FROM orders o JOIN tenants t ON o.user_id = t.tenant_id GROUP BY t.plan ORDER BY 1;
ROLLBACK;
RESET pgloom.broadcast_joins;
RESET pgloom.repartition_joins;
