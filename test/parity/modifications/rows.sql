-- # Rows known by their ctid: which of equal rows stays is nobody's business, so nothing of it is shown.
INSERT INTO "user" SELECT g % 60 + 9000, 'w' || g % 4 FROM generate_series(1, 600) g;
DELETE FROM "user" a USING "user" b WHERE a.ctid < b.ctid AND a."group" = b."group" AND a."select" = b."select" AND a."group" < 9010;
DELETE FROM "user" WHERE "group" BETWEEN 9010 AND 9019 AND ctid NOT IN (SELECT min(ctid) FROM "user" GROUP BY "group", "select");
DELETE FROM "user" WHERE ctid IN (SELECT ctid FROM (SELECT ctid, row_number() OVER (PARTITION BY "group", "select") AS n FROM "user" WHERE "group" BETWEEN 9020 AND 9029) d WHERE n > 1);
WITH d AS (SELECT ctid, row_number() OVER (PARTITION BY "group", "select" ORDER BY ctid DESC) AS n FROM "user" WHERE "group" BETWEEN 9030 AND 9034) DELETE FROM "user" USING d WHERE d.ctid = "user".ctid AND n > 2;
DELETE FROM "user" a WHERE "group" BETWEEN 9035 AND 9039 AND ctid <> (SELECT max(b.ctid) FROM "user" b WHERE b."group" = a."group" AND b."select" = a."select");
DELETE FROM "user" a WHERE "group" BETWEEN 9040 AND 9044 AND EXISTS (SELECT FROM "user" b WHERE (b."group", b."select") = (a."group", a."select") AND b.ctid > a.ctid);
DELETE FROM "user" WHERE "group" BETWEEN 9045 AND 9049 AND ctid NOT IN (SELECT DISTINCT ON ("group", "select") ctid FROM "user" ORDER BY "group", "select");
UPDATE "user" SET "select" = 'w9' WHERE ctid IN (SELECT ctid FROM "user" WHERE "select" = 'w3' AND "group" > 9049);
UPDATE "user" u SET "select" = d.n FROM (SELECT ctid, 'w' || row_number() OVER (PARTITION BY "group") AS n FROM "user") d WHERE d.ctid = u.ctid AND "group" = ANY ('{9055, 9056}');
SELECT "group", "select", count(*) FROM "user" WHERE "group" >= 9000 GROUP BY 1, 2 ORDER BY 1, 2;
SELECT count(*), count(ctid) FROM "user" WHERE ctid IN (SELECT ctid FROM "user" WHERE "select" = 'w1');
SELECT a."group", count(*) FROM "user" a LEFT JOIN "user" b ON a.ctid = b.ctid AND b."select" = 'w2' WHERE b.ctid IS NULL GROUP BY 1 ORDER BY 1;
DELETE FROM "user" WHERE ctid IN (SELECT min(ctid) FROM "user" WHERE "group" > 9000 GROUP BY "group") RETURNING ctid IS NULL AS lost;
DELETE FROM "user" WHERE "group" >= 9000;
