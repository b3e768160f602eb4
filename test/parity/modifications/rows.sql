-- # Rows known by their ctid: which of equal rows stays is nobody's business, so nothing of it is shown.
INSERT INTO "user" SELECT g % 60 + 9000, 'w' || g % 4 FROM generate_series(1, 600) g;
DELETE FROM "user" a USING "user" b WHERE a.ctid < b.ctid AND a."group" = b."group" AND a."select" = b."select" AND a."group" < 9010;
DELETE FROM "user" WHERE "group" BETWEEN 9010 AND 9019 AND ctid NOT IN (SELECT min(ctid) FROM "user" GROUP BY "group", "select");
DELETE FROM "user" WHERE ctid IN (SELECT ctid FROM (SELECT ctid, row_number() OVER (PARTITION BY "group", "select") AS n FROM "user" WHERE "group" BETWEEN 9020 AND 9029) d WHERE n > 1);
WITH d AS (SELECT ctid, row_number() OVER (PARTITION BY "group", "select" ORDER BY ctid DESC) AS n FROM "user" WHERE "group" BETWEEN 9030 AND 9034) DELETE FROM "user" USING d WHERE d.ctid = "user".ctid AND n > 2;
DELETE FROM "user" a WHERE "group" BETWEEN 9035 AND 9039 AND ctid <> (SELECT max(b.ctid) FROM "user" b WHERE b."group" = a."group" AND b."select" = a."select");
DELETE FROM "user" a WHERE "group" BETWEEN 9040 AND 9044 AND EXISTS (SELECT FROM "user" b WHERE (b."group", b."select") = (a."group", a."select") AND b.ctid > a.ctid);
DELETE FROM "user" WHERE "group" BETWEEN 9045 AND 9049 AND ctid NOT IN (SELECT DISTINCT ON ("group", "select") ctid FROM "user" ORDER BY "group", "select");
UPDATE "user" SET "select" = 'w9' WHERE ctid IN (SELECT ctid FROM "user" WHERE "select" = 'w3' AND "group" > 9049);
UPDATE "user" u SET "select" = d.n FROM (SELECT ctid, 'w' || row_number() OVER (PARTITION BY "group") AS n FROM "user") d WHERE d.ctid = u.ctid AND "group" = ANY ('{9055, 9056}');
SELECT "group", "select", count(*) FROM "user" WHERE "group" >= 9000 GROUP BY 1, 2 ORDER BY 1, 2;
SELECT count(*), count(ctid) FROM "user" WHERE ctid IN (SELECT ctid FROM "user" WHERE "select" = 'w1');
SELECT a."group", count(*) FROM "user" a LEFT JOIN "user" b ON a.ctid = b.ctid AND b."select" = 'w2' WHERE b.ctid IS NULL GROUP BY 1 ORDER BY 1;
DELETE FROM "user" WHERE ctid IN (SELECT min(ctid) FROM "user" WHERE "group" > 9000 GROUP BY "group") RETURNING ctid IS NULL AS lost;
DELETE FROM "user" WHERE "group" >= 9000;
-- # Rows that a SELECT over all shards chooses first.
INSERT INTO "user" SELECT g + 9000, 'w' || g % 4 FROM generate_series(1, 60) g;
DELETE FROM "user" WHERE ctid IN (SELECT ctid FROM "user" WHERE "group" > 9000 ORDER BY "group" LIMIT 7);
DELETE FROM "user" WHERE ctid = ANY (ARRAY(SELECT u.ctid FROM "user" u WHERE "select" LIKE 'w%' ORDER BY "group" DESC LIMIT 3)) RETURNING ctid IS NULL AS lost;
-- unordered
WITH d AS (SELECT ctid FROM "user" WHERE "select" = 'w2' AND "group" > 9000 ORDER BY "group" OFFSET 2 LIMIT 4 FOR UPDATE) DELETE FROM "user" USING d WHERE "user".ctid = d.ctid RETURNING "user".*;
-- parameters: ["5", "w1"]
UPDATE "user" SET "select" = 'w8' WHERE ctid IN (SELECT ctid FROM "user" WHERE "select" = $2 ORDER BY "group" LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED);
UPDATE "user" u SET "select" = u."select" || '!' FROM (SELECT ctid AS place FROM "user" WHERE "group" > 9000 ORDER BY 1, "group" LIMIT 1000) s WHERE s.place = u.ctid AND u."group" > 9020;
DELETE FROM "user" WHERE ctid IN (SELECT ctid FROM "user" WHERE "select" = 'missing' LIMIT 1000);
BEGIN;
DELETE FROM "user" WHERE ctid IN (SELECT ctid FROM "user" WHERE "group" > 9000 LIMIT 11);
UPDATE "user" SET "select" = 'twice' WHERE ctid IN (SELECT ctid FROM "user" WHERE "group" > 9000 LIMIT 12);
DELETE FROM "user" WHERE ctid IN (SELECT ctid FROM "user" WHERE "select" = 'twice' LIMIT 5);
SELECT count(*), count(*) FILTER (WHERE "select" = 'twice') FROM "user" WHERE "group" > 9000;
ROLLBACK;
DELETE FROM "user" WHERE "group" >= 9000;
UPDATE tenants SET plan = 'next' WHERE tenant_id = (SELECT tenant_id FROM tenants WHERE plan <> 'next' ORDER BY tenant_id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING tenant_id, plan;
-- unordered
UPDATE tenants SET plan = 'next' WHERE tenant_id IN (SELECT tenant_id FROM tenants WHERE plan <> 'next' ORDER BY tenant_id LIMIT 3 FOR UPDATE SKIP LOCKED) RETURNING *;
-- unordered
WITH n AS (SELECT tenant_id AS id FROM tenants WHERE plan <> 'next' ORDER BY 1 LIMIT 3 FOR UPDATE) UPDATE tenants t SET plan = 'next' FROM n WHERE n.id = t.tenant_id RETURNING t.*;
UPDATE orders SET total = 1 WHERE (tenant_id, order_id) IN (SELECT tenant_id, order_id FROM orders ORDER BY total, order_id, tenant_id LIMIT 6);
DELETE FROM orders USING (SELECT order_id AS o, tenant_id AS t FROM orders WHERE total > 3 ORDER BY order_id DESC, tenant_id LIMIT 4 FOR UPDATE) d WHERE d.t = tenant_id AND order_id = d.o;
-- error: 22012
UPDATE orders SET total = total / (total - 1) WHERE (tenant_id, order_id) IN (SELECT tenant_id, order_id FROM orders WHERE total = 1 LIMIT 2);
-- error: 2201W
DELETE FROM orders WHERE (tenant_id, order_id) IN (SELECT tenant_id, order_id FROM orders LIMIT -1);
BEGIN READ ONLY;
-- error: 25006
DELETE FROM "user" WHERE ctid IN (SELECT ctid FROM "user" WHERE "select" = 'missing' LIMIT 1000);
ROLLBACK;
-- # What the SELECT names is a CTE of the statement around it, not the table of that name.
WITH kinds AS (SELECT 4 AS rank) DELETE FROM orders WHERE (tenant_id, order_id) IN (SELECT tenant_id, order_id FROM orders WHERE tenant_id IN (SELECT rank FROM kinds) ORDER BY order_id LIMIT 3);
WITH p AS (SELECT 600 AS cut) DELETE FROM orders WHERE (tenant_id, order_id) IN (SELECT tenant_id, order_id FROM orders WHERE order_id > (SELECT cut FROM p) ORDER BY order_id LIMIT 5);
DELETE FROM orders WHERE (tenant_id, order_id) IN (WITH kinds AS (SELECT 5 AS rank) SELECT tenant_id, order_id FROM orders WHERE tenant_id IN (SELECT rank FROM kinds) ORDER BY order_id LIMIT 3);
-- error: 21000
UPDATE tenants SET plan = 'tied' WHERE tenant_id = (SELECT tenant_id FROM tenants ORDER BY tenant_id < 0 FETCH FIRST 1 ROW WITH TIES);
