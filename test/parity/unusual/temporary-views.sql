-- # Temporary views over distributed tables: of one session.
CREATE TEMPORARY VIEW mine AS SELECT k, owner, size FROM bags WHERE k < 6;
SELECT * FROM mine ORDER BY k;
SELECT count(*) FROM pg_temp.mine;
CREATE TEMP VIEW outer_mine (key, n) AS SELECT m.k, count(i.id) FROM mine m LEFT JOIN items i USING (k) GROUP BY m.k;
SELECT * FROM outer_mine ORDER BY key;
CREATE TEMP TABLE notes_here (k int, word text);
INSERT INTO notes_here VALUES (1, 'one'), (5, 'five');
CREATE VIEW with_notes AS SELECT b.k, n.word FROM bags b JOIN notes_here n USING (k);
SELECT * FROM with_notes ORDER BY k;
-- parameters: ["3"]
SELECT owner FROM mine WHERE k = $1;
SELECT * FROM mine JOIN near ON n = k ORDER BY k;
UPDATE mine SET size = size + 1 WHERE k = 2;
UPDATE pg_temp.mine SET size = size - 1 WHERE k = 2;
SELECT k, size FROM bags WHERE k = 2;
PREPARE reading AS SELECT count(*) FROM mine;
EXECUTE reading;
CREATE OR REPLACE TEMP VIEW mine AS SELECT k, owner, size FROM bags WHERE k < 3;
EXECUTE reading;
SELECT count(*) FROM mine;
SELECT count(*) FROM outer_mine;
DEALLOCATE reading;
-- # It hides what has its name.
CREATE TEMP VIEW keyless AS SELECT k FROM bags WHERE k = 7;
SELECT * FROM keyless;
SELECT count(*) FROM public.keyless;
DROP VIEW keyless;
SELECT count(*) FROM keyless;
BEGIN;
CREATE TEMP VIEW brief AS SELECT max(size) FROM bags;
SELECT * FROM brief;
SAVEPOINT s;
DROP VIEW brief;
ROLLBACK TO s;
SELECT * FROM brief;
ROLLBACK;
-- error: 42P01
SELECT * FROM brief;
-- error: 42703
CREATE TEMP VIEW wrong AS SELECT nosuch FROM bags;
-- error: 0A000
CREATE MATERIALIZED VIEW not_of AS SELECT * FROM mine;
EXPLAIN (COSTS OFF) SELECT 1;
ALTER VIEW mine RENAME TO ours;
SELECT count(*) FROM ours;
-- error: 42P01
SELECT count(*) FROM mine;
DISCARD TEMP;
-- error: 42P01
SELECT * FROM ours;
