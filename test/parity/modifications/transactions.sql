-- # Transactions over one and many shards, with errors, savepoints and rollback.
BEGIN;
UPDATE tenants SET plan = 'tx' WHERE tenant_id = 1;
SELECT plan FROM tenants WHERE tenant_id = 1;
ROLLBACK;
SELECT plan FROM tenants WHERE tenant_id = 1;
BEGIN;
UPDATE tenants SET plan = 'tx' WHERE tenant_id IN (1, 2, 3, 4, 5);
INSERT INTO tenants VALUES (200, 'in tx', 'tx');
SELECT count(*) FROM tenants WHERE plan = 'tx';
COMMIT;
SELECT count(*) FROM tenants WHERE plan = 'tx';
START TRANSACTION ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM orders;
DELETE FROM orders WHERE tenant_id < 5;
SELECT count(*) FROM orders;
ABORT;
SELECT count(*) FROM orders;
BEGIN;
INSERT INTO tenants VALUES (201, 'kept');
SAVEPOINT a;
INSERT INTO tenants VALUES (202, 'undone'), (203, 'undone');
-- error: 23505
INSERT INTO tenants VALUES (201, 'duplicate');
-- error: 25P02
SELECT 1;
-- error: 25P02
SELECT count(*) FROM tenants;
ROLLBACK TO SAVEPOINT a;
SELECT count(*) FROM tenants WHERE tenant_id BETWEEN 201 AND 203;
SAVEPOINT b;
UPDATE orders SET total = total + 1000 WHERE tenant_id = 6;
RELEASE SAVEPOINT b;
INSERT INTO kinds VALUES ('in tx', 1, 'both');
INSERT INTO local_numbers VALUES (9000, 'in tx', 1);
COMMIT;
SELECT count(*) FROM tenants WHERE tenant_id BETWEEN 201 AND 203;
BEGIN;
INSERT INTO tenants VALUES (210, 'lost');
-- error: 22012
SELECT 1 / 0;
COMMIT;
SELECT count(*) FROM tenants WHERE tenant_id = 210;
BEGIN;
SAVEPOINT s;
UPDATE tenants SET name = 's' WHERE tenant_id = 8;
SAVEPOINT s;
UPDATE tenants SET name = 'ss' WHERE tenant_id = 9;
ROLLBACK TO s;
RELEASE s;
SELECT name FROM tenants WHERE tenant_id IN (8, 9) ORDER BY tenant_id;
END;
BEGIN READ ONLY;
-- error: 25006
UPDATE tenants SET name = 'no' WHERE tenant_id = 8;
ROLLBACK;
-- # errors of transaction control
-- error: 3B001
BEGIN; ROLLBACK TO nothing;
ROLLBACK;
-- error: 25P01
SAVEPOINT outside;
COMMIT;
ROLLBACK;
BEGIN;
DELETE FROM events WHERE tenant_id = 3;
INSERT INTO events (tenant_id, event_id, event_type, created_at) SELECT tenant_id, event_id + 500, 'copied', created_at FROM events WHERE tenant_id = 4;
SELECT tenant_id, count(*) FROM events WHERE tenant_id IN (3, 4) GROUP BY 1 ORDER BY 1;
COMMIT AND CHAIN;
SELECT count(*) FROM events;
ROLLBACK;
BEGIN;
UPDATE kinds SET title = 'gone';
UPDATE local_numbers SET word = 'gone';
UPDATE tenants SET name = 'gone';
ROLLBACK;
SELECT count(*) FROM tenants WHERE name = 'gone';
BEGIN;
DECLARE c CURSOR FOR SELECT tenant_id FROM tenants WHERE tenant_id < 10 ORDER BY tenant_id;
FETCH 2 FROM c;
FETCH 1 FROM c;
CLOSE c;
COMMIT;
