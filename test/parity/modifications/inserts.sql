-- # INSERT in all its forms. After each batch (an empty comment line) every table is compared.
INSERT INTO tenants VALUES (101, 'New', 'free');
INSERT INTO tenants (tenant_id, name) VALUES (102, 'No plan');
INSERT INTO tenants (plan, tenant_id) VALUES ('pro', 103) RETURNING *;
INSERT INTO tenants (tenant_id, name, plan) VALUES (104, 'a', 'x'), (105, 'b', NULL), (106, DEFAULT, 'z') RETURNING tenant_id + 1 AS next, upper(name);
INSERT INTO tenants VALUES (107, 'one'), (108, 'two'), (109, 'three');
INSERT INTO tenants AS t VALUES (107, 'again', 'pro') ON CONFLICT (tenant_id) DO UPDATE SET name = EXCLUDED.name || '/' || t.name RETURNING *;
INSERT INTO tenants VALUES (107, 'ignored'), (110, 'kept') ON CONFLICT DO NOTHING;
INSERT INTO tenants VALUES (108, 'ignored') ON CONFLICT ON CONSTRAINT tenants_pkey DO NOTHING RETURNING tenant_id;
INSERT INTO tenants VALUES (1 + 110, 'sum'), ('112', 'text');
INSERT INTO tenants SELECT 113, 'selected', 'free';
INSERT INTO tenants SELECT g, 'series ' || g FROM generate_series(120, 140) g;
INSERT INTO tenants SELECT tenant_id + 1000, name, plan FROM tenants WHERE tenant_id BETWEEN 1 AND 5;
INSERT INTO tenants SELECT * FROM (VALUES (150, 'values', 'free'), (151, 'list', NULL)) v RETURNING tenant_id, plan;
-- error: 23505
INSERT INTO tenants VALUES (1, 'duplicate');
-- error: 23505
INSERT INTO tenants VALUES (160, 'first of two'), (1, 'duplicate');
-- error: 22001
INSERT INTO tenants VALUES (161, 'x', 'a plan whose name is far too long');
-- error: 23502
INSERT INTO tenants (name) VALUES ('no key');
-- error: 22P02
INSERT INTO tenants VALUES ('many');
-- error: 42601
INSERT INTO tenants (tenant_id, name) VALUES (1);
-- error: 42703
INSERT INTO tenants (tenant_id, nothing) VALUES (1, 2);
-- error: 23503
INSERT INTO users (user_id, tenant_id) VALUES (1, 4000);
-- error: 21000
INSERT INTO tenants VALUES (170, 'a'), (170, 'b') ON CONFLICT (tenant_id) DO UPDATE SET name = EXCLUDED.name;
-- parameters: ["180", "parameters", null]
INSERT INTO tenants VALUES ($1, $2, $3);
-- parameters: ["181", "one", "182", "two"]
INSERT INTO tenants (tenant_id, name) VALUES ($1, $2), ($3, $4) RETURNING tenant_id, name;
-- parameters: ["181", "changed"]
INSERT INTO tenants VALUES ($1, $2) ON CONFLICT (tenant_id) DO UPDATE SET name = EXCLUDED.name RETURNING name;
-- error: 23505
-- parameters: ["181"]
INSERT INTO tenants VALUES ($1, 'again');
INSERT INTO users (user_id, tenant_id, email) SELECT tenant_id * 10, tenant_id, 'x@' || name FROM tenants WHERE tenant_id > 100;
INSERT INTO orders (order_id, tenant_id, user_id, total) SELECT 100000 + user_id, tenant_id, user_id, 9.99 FROM users WHERE user_id % 10 = 1;
INSERT INTO orders (order_id, tenant_id, user_id, total) SELECT max(order_id) + 1, tenant_id, 0, sum(total) FROM orders GROUP BY tenant_id ON CONFLICT DO NOTHING;
INSERT INTO events_daily SELECT tenant_id, created_at::date, event_type, count(*) FROM events GROUP BY 1, 2, 3 ON CONFLICT (tenant_id, day, event_type) DO UPDATE SET event_count = events_daily.event_count + EXCLUDED.event_count;
INSERT INTO empty_table SELECT user_id, email FROM users WHERE tenant_id < 4;
INSERT INTO empty_table SELECT n + 100000, word FROM local_numbers;
INSERT INTO local_numbers SELECT tenant_id + 5000, name, 0 FROM tenants WHERE tenant_id < 4;
INSERT INTO local_numbers VALUES (7000, 'local', 1) RETURNING *;
INSERT INTO kinds VALUES ('C9', 3, 'new'), ('C10', 4, NULL) RETURNING kind;
INSERT INTO kinds SELECT 'K' || tenant_id, tenant_id, name FROM tenants WHERE tenant_id < 3;
INSERT INTO kinds VALUES ('C9', 5, 'newer') ON CONFLICT (kind) DO UPDATE SET rank = EXCLUDED.rank RETURNING rank;
-- error: 23505
INSERT INTO kinds VALUES ('C11', 1, 'x'), ('C9', 1, 'twice');
INSERT INTO samples (k, id, label, tags, doc, span, body, ratio, price) VALUES (3, 1000, 'ß', '{"a,b",NULL}', '{"z": [1, {"y": null}]}', '1 day -2 hours', '\x00ff', '-Infinity', 12.3456), (4, 1000, NULL, '{}', 'null', NULL, '', 1e-5, -0.0005) RETURNING *;
INSERT INTO readings VALUES ('ünï', 1, 1.5, 2), (E'tab\t', 2, 'NaN', 3), ('', 100, NULL, NULL) RETURNING sensor, n;
INSERT INTO "Odd Names" VALUES (5, 'x', 1, 'y'), (6, NULL, NULL, NULL) RETURNING "Key" AS "K k", "select";
WITH src AS (SELECT 190 AS id, 'cte' AS name) INSERT INTO tenants SELECT id, name FROM src;
WITH gone AS (DELETE FROM tenants WHERE tenant_id = 190 RETURNING *) SELECT name FROM gone;
-- # one tenant with a writing CTE
WITH moved AS (DELETE FROM orders WHERE tenant_id = 9 AND total > 90 RETURNING *) INSERT INTO users (user_id, tenant_id, email) SELECT order_id, tenant_id, 'moved' FROM moved WHERE tenant_id = 9;
