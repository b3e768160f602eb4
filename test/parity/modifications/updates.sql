-- # UPDATE, DELETE and MERGE.
UPDATE tenants SET plan = 'pro' WHERE tenant_id = 2;
UPDATE tenants SET plan = 'pro' WHERE tenant_id = 2 RETURNING *;
UPDATE tenants SET name = name || '!', plan = DEFAULT WHERE tenant_id = 3 RETURNING name, plan;
UPDATE tenants SET (name, plan) = ('both', 'free') WHERE tenant_id = 4;
UPDATE tenants SET plan = 'none' WHERE tenant_id = 99999;
UPDATE tenants SET name = lower(name);
-- unordered
UPDATE tenants SET name = name || '.' WHERE plan = 'enterprise' RETURNING tenant_id, name;
UPDATE orders SET total = total * 1.1 WHERE total > 50;
UPDATE orders SET total = -total WHERE tenant_id IN (5, 6, 7);
UPDATE orders o SET total = o.total + u.user_id FROM users u WHERE u.tenant_id = o.tenant_id AND u.user_id = o.user_id AND o.tenant_id = 8;
UPDATE orders o SET total = o.total + 1 FROM users u WHERE u.tenant_id = o.tenant_id AND u.user_id = o.user_id;
UPDATE orders SET total = (SELECT max(total) FROM orders i WHERE i.tenant_id = orders.tenant_id) WHERE order_id % 100 = 1;
UPDATE orders SET total = 0 WHERE tenant_id IN (SELECT tenant_id FROM tenants WHERE plan = 'free') AND order_id % 100 = 2;
UPDATE tenants t SET name = c.name FROM countries c WHERE c.code = 'de' AND t.tenant_id = 10;
UPDATE tenants SET tenant_id = 11 WHERE tenant_id = 11;
UPDATE samples SET doc = doc || '{"u": 1}', tags = tags || 'new'::text, nums[1] = 7, span = span * 2 WHERE k = 5;
UPDATE samples SET flag = NOT flag, price = price + 0.001 WHERE small > 0;
UPDATE readings SET value = n WHERE sensor = 'süd';
UPDATE "Odd Names" SET "select" = 'set', "with ""quotes""" = 0 WHERE "Key" = 30000000000 RETURNING "with ""quotes""";
-- unordered
UPDATE kinds SET rank = coalesce(rank, 0) + 1 RETURNING kind, rank;
UPDATE kinds SET title = 'none' WHERE kind = 'missing';
UPDATE local_numbers SET tie = tie + 1 WHERE n > 10;
-- parameters: ["12", "named"]
UPDATE tenants SET name = $2 WHERE tenant_id = $1;
-- parameters: ["0.5", "20"]
UPDATE orders SET total = total + $1 WHERE total < $2;
-- error: 23505
UPDATE tenants SET tenant_id = 1 WHERE tenant_id = 1 OR tenant_id = 2;
-- error: 22012
UPDATE orders SET total = total / (tenant_id - 20);
-- error: 42703
UPDATE tenants SET nothing = 1 WHERE tenant_id = 1;
-- error: 22003
UPDATE orders SET total = 1e9 WHERE tenant_id = 1;
DELETE FROM orders WHERE tenant_id = 20 AND total < 30;
DELETE FROM orders WHERE tenant_id = 20 RETURNING order_id IS NOT NULL AS gone;
DELETE FROM orders WHERE order_id % 100 = 9;
-- unordered
DELETE FROM orders WHERE order_id % 100 = 8 RETURNING tenant_id, order_id;
DELETE FROM orders o USING users u WHERE u.tenant_id = o.tenant_id AND u.user_id = o.user_id AND u.email LIKE 'u2@%';
DELETE FROM samples WHERE k IN (1, 2) AND flag IS NULL;
DELETE FROM tenants WHERE tenant_id = 99999;
DELETE FROM tenants WHERE NOT EXISTS (SELECT 1 FROM users WHERE users.tenant_id = tenants.tenant_id);
DELETE FROM kinds WHERE rank IS NULL OR rank > 8 RETURNING kind;
DELETE FROM local_numbers WHERE n IN (SELECT tenant_id FROM tenants);
-- error: 23503
DELETE FROM tenants WHERE tenant_id = 30;
-- parameters: ["31", "5"]
DELETE FROM events WHERE tenant_id = $1 AND event_id % 10 > $2;
DELETE FROM readings;
DELETE FROM events WHERE tenant_id = 33 AND event_id = (SELECT max(event_id) FROM events WHERE tenant_id = 33);
MERGE INTO orders o USING (SELECT 34 AS t, 3401 AS i) s ON o.tenant_id = 34 AND o.tenant_id = s.t AND o.order_id = s.i WHEN MATCHED THEN UPDATE SET total = 0 WHEN NOT MATCHED THEN INSERT VALUES (s.i, s.t, 1, 1);
-- # several columns from one subquery, which the tree holds once for each of them
UPDATE tenants t SET (name, plan) = (SELECT max(email), 'n' || count(*) FROM users u WHERE u.tenant_id = t.tenant_id) WHERE tenant_id = 9 RETURNING *;
-- unordered
UPDATE tenants t SET (name, plan) = (SELECT max(email), 'n' || count(*) FROM users u WHERE u.tenant_id = t.tenant_id) WHERE tenant_id < 12 RETURNING *;
UPDATE tenants SET (name, plan) = (SELECT max(email), 'all ' || count(*) FROM users) WHERE tenant_id = 13 RETURNING *;
-- unordered
UPDATE tenants t SET (name, plan) = (SELECT max(email), min(email) FROM users u WHERE u.user_id % 40 = t.tenant_id) WHERE tenant_id IN (14, 15) RETURNING *;
-- parameters: ["16"]
UPDATE public.tenants SET (name, plan) = (SELECT max(public.users.email), 'p' || count(*) FROM public.users WHERE users.tenant_id = $1) WHERE tenant_id = $1 RETURNING *;
INSERT INTO tenants (tenant_id, name) VALUES (17, 'x') ON CONFLICT (tenant_id) DO UPDATE SET (name, plan) = (SELECT max(email), 'c' || count(*) FROM users WHERE users.tenant_id = excluded.tenant_id) RETURNING *;
