-- # INSERT … SELECT between tables whose rows live on different shards: they go from shard to shard.
INSERT INTO readings SELECT label || id, id, weight, amount FROM samples WHERE label IS NOT NULL AND label <> '';
-- # every type, the table into itself
INSERT INTO samples SELECT id + 1000, k, flag, small, big, ratio, weight, price, amount, label, code, fixed, born, clock, zoned, seen, logged, span, uid, body, tags, nums, doc, plain, ip, net FROM samples;
-- # assignment casts
INSERT INTO samples (k, id, small, big, price, amount, code, fixed, label, seen, logged, ratio, weight, span, ip) SELECT id + 3000, k, big % 100, price, amount, price, left(label, 12), left(label, 6), fixed, logged, seen, weight, ratio, clock, net FROM samples WHERE k < 100 AND (amount IS NULL OR amount <> 'NaN') AND (price IS NULL OR price <> 'NaN');
INSERT INTO samples (fixed, code, k, id) SELECT code, fixed, id + 5000, big FROM samples WHERE k < 100 AND big BETWEEN 0 AND 2000000000;
-- # constants and parameters become the columns' types
INSERT INTO samples (k, id, code, price, born, tags, nums, doc, span, flag) SELECT id + 7000, k, 'const', '1.23456', '2026-01-02', '{a,"b c"}', '{1,2}', '{"a": 1}', '3 hours', 't' FROM samples WHERE k < 3;
INSERT INTO samples (k, id, code, price) SELECT id + 8000, k, NULL, NULL FROM samples WHERE k < 3;
INSERT INTO samples (k, id, code) SELECT id + 9000, '7', 'abc         ' || '    ' FROM samples WHERE k < 3;
-- parameters: ["10000", "given", "2.5"]
INSERT INTO samples (k, id, code, price) SELECT id + $1, k, $2, $3 FROM samples WHERE k < 3;
-- parameters: ["2"]
INSERT INTO empty_table SELECT id + 100, label FROM samples WHERE k = $1 AND id < 1000;
-- # what is no longer than the column but for blanks
INSERT INTO samples (k, id, code) SELECT id + 11000, k, 'abc' || repeat(' ', 20) FROM samples WHERE k < 5;
-- error: 22001
INSERT INTO samples (k, id, code) SELECT id + 12000, k, label || ' and much more' FROM samples WHERE k < 100;
-- # a constant that doesn't fit is told before there are rows
-- error: 22001
INSERT INTO samples (k, id, code) SELECT id + 12000, k, 'longer than twelve' FROM samples WHERE k < -5;
-- error: 22003
INSERT INTO samples (k, id, price) SELECT id + 12000, k, 1234567890 FROM samples WHERE k < -5;
-- error: 22003
INSERT INTO samples (k, id, small) SELECT id + 12000, k, big FROM samples WHERE k < 100;
-- error: 22003
INSERT INTO samples (k, id, price) SELECT id + 12000, k, big * 1000000.0 FROM samples WHERE k < 100;
-- error: 42804
INSERT INTO samples (k, id, small) SELECT id + 12000, k, label FROM samples;
-- error: 42804
INSERT INTO samples (k, id, code) SELECT id + 12000, label, 1 FROM samples;
-- error: 22P02
INSERT INTO samples (k, id, price) SELECT id + 12000, k, 'many' FROM samples WHERE k < 0;
-- error: 42601
INSERT INTO samples (k, id) SELECT id + 12000, k, label FROM samples;
-- error: 42703
INSERT INTO samples (k, id, nothing) SELECT id + 12000, k, label FROM samples;
-- error: 23505
INSERT INTO empty_table SELECT id % 40, label FROM samples;
-- error: 23502
INSERT INTO empty_table SELECT NULL, label FROM samples;
-- error: 23502
INSERT INTO samples (k, id) SELECT id + 12000, NULL FROM samples;
-- error: 22012
INSERT INTO empty_table SELECT id + 50000, (1 / (k - 3))::text FROM samples WHERE k < 100;
INSERT INTO empty_table SELECT k + 1000000, v FROM empty_table;
INSERT INTO empty_table SELECT 2500000 + max(id), min(label) FROM samples WHERE k < 17 AND id < 1000 GROUP BY k;
INSERT INTO empty_table SELECT 3000000.4 + s.id, p.part || s.label FROM parts p JOIN samples s USING (k) WHERE s.id < 40 AND s.k < 17 AND p.qty IS NOT NULL AND p.part = 'part 1';
INSERT INTO empty_table SELECT DISTINCT k + 4000000, 'distinct' FROM samples;
INSERT INTO empty_table SELECT k + 5000000, v FROM empty_table WHERE k < 1000 ORDER BY v, 1;
INSERT INTO empty_table SELECT k + 6000000, v FROM empty_table WHERE k < 1000 ORDER BY k LIMIT 3;
INSERT INTO empty_table SELECT 7000000 + id, count(*) OVER (PARTITION BY k)::text FROM samples WHERE id < 90 AND k < 17;
WITH a_few AS (SELECT id, label FROM samples WHERE k = 5 AND id < 1000) INSERT INTO empty_table SELECT id + 8000000, label FROM a_few;
INSERT INTO empty_table (v, k) SELECT c.title, s.id + 9000000 FROM samples s JOIN kinds c ON c.kind = s.code WHERE s.id < 100 AND s.k < 17;
INSERT INTO empty_table SELECT k + 10000000, v FROM empty_table WHERE k < 0;
INSERT INTO empty_table AS e SELECT s.id + 11000000, e.v FROM samples s, LATERAL (SELECT s.label || s.k AS v) e WHERE s.id < 30 AND s.k < 17;
INSERT INTO empty_table TABLE empty_table ON CONFLICT DO NOTHING;
-- unordered
INSERT INTO empty_table SELECT k + 12000000, v FROM empty_table WHERE k < 120 RETURNING k, v;
INSERT INTO "Odd Names" ("with ""quotes""", "Key", "select") SELECT k, id + 200, label FROM samples WHERE id < 100 AND k < 17;
INSERT INTO "Odd Names" SELECT "Key" + 1, "select", "with ""quotes""", "ünïcode" FROM "Odd Names" WHERE "Key" >= 10000000000;
INSERT INTO "Order Items" ("Order", "Item No", "table") SELECT "Item No" + 100, "Order", "table" FROM "Order Items";
INSERT INTO other.tenants (tenant_id, title) SELECT k + 500, v FROM empty_table WHERE k BETWEEN 100 AND 200;
INSERT INTO "user" SELECT ctid_free.k, NULL FROM (SELECT k FROM empty_table WHERE k < 130) ctid_free;
-- # in a transaction, with rows that nobody else sees
BEGIN;
INSERT INTO empty_table VALUES (20000000, 'own'), (20000001, 'own'), (20000002, 'own'), (20000003, 'own');
INSERT INTO empty_table SELECT k + 1000000, v || ' again' FROM empty_table WHERE k >= 20000000;
INSERT INTO empty_table SELECT k + 2000000, v || ' again' FROM empty_table WHERE k >= 20000000;
SELECT k, v FROM empty_table WHERE k >= 20000000 ORDER BY k;
SAVEPOINT a;
-- error: 23505
INSERT INTO empty_table SELECT k + 1000000, v FROM empty_table WHERE k >= 20000000;
ROLLBACK TO a;
DELETE FROM empty_table WHERE k = 20000003;
INSERT INTO empty_table SELECT k + 4000000, v FROM empty_table WHERE k >= 20000000;
COMMIT;
BEGIN;
INSERT INTO empty_table SELECT k + 100000000, v FROM empty_table;
SELECT count(*) FROM empty_table;
ROLLBACK;
BEGIN READ ONLY;
-- error: 25006
INSERT INTO empty_table SELECT k + 100000000, v FROM empty_table;
ROLLBACK;
SET citus.enable_repartitioned_insert_select = off;
INSERT INTO empty_table SELECT k + 100000000, v FROM empty_table WHERE k < 130;
RESET citus.enable_repartitioned_insert_select;
DELETE FROM samples WHERE k >= 1000;
DELETE FROM empty_table;
DELETE FROM "user" WHERE "select" IS NULL;
DELETE FROM "Odd Names" WHERE "Key" BETWEEN 200 AND 1000 OR "Key" % 10000000000 = 1;
