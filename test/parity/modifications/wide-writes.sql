-- # Writes to several shards by rows of other shards, of local tables, by values that are made once.
INSERT INTO tenants (tenant_id, name) SELECT g, 'fresh ' || g FROM generate_series(200, 220) g ON CONFLICT DO NOTHING;
INSERT INTO tenants (tenant_id, name) SELECT g, 'again ' || g FROM generate_series(210, 230) g ON CONFLICT (tenant_id) DO UPDATE SET name = EXCLUDED.name || '/' || tenants.name WHERE EXCLUDED.tenant_id % 2 = 0;
-- unordered
INSERT INTO tenants AS t (tenant_id, name, plan) SELECT n + 215, word, 'free' FROM local_numbers WHERE n < 8 ON CONFLICT (tenant_id) DO UPDATE SET name = coalesce(EXCLUDED.name, t.name), plan = EXCLUDED.plan RETURNING t.tenant_id, t.*, length(t.name) AS l;
-- unordered
INSERT INTO tenants (tenant_id, name) SELECT user_id + 1000, email FROM users WHERE tenant_id < 4 ON CONFLICT ON CONSTRAINT tenants_pkey DO NOTHING RETURNING tenant_id, (xmax = 0) AS is_new;
INSERT INTO tenants (tenant_id, name) SELECT tenant_id, 'none' FROM tenants WHERE tenant_id < 0 ON CONFLICT DO NOTHING RETURNING *;
-- error: 21000
INSERT INTO tenants (tenant_id, name) SELECT 240, 'twice ' || g FROM generate_series(1, 2) g ON CONFLICT (tenant_id) DO UPDATE SET name = EXCLUDED.name;
-- error: 42P10
INSERT INTO tenants (tenant_id, name) SELECT g, 'x' FROM generate_series(1, 2) g ON CONFLICT (name) DO NOTHING;
-- error: 22001
INSERT INTO tenants (tenant_id, name, plan) SELECT g, 'x', 'a plan whose name is far too long' FROM generate_series(1, 2) g ON CONFLICT DO NOTHING;
-- parameters: ["300", "301", "p"]
INSERT INTO tenants (tenant_id, name) SELECT g, $3 FROM generate_series($1::int, $2::int) g ON CONFLICT (tenant_id) DO UPDATE SET name = $3;
-- parameters: ["300", "303", "by parameter"]
-- unordered
INSERT INTO tenants (tenant_id, name) SELECT g, 'p' FROM generate_series($1::int, $2::int) g ON CONFLICT (tenant_id) DO UPDATE SET name = $3 RETURNING tenant_id, name;
INSERT INTO tenants (tenant_id, name) SELECT g, 'x' FROM generate_series(300, 305) g ON CONFLICT (tenant_id) DO UPDATE SET name = (SELECT title FROM kinds WHERE kind = 'C0');
INSERT INTO kinds SELECT 'T' || tenant_id, tenant_id, name FROM tenants WHERE tenant_id < 4 ON CONFLICT (kind) DO UPDATE SET rank = EXCLUDED.rank + 1;
-- unordered
INSERT INTO kinds SELECT 'T' || tenant_id, tenant_id, name FROM tenants WHERE tenant_id < 6 ON CONFLICT (kind) DO UPDATE SET title = kinds.title || '+', rank = EXCLUDED.rank RETURNING *;
UPDATE tenants t SET plan = 'local' FROM local_numbers l WHERE l.n = t.tenant_id AND l.n < 5;
-- unordered
UPDATE orders o SET total = o.total + u.user_id FROM users u WHERE u.user_id = o.order_id % 100 + 10 AND o.total < 30 RETURNING o.order_id, o.*, u.email;
UPDATE orders SET total = 1 WHERE user_id IN (SELECT n * 10 + 1 FROM local_numbers);
UPDATE tenants SET name = 'most' WHERE tenant_id = (SELECT tenant_id FROM orders GROUP BY tenant_id ORDER BY sum(total) DESC, tenant_id LIMIT 1);
UPDATE samples SET label = r.sensor FROM readings r WHERE r.n = samples.id AND r.value > 2;
DELETE FROM readings r USING samples s WHERE s.id = r.n AND s.small < 0;
-- unordered
DELETE FROM orders o USING local_numbers l WHERE l.n = o.order_id % 100 AND o.tenant_id > 40 AND l.tie = 1 RETURNING o.order_id, l.word;
DELETE FROM events WHERE event_id IN (SELECT max(event_id) FROM events GROUP BY event_type);
DELETE FROM events e WHERE EXISTS (SELECT 1 FROM events o WHERE o.event_id = e.event_id + 1000 AND o.event_type = 'buy') AND event_type = 'view';
WITH big AS (SELECT user_id FROM orders WHERE total > 60) UPDATE users SET email = 'big' WHERE user_id IN (SELECT user_id FROM big);
WITH RECURSIVE r AS (SELECT tenant_id FROM tenants WHERE tenant_id = 1 UNION ALL SELECT t.tenant_id FROM tenants t JOIN r ON t.tenant_id = r.tenant_id + 1 WHERE t.tenant_id < 6) UPDATE tenants SET plan = 'chain' WHERE tenant_id IN (SELECT tenant_id FROM r);
UPDATE samples SET nums[2] = l.n, tags = ARRAY[l.word] FROM local_numbers l WHERE l.n = samples.small + 5 AND samples.k > 8;
UPDATE "Odd Names" o SET "ünïcode" = l.word, "with ""quotes""" = l.n FROM local_numbers l WHERE l.n = o."with ""quotes""";
UPDATE tenants SET (name, plan) = (SELECT word, 'multi' FROM local_numbers WHERE n = tenant_id) WHERE tenant_id BETWEEN 6 AND 9;
-- # UPDATE of the distribution column moves rows.
UPDATE parts SET k = k + 100 WHERE k = 4;
UPDATE parts SET k = 200 + k, note = 'moved' WHERE part = 'part 2';
-- unordered
UPDATE readings SET sensor = sensor || '!' WHERE n > 30 RETURNING sensor, n;
UPDATE "user" SET "group" = "group" * 7, "select" = 'moved' WHERE "group" > 3;
UPDATE other.tenants SET tenant_id = tenant_id + 500 WHERE tenant_id < 6 RETURNING late;
-- error: 23505
UPDATE parts SET k = 6 WHERE part = 'part 1';
-- error: 23502
UPDATE parts SET k = NULL WHERE k = 8;
-- error: 23503
UPDATE tenants SET tenant_id = 9000 WHERE tenant_id = 30;
UPDATE "Odd Names" SET "Key" = "Key" + 1 WHERE "Key" >= 50000000000;
-- parameters: ["204", "777"]
UPDATE parts SET k = $2 WHERE k = $1;
UPDATE parts SET k = 12 WHERE k = 12;
-- # MERGE.
MERGE INTO parts p USING local_numbers l ON p.k = l.n AND p.part = 'part 1' WHEN MATCHED AND l.tie = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET note = l.word WHEN NOT MATCHED AND l.n > 15 THEN INSERT (k, part, note) VALUES (l.n + 1000, 'merged', l.word);
MERGE INTO users u USING events e ON e.tenant_id = u.tenant_id AND u.user_id = e.event_id / 100 AND e.event_id % 100 = 3 WHEN MATCHED THEN UPDATE SET email = e.event_type;
MERGE INTO readings r USING (SELECT sensor, max(n) AS n FROM readings GROUP BY sensor) s ON r.sensor = s.sensor AND r.n = s.n WHEN MATCHED THEN UPDATE SET quality = -1;
MERGE INTO kinds k USING (SELECT 'T' || tenant_id AS kind, name FROM tenants WHERE tenant_id < 9) s ON s.kind = k.kind WHEN MATCHED THEN UPDATE SET title = s.name WHEN NOT MATCHED THEN INSERT VALUES (s.kind, 0, s.name);
MERGE INTO kinds k USING local_numbers l ON k.rank = l.n AND l.n > 3 WHEN MATCHED THEN DELETE;
MERGE INTO "Order Items" o USING (SELECT g, g % 5 AS k FROM generate_series(25, 40) g) s ON o."Order" = s.k AND o."Item No" = s.g WHEN MATCHED THEN UPDATE SET "Order" = 77, "table" = 'moved' WHEN NOT MATCHED THEN INSERT VALUES (s.k, s.g, 'merged');
MERGE INTO users u USING tenants t ON u.tenant_id = t.tenant_id AND u.user_id % 10 = 1 WHEN MATCHED AND t.plan IS NULL THEN UPDATE SET email = t.name WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED THEN INSERT (user_id, tenant_id, email) VALUES (70000 + t.tenant_id, t.tenant_id, 'no user one');
MERGE INTO users u USING (SELECT tenant_id, count(*) AS n, max(event_id) AS last FROM events GROUP BY tenant_id) e ON u.tenant_id = e.tenant_id AND u.user_id = e.last WHEN NOT MATCHED AND e.tenant_id > 3 THEN INSERT VALUES (e.last, e.tenant_id, 'last ' || e.n) WHEN MATCHED THEN DELETE;
MERGE INTO users u USING (SELECT tenant_id, max(event_id) AS last FROM events GROUP BY tenant_id) e ON u.tenant_id = e.tenant_id AND u.user_id = e.last WHEN MATCHED THEN UPDATE SET email = 'again' WHEN NOT MATCHED THEN INSERT (tenant_id, user_id) VALUES (e.tenant_id, e.last);
MERGE INTO users u USING kinds k ON u.email = k.kind WHEN MATCHED THEN DELETE;
MERGE INTO users u USING kinds k ON u.tenant_id = k.rank AND u.user_id = 5 WHEN NOT MATCHED AND k.kind = 'C9' THEN INSERT VALUES (80000, k.rank, k.title);
-- error: 23503
MERGE INTO users u USING tenants t ON u.tenant_id = t.tenant_id AND u.user_id = 3 WHEN NOT MATCHED THEN INSERT VALUES (3, t.tenant_id + 100000, 'none');
-- # Data-modifying WITH.
-- unordered
WITH gone AS (DELETE FROM orders WHERE total > 80 RETURNING *) SELECT tenant_id, count(*), sum(total) FROM gone GROUP BY 1;
WITH moved AS (DELETE FROM orders WHERE order_id % 100 = 5 RETURNING *) INSERT INTO local_numbers SELECT order_id, 'moved', tenant_id FROM moved;
WITH moved AS (DELETE FROM local_numbers WHERE word = 'moved' RETURNING *) INSERT INTO orders (order_id, tenant_id, user_id, total) SELECT n, tie, 1, 2 FROM moved;
WITH t AS (INSERT INTO tenants (tenant_id, name) VALUES (401, 'a'), (402, 'b'), (403, 'c') RETURNING tenant_id) INSERT INTO users (user_id, tenant_id, email) SELECT tenant_id * 10, tenant_id, 'cte' FROM t;
WITH u AS (DELETE FROM users WHERE tenant_id > 400 RETURNING tenant_id) DELETE FROM tenants WHERE tenant_id IN (SELECT tenant_id FROM u);
WITH a AS (UPDATE parts SET qty = 1 WHERE k < 10 RETURNING *), b AS (UPDATE readings SET quality = 2 WHERE n < 10 RETURNING *) SELECT (SELECT count(*) FROM a) AS a, (SELECT count(*) FROM b) AS b, (SELECT count(*) FROM parts WHERE qty = 1) AS before;
WITH k AS (UPDATE kinds SET rank = 50 WHERE kind LIKE 'T%' RETURNING *) UPDATE tenants SET plan = 'kind' FROM k WHERE 'T' || tenant_id = k.kind;
WITH d AS (DELETE FROM kinds WHERE rank = 50 RETURNING *) SELECT count(*) FROM d;
-- # COPY of what a write returns.
COPY (UPDATE kinds SET title = 'copied' WHERE kind = 'C1' RETURNING *) TO STDOUT;
COPY (UPDATE kinds SET rank = rank + 1 RETURNING rank > 0) TO STDOUT (FORMAT csv, HEADER);
COPY (INSERT INTO kinds VALUES ('copy', 7, 'a'), ('copied', 8, 'b') RETURNING kind, now() IS NULL) TO STDOUT;
COPY (INSERT INTO tenants (tenant_id, name) SELECT g, 'copied' FROM generate_series(501, 503) g RETURNING tenant_id) TO STDOUT;
COPY (INSERT INTO tenants (tenant_id, name) VALUES (504, 'copied'), (505, 'copied') RETURNING *) TO STDOUT (FORMAT binary);
COPY (UPDATE tenants SET name = 'once more' WHERE name = 'copied' RETURNING name, 1 AS one) TO STDOUT;
COPY (DELETE FROM tenants WHERE tenant_id > 503 RETURNING name) TO STDOUT;
COPY (WITH d AS (DELETE FROM tenants WHERE tenant_id > 500 RETURNING tenant_id) SELECT count(*) FROM d) TO STDOUT;
COPY (DELETE FROM kinds WHERE kind LIKE 'cop%' RETURNING 1) TO STDOUT;
-- error: 23505
COPY (UPDATE kinds SET kind = 'C1' RETURNING kind) TO STDOUT;
-- # Functions that Postgres calls once, or once for each row.
UPDATE tenants SET name = 'even' WHERE tenant_id % 2 = 0 AND random() < 2;
UPDATE orders SET total = 3 + 0 * random() WHERE tenant_id IN (5, 6);
UPDATE kinds SET rank = floor(random())::int + 4, title = 'random' WHERE kind LIKE 'C%';
DELETE FROM kinds WHERE kind = 'C9' AND now() IS NOT NULL;
UPDATE kinds SET title = t.name FROM tenants t WHERE t.tenant_id = kinds.rank;
DELETE FROM kinds USING local_numbers l WHERE l.n = kinds.rank AND l.n > 100;
SELECT count(DISTINCT plan) FROM tenants WHERE plan = 'multi';
