-- # Rows that move take along those that follow them by ON UPDATE CASCADE, and stay where others refer to them else.
UPDATE regions SET k = k + 100 WHERE k IN (1, 2, 3, 25);
UPDATE towns SET id = id + 100000 WHERE k = 103;
UPDATE regions SET k = 200 WHERE k = 4 RETURNING *;
-- error: 23503
UPDATE regions SET k = 201 WHERE k = 17;
UPDATE regions SET k = 202 WHERE k IN (5, 50);
-- error: 23514
UPDATE regions SET k = k + 9000 WHERE k = 6;
UPDATE regions SET k = k + 300 WHERE k > 26;
UPDATE depots SET k = 19 WHERE k = 18;
UPDATE depots SET k = 20 WHERE k = 15 RETURNING note;
DELETE FROM depots WHERE k = 20;
UPDATE towns SET k = 21 WHERE id = 71;
-- error: 23503
UPDATE towns SET k = 7777 WHERE id = 72;
-- error: 23505
UPDATE regions SET k = 8 WHERE k = 7;
-- unordered
INSERT INTO regions VALUES (9, 1), (900, 2) ON CONFLICT (k) DO UPDATE SET k = 901 RETURNING *;
BEGIN;
UPDATE regions SET k = 5000 WHERE k = 10;
UPDATE regions SET k = 5001 WHERE k = 5000;
ROLLBACK;
BEGIN;
UPDATE regions SET k = 5000 WHERE k = 10;
UPDATE regions SET k = 5001 WHERE k = 5000;
DELETE FROM regions WHERE k = 11;
COMMIT;
DELETE FROM regions USING local_numbers l WHERE l.n = regions.k AND l.n > 17;
MERGE INTO regions USING (VALUES (12, 600), (13, 601)) s(k, n) ON s.k = regions.k WHEN MATCHED THEN UPDATE SET k = s.n;
-- error: 23503
MERGE INTO regions r USING local_numbers l ON l.n = r.k AND l.n = 16 WHEN MATCHED THEN UPDATE SET k = 1600;
