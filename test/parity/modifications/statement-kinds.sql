-- # MERGE and data-modifying WITH on one shard, writes from reference and colocated tables, odd names.
MERGE INTO users u USING (SELECT * FROM events WHERE tenant_id = 12 AND event_id % 7 = 0) e ON u.tenant_id = e.tenant_id AND u.user_id = e.event_id WHEN MATCHED THEN UPDATE SET email = 'm' WHEN NOT MATCHED THEN INSERT (user_id, tenant_id, email) VALUES (e.event_id, e.tenant_id, 'merged');
MERGE INTO users u USING (VALUES (13, 131), (13, 77001)) v (t, i) ON u.tenant_id = 13 AND u.user_id = v.i WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (tenant_id, user_id, email) VALUES (13, v.i, 'v');
MERGE INTO users u USING events e ON u.tenant_id = e.tenant_id AND e.tenant_id = 14 AND u.user_id = e.event_id - 13859 WHEN MATCHED THEN UPDATE SET email = 'inner';
WITH x AS (INSERT INTO users (user_id, tenant_id, email) VALUES (90001, 3, 'x') RETURNING *) SELECT * FROM x;
WITH x AS (INSERT INTO users (user_id, tenant_id, email) VALUES (90002, 3, 'x') RETURNING tenant_id) SELECT count(*) FROM x JOIN events USING (tenant_id);
WITH d AS (DELETE FROM users WHERE tenant_id = 3 AND user_id = 90001 RETURNING *) INSERT INTO orders (order_id, tenant_id, user_id, total) SELECT 90001, tenant_id, user_id, 1 FROM d RETURNING order_id;
INSERT INTO orders (order_id, tenant_id, user_id, total) SELECT 91000 + row_number() OVER (ORDER BY kind), coalesce(rank, 30), 1, 5 FROM kinds WHERE kind <> 'C1';
UPDATE users u SET email = k.title FROM kinds k WHERE k.kind = 'C0' AND u.user_id % 10 = 2;
DELETE FROM orders o USING users u WHERE u.tenant_id = o.tenant_id AND u.user_id = o.user_id AND u.email = 'none';
UPDATE ONLY tenants SET plan = 'only' WHERE tenant_id = 5;
INSERT INTO other.tenants (tenant_id, title) VALUES (101, 'new'), (102, 'newer');
UPDATE other.tenants SET late = title WHERE tenant_id > 15;
UPDATE "Order Items" SET "table" = 'set' WHERE "Order Items"."Order" = 1 RETURNING "table";
INSERT INTO "user" VALUES (50, 'fifty') RETURNING "group", "select";
