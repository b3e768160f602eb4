-- # INSERT, UPDATE and DELETE of views over distributed tables.
CREATE VIEW plain AS SELECT * FROM bags;
CREATE VIEW part AS SELECT k, size FROM bags WHERE size > 10;
CREATE VIEW renamed (key, volume, doubled) AS SELECT b.k, b.size, b.size * 2 FROM bags b WHERE b.owner IS NOT NULL;
CREATE VIEW below AS SELECT k, size FROM plain WHERE k < 8;
CREATE VIEW invoking WITH (security_invoker) AS SELECT k, owner, size FROM bags;
CREATE VIEW checked AS SELECT k, owner, size FROM bags WHERE size > 10 WITH CHECK OPTION;
CREATE VIEW grouped AS SELECT owner, count(*) AS n FROM bags GROUP BY owner;
CREATE VIEW joined_rows AS SELECT b.k, b.owner, i.label FROM bags b JOIN items i USING (k);
CREATE VIEW with_defaults AS SELECT k, owner FROM bags;
ALTER VIEW with_defaults ALTER COLUMN owner SET DEFAULT 'nobody';
CREATE VIEW barrier WITH (security_barrier) AS SELECT k, owner FROM bags;
CREATE VIEW asking AS SELECT k, owner, size FROM bags WHERE k IN (SELECT rank + 3 FROM shades);
CREATE VIEW deep AS SELECT key AS kk, volume FROM renamed WHERE volume > 0;
SELECT table_name, is_updatable, is_insertable_into FROM information_schema.views WHERE table_name IN ('plain', 'grouped') ORDER BY 1;
INSERT INTO plain VALUES (600, 'a', 5), (601, 'b', 15), (602, 'c', 25);
INSERT INTO plain (owner, k) VALUES ('d', 603);
INSERT INTO plain (k, owner) SELECT 604, 'e' RETURNING *;
INSERT INTO plain SELECT g, 'g' || g FROM generate_series(605, 609) g;
INSERT INTO part VALUES (610, 1), (611, 100) RETURNING k, size;
INSERT INTO part (k) VALUES (612);
INSERT INTO renamed (key, volume) VALUES (613, 7) RETURNING *;
INSERT INTO renamed (key, volume) VALUES (614, 7) RETURNING key + 1, volume AS v, doubled, renamed.key;
INSERT INTO below VALUES (615, 3) RETURNING *;
INSERT INTO invoking VALUES (616, 'i', 16);
SELECT * FROM bags WHERE k >= 600 ORDER BY k;
-- error: 42703
INSERT INTO part (k, owner) VALUES (620, 'x');
-- error: 42601
INSERT INTO part VALUES (620, 1, 'x');
-- error: 0A000
INSERT INTO renamed VALUES (620, 1, 2);
-- error: 55000
INSERT INTO grouped VALUES ('x', 1);
-- error: 55000
INSERT INTO joined_rows VALUES (1, 'x', 'y');
-- error: 23505
INSERT INTO plain VALUES (600, 'a', 5);
INSERT INTO plain VALUES (600, 'a', 5) ON CONFLICT DO NOTHING;
INSERT INTO plain AS p VALUES (600, 'z', 6) ON CONFLICT (k) DO UPDATE SET owner = excluded.owner, size = p.size + 1 RETURNING *;
-- error: 42703
INSERT INTO part AS p VALUES (600, 6) ON CONFLICT (k) DO UPDATE SET size = length(p.owner);
UPDATE plain SET size = size + 1 WHERE k = 601;
-- unordered
UPDATE plain SET size = size + 1 WHERE k >= 600 RETURNING k, size, plain.owner;
UPDATE part SET size = 11 WHERE k BETWEEN 600 AND 605;
UPDATE part SET size = 1 WHERE k = 611 RETURNING *;
UPDATE part p SET size = p.size * 2 WHERE p.k < 5;
-- error: 42703
UPDATE part SET size = 1 WHERE owner = 'a';
-- error: 42703
UPDATE part SET owner = 'a';
-- error: 0A000
UPDATE renamed SET doubled = 4;
UPDATE renamed SET volume = volume + doubled WHERE key = 605 RETURNING *;
-- unordered
UPDATE renamed r SET volume = 3 WHERE r.doubled > 40 RETURNING r.key, r.volume, r.doubled;
UPDATE below SET size = 77 WHERE k IN (3, 615);
UPDATE invoking SET owner = 'other' WHERE k = 616 RETURNING owner;
UPDATE plain p SET owner = s.shade FROM shades s WHERE s.rank = p.k RETURNING p.k, p.owner, s.rank;
UPDATE plain SET size = (SELECT max(rank) FROM shades) WHERE k = 7;
SELECT * FROM bags ORDER BY k;
UPDATE asking SET size = size + 1;
UPDATE asking SET size = size + 1 WHERE k = 4 RETURNING *;
-- unordered
UPDATE deep SET volume = volume + 1 WHERE kk < 6 RETURNING *;
-- # With check options.
UPDATE checked SET owner = 'seen' WHERE k > 600;
DELETE FROM checked WHERE k = 602;
SELECT * FROM checked ORDER BY k;
-- # DELETE, and what is not Postgres' to rewrite.
DELETE FROM part WHERE k = 3;
DELETE FROM renamed WHERE doubled < 12 AND key >= 600 RETURNING *;
DELETE FROM below WHERE k = 615;
DELETE FROM plain USING shades s WHERE s.rank = plain.k AND plain.k > 600;
DELETE FROM plain WHERE k IN (SELECT rank FROM shades WHERE rank > 1);
-- error: 55000
DELETE FROM grouped;
-- error: 55000
UPDATE joined_rows SET owner = 'x';
-- error: 42P01
UPDATE nosuch_view SET k = 1;
-- error: 42P01
DELETE FROM part WHERE nosuch.k = 1;
-- parameters: ["605", "99"]
UPDATE plain SET size = $2 WHERE k = $1;
-- parameters: ["700", "p"]
INSERT INTO invoking (k, owner) VALUES ($1, $2);
-- parameters: ["700"]
DELETE FROM part WHERE k = $1 OR size = $1;
BEGIN;
DELETE FROM plain WHERE k >= 600;
SELECT count(*) FROM plain;
ROLLBACK;
PREPARE w (int) AS UPDATE plain SET size = 1000 WHERE k = $1 RETURNING size;
EXECUTE w (605);
DEALLOCATE w;
SELECT * FROM bags ORDER BY k;
CREATE RULE instead AS ON INSERT TO grouped DO INSTEAD INSERT INTO journal VALUES (1);
INSERT INTO grouped VALUES ('x', 1);
SELECT count(*) FROM journal;
DELETE FROM journal WHERE x = 1;
DELETE FROM plain WHERE k >= 600;
DROP VIEW deep, below, plain, part, renamed, invoking, checked, grouped, joined_rows, with_defaults, barrier, asking;
