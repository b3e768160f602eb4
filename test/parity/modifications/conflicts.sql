-- # ON CONFLICT that reads other tables, stands in WITH, or changes the distribution column.
-- unordered
INSERT INTO tenants (tenant_id, name) VALUES (1, 'x'), (2, 'y'), (700, 'z') ON CONFLICT (tenant_id) DO UPDATE SET name = (SELECT l.word FROM local_numbers l WHERE l.n = tenants.tenant_id), plan = excluded.name RETURNING *, tenants::text;
-- unordered
INSERT INTO tenants (tenant_id, name) SELECT user_id, 'by user' FROM users WHERE tenant_id < 5 ON CONFLICT (tenant_id) DO UPDATE SET name = (SELECT max(email) FROM users), plan = 'met' RETURNING tenant_id, plan;
-- unordered
WITH i AS (INSERT INTO tenants (tenant_id, name) SELECT g, 'with' FROM generate_series(698, 705) g ON CONFLICT (tenant_id) DO NOTHING RETURNING *) SELECT * FROM i;
WITH gone AS (DELETE FROM orders WHERE total > 70 RETURNING tenant_id) INSERT INTO kinds SELECT 'G' || tenant_id, count(*), 'gone' FROM gone GROUP BY tenant_id ON CONFLICT (kind) DO UPDATE SET rank = kinds.rank + excluded.rank;
-- unordered
WITH gone AS (DELETE FROM readings WHERE n > 20 RETURNING *) INSERT INTO parts (k, part, note) SELECT n % 7, 'part ' || n % 3, max(sensor) FROM gone GROUP BY 1, 2 ON CONFLICT (k, part) DO UPDATE SET note = parts.note || excluded.note RETURNING k, part, note;
-- unordered
WITH a AS (INSERT INTO tenants (tenant_id, name) VALUES (3, 'a'), (710, 'a') ON CONFLICT (tenant_id) DO UPDATE SET name = 'a ' || tenants.name RETURNING *), b AS (INSERT INTO kinds SELECT 'A' || tenant_id, 1, name FROM a ON CONFLICT (kind) DO UPDATE SET title = excluded.title RETURNING *) INSERT INTO local_numbers SELECT 900 + length(kind), kind, rank FROM b WHERE kind = 'A3' ON CONFLICT (n) DO UPDATE SET tie = local_numbers.tie + 1 RETURNING *;
INSERT INTO parts (k, part, note) VALUES (1, 'part 1', 'moved') ON CONFLICT (k, part) DO UPDATE SET k = 5000 + parts.k, note = excluded.note RETURNING k, note;
-- unordered
INSERT INTO parts AS p (k, part) VALUES (5001, 'part 1'), (6, 'part 2'), (5002, 'new') ON CONFLICT (k, part) DO UPDATE SET (k, note) = (SELECT p.k + 6000, max(word) FROM local_numbers) WHERE p.k <> 6 RETURNING p.*;
INSERT INTO parts (k, part) VALUES (8001, 'a'), (8002, 'a'), (8003, 'a');
-- error: 23505
INSERT INTO parts (k, part) VALUES (8001, 'a') ON CONFLICT (k, part) DO UPDATE SET k = 8002;
-- error: 21000
INSERT INTO tenants (tenant_id, name) VALUES (4, 'a'), (4, 'b') ON CONFLICT (tenant_id) DO UPDATE SET name = (SELECT min(word) FROM local_numbers);
-- error: 21000
INSERT INTO tenants (tenant_id, name) VALUES (720, 'a'), (720, 'b') ON CONFLICT (tenant_id) DO UPDATE SET name = (SELECT min(word) FROM local_numbers);
INSERT INTO tenants (tenant_id, name) VALUES (4, 'a'), (4, 'b') ON CONFLICT (tenant_id) DO UPDATE SET name = (SELECT min(word) FROM local_numbers) WHERE tenants.tenant_id IN (SELECT user_id FROM users WHERE user_id < 0);
-- error: 42P10
INSERT INTO tenants (tenant_id, name) VALUES (4, 'a') ON CONFLICT (name) DO UPDATE SET name = (SELECT min(word) FROM local_numbers);
-- error: 42704
INSERT INTO tenants (tenant_id, name) VALUES (4, 'a') ON CONFLICT ON CONSTRAINT nothing_such DO UPDATE SET name = (SELECT min(word) FROM local_numbers);
-- error: 22012
INSERT INTO tenants (tenant_id, name) VALUES (4, 'a'), (721, 'b') ON CONFLICT (tenant_id) DO UPDATE SET plan = 1 / (SELECT 0 * min(n) FROM local_numbers);
-- error: 23502
INSERT INTO parts (k, part) VALUES (8001, 'a'), (9, 'part 1') ON CONFLICT (k, part) DO UPDATE SET k = NULL;
INSERT INTO tenants (tenant_id, name) VALUES (4, 'a'), (722, 'b') ON CONFLICT ON CONSTRAINT tenants_pkey DO UPDATE SET name = excluded.name || (SELECT count(*) FROM users), plan = DEFAULT;
-- parameters: ["5", "by parameter"]
-- unordered
INSERT INTO tenants (tenant_id, name) VALUES ($1, $2), ($1::int + 720, $2) ON CONFLICT (tenant_id) DO UPDATE SET name = $2 || (SELECT min(word) FROM local_numbers) RETURNING tenant_id, name;
-- unordered
INSERT INTO tenants (tenant_id, name) VALUES (5, 'a'), (730, 'b') ON CONFLICT (tenant_id) DO UPDATE SET name = left(md5(random()::text), 0) || 'random' RETURNING tenant_id, name, 'tenants'::regclass;
-- unordered
INSERT INTO kinds VALUES ('C1', 5, 'x'), ('CX', 6, 'y') ON CONFLICT (kind) DO UPDATE SET rank = DEFAULT, title = (SELECT max(name) FROM tenants WHERE tenant_id < 3) RETURNING *;
WITH u AS (UPDATE tenants SET plan = 'both' WHERE tenant_id = 6 RETURNING tenant_id) INSERT INTO tenants (tenant_id, name) SELECT tenant_id + 1, 'both' FROM u ON CONFLICT (tenant_id) DO UPDATE SET name = 'both' RETURNING *;
UPDATE parts SET (qty, note) = (SELECT count(*), 'once' FROM users) WHERE k = 10;
-- # Rows of several shards by what all of them hold.
-- unordered
INSERT INTO tenants (tenant_id, name) VALUES (750, (SELECT count(*) FROM users)), (751, (SELECT max(tenant_id) FROM orders)), (752, 'c') RETURNING tenant_id, name;
-- unordered
INSERT INTO tenants (tenant_id, name) VALUES (753, 'a'), (754, 'b') RETURNING tenant_id, (SELECT count(*) FROM users) AS n;
BEGIN;
INSERT INTO tenants (tenant_id, name) VALUES (7, 'a'), (740, 'b') ON CONFLICT (tenant_id) DO UPDATE SET name = (SELECT min(word) FROM local_numbers);
SAVEPOINT s;
-- error: 21000
INSERT INTO tenants (tenant_id, name) VALUES (8, 'a'), (8, 'b') ON CONFLICT (tenant_id) DO UPDATE SET name = (SELECT min(word) FROM local_numbers);
ROLLBACK TO s;
-- unordered
INSERT INTO tenants (tenant_id, name) VALUES (7, 'a'), (741, 'b') ON CONFLICT (tenant_id) DO UPDATE SET name = tenants.name || (SELECT min(word) FROM local_numbers) RETURNING tenant_id, name;
COMMIT;
COPY (INSERT INTO tenants (tenant_id, name) VALUES (7, 'a'), (742, 'b') ON CONFLICT (tenant_id) DO UPDATE SET name = (SELECT min(word) FROM local_numbers) RETURNING 1) TO STDOUT;
INSERT INTO parts (k, part, note) VALUES (1, 'here', 'old');
INSERT INTO kinds VALUES ('taken', 1, 'old');
WITH c AS (INSERT INTO parts (k, part, note) VALUES (1, 'here', 'new') ON CONFLICT (k, part) DO UPDATE SET note = 'met' RETURNING note) INSERT INTO kinds SELECT CASE note WHEN 'met' THEN 'fresh' ELSE 'taken' END, 1, note FROM c RETURNING *;
