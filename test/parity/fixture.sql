-- Loaded after both scenarios. Serial ids differ from one Postgres to a cluster (each node has a range of its own), so
-- rows that got one are written anew with ids from here: after this, both sides hold the very same rows.
DELETE FROM events;
DELETE FROM orders;
DELETE FROM users;
INSERT INTO users (user_id, tenant_id, email) SELECT t * 10 + u, t, 'u' || u || '@t' || t || '.example' FROM generate_series(1, 50) t, generate_series(1, 4) u;
INSERT INTO orders (order_id, tenant_id, user_id, total) SELECT t * 100 + u, t, t * 10 + u, (t * 7 + u * 13) % 100 + 0.25 FROM generate_series(1, 50) t, generate_series(1, 10) u;
INSERT INTO events (event_id, tenant_id, event_type, event_data, created_at)
  SELECT t * 1000 + n, t, (ARRAY['click','view','buy'])[1 + n % 3], jsonb_build_object('page', '/p' || n % 5, 'country_code', (ARRAY['de','nl','us'])[1 + n % 3]),
         TIMESTAMP '2026-11-01' + n * INTERVAL '7 hours'
  FROM generate_series(1, 50) t, generate_series(1, 60) n;

CREATE TABLE samples (
  k int, id int, flag bool, small smallint, big bigint, ratio real, weight double precision, price numeric(12,3), amount numeric,
  label text, code varchar(12), fixed char(6), born date, clock time, zoned timetz, seen timestamp, logged timestamptz(3), span interval,
  uid uuid, body bytea, tags text[], nums int[], doc jsonb, plain json, ip inet, net cidr, PRIMARY KEY (k, id));
CREATE TABLE parts (k int, part text, qty numeric(10,2), note text, made date, PRIMARY KEY (k, part));
CREATE TABLE readings (sensor text, n int, value double precision, quality numeric, PRIMARY KEY (sensor, n));
CREATE TABLE "Odd Names" ("Key" bigint PRIMARY KEY, "select" text, "with ""quotes""" int, "ünïcode" text);
CREATE TABLE kinds (kind varchar(12) PRIMARY KEY, rank int, title text);
CREATE TABLE local_numbers (n int PRIMARY KEY, word text, tie int);
CREATE TABLE empty_table (k int PRIMARY KEY, v text);

SELECT create_distributed_table('samples', 'k', shard_count => 8);
SELECT create_distributed_table('parts', 'k', colocate_with => 'samples');
SELECT create_distributed_table('readings', 'sensor', shard_count => 6);
SELECT create_distributed_table('"Odd Names"', 'Key');
SELECT create_distributed_table('empty_table', 'k', shard_count => 4);
SELECT create_reference_table('kinds');

INSERT INTO samples SELECT g % 17, g,
  CASE WHEN g % 5 = 0 THEN NULL ELSE g % 2 = 0 END,
  (g % 11 - 5)::smallint,
  CASE WHEN g % 6 = 0 THEN NULL ELSE (g::bigint * 1234567891) % 10000000000 - 4000000000 END,
  CASE g % 13 WHEN 0 THEN 'NaN'::real WHEN 1 THEN 'Infinity' WHEN 2 THEN '-Infinity' WHEN 3 THEN NULL ELSE (g % 9) / 4.0 END,
  CASE WHEN g % 10 = 0 THEN NULL ELSE (g % 23) * 0.25 - 2 END,
  CASE WHEN g % 8 = 0 THEN NULL ELSE (g % 30) * 1.125 END,
  CASE g % 19 WHEN 0 THEN 'NaN'::numeric WHEN 1 THEN NULL ELSE round(g * 1.23456, g % 5) END,
  (ARRAY['alpha','Beta','ünder','ALPHA','straße','zeta','Émile','','a b','日本','😀 smile', NULL, 'it''s', E'back\\slash', E'tab\there'])[1 + g % 15],
  'C' || g % 15, 'f' || g % 4,
  CASE WHEN g % 9 = 0 THEN NULL WHEN g = 50 THEN 'infinity'::date ELSE DATE '1999-12-25' + (g % 40) * 37 END,
  TIME '00:00' + (g % 48) * INTERVAL '29 minutes 1.5 seconds',
  CASE WHEN g % 3 = 0 THEN TIMETZ '12:00+02' ELSE TIMETZ '12:00-05:30' END,
  TIMESTAMP '2026-03-28 22:30' + g * INTERVAL '17 minutes',
  CASE WHEN g % 14 = 0 THEN NULL ELSE TIMESTAMPTZ '2026-10-24 22:00:00.123+00' + g * INTERVAL '31 minutes' END,
  CASE g % 5 WHEN 0 THEN NULL WHEN 1 THEN g * INTERVAL '1 day' WHEN 2 THEN INTERVAL '1 month' WHEN 3 THEN INTERVAL '29 days' ELSE g * INTERVAL '-1.5 hours' END,
  md5(g::text)::uuid,
  CASE g % 6 WHEN 0 THEN NULL WHEN 1 THEN ''::bytea ELSE decode(md5((g % 20)::text), 'hex') END,
  CASE g % 4 WHEN 0 THEN NULL WHEN 1 THEN '{}'::text[] WHEN 2 THEN ARRAY['x', NULL, 'ü,"q" {}'] ELSE ARRAY['t' || g % 3, 'y'] END,
  CASE g % 3 WHEN 0 THEN ARRAY[g, g % 7] WHEN 1 THEN ARRAY[g % 5] ELSE NULL END,
  CASE WHEN g % 7 = 0 THEN NULL ELSE jsonb_build_object('n', g % 6, 's', 'v' || g % 3, 'deep', jsonb_build_object('list', jsonb_build_array(g, NULL, 'é'))) END,
  CASE WHEN g % 7 = 0 THEN NULL ELSE json_build_object('a', g, 'b', ARRAY[g % 2]) END,
  ('10.' || g % 3 || '.0.' || g % 200)::inet, ('192.168.' || g % 6 || '.0/24')::cidr
  FROM generate_series(1, 150) g;
INSERT INTO parts SELECT k, 'part ' || p, CASE WHEN p = 3 THEN NULL ELSE k * 1.5 + p END, CASE WHEN k % 4 = 0 THEN NULL ELSE 'note ' || k % 3 END, DATE '2026-01-31' + k * 28
  FROM generate_series(0, 24, 2) k, generate_series(1, 3) p;
INSERT INTO readings SELECT (ARRAY['north','süd','東','West','west',''])[1 + g % 6], g, CASE WHEN g % 11 = 0 THEN NULL ELSE g / 8.0 END, round(g / 7.0, g % 6) FROM generate_series(1, 90) g;
INSERT INTO "Odd Names" SELECT g * 10000000000, CASE WHEN g % 3 = 0 THEN NULL ELSE 'row ' || g END, g % 4, 'ü' || g FROM generate_series(1, 12) g;
INSERT INTO kinds VALUES ('C0', 1, 'Zero'), ('C1', 1, 'one'), ('C2', 2, NULL), ('C3', NULL, 'Dréi'), ('C77', 9, 'unused');
INSERT INTO local_numbers SELECT g, CASE WHEN g % 5 = 0 THEN NULL ELSE 'word ' || g % 4 END, g % 3 FROM generate_series(0, 19) g;

-- The same name in two schemas, reserved words as names, columns that are gone.
CREATE SCHEMA other;
CREATE TABLE other.tenants (tenant_id int, title text, gone int, PRIMARY KEY (tenant_id));
CREATE TABLE "Order Items" ("Order" int, "Item No" int, "table" text, early int, PRIMARY KEY ("Order", "Item No"));
CREATE TABLE "user" ("group" int, "select" text);
ALTER TABLE "Order Items" DROP COLUMN early;
SELECT create_distributed_table('other.tenants', 'tenant_id', colocate_with => 'public.tenants');
SELECT create_distributed_table('"Order Items"', 'Order');
SELECT create_distributed_table('"user"', 'group');
ALTER TABLE other.tenants DROP COLUMN gone;
ALTER TABLE other.tenants ADD COLUMN late text DEFAULT 'late';
INSERT INTO other.tenants SELECT g, 'other ' || g FROM generate_series(1, 20) g;
INSERT INTO "Order Items" SELECT g % 5, g, 't' || g FROM generate_series(1, 30) g;
INSERT INTO "user" SELECT g, 'u' || g FROM generate_series(1, 9) g;

-- Rows that follow others to their shards, and rows that hold them back.
CREATE TABLE regions (k int PRIMARY KEY, v int);
CREATE TABLE towns (k int, id int, gone int, v int, g int GENERATED ALWAYS AS (v + 1) STORED, PRIMARY KEY (k, id), FOREIGN KEY (k) REFERENCES regions ON UPDATE CASCADE ON DELETE CASCADE, CONSTRAINT towns_near CHECK (k < 9000));
CREATE TABLE streets (k int, id int, note text, FOREIGN KEY (k, id) REFERENCES towns ON UPDATE CASCADE ON DELETE CASCADE);
CREATE TABLE depots (k int, id int, note text, PRIMARY KEY (k, id), FOREIGN KEY (k) REFERENCES regions ON DELETE CASCADE);
CREATE TABLE vans (k int, id int, p int, note text, PRIMARY KEY (k, id), FOREIGN KEY (k, p) REFERENCES depots ON DELETE SET NULL (p) ON UPDATE CASCADE);
CREATE TABLE plots (k int, id bigint, code varchar(3), note text, FOREIGN KEY (k, id) REFERENCES towns ON UPDATE CASCADE ON DELETE CASCADE);
ALTER TABLE towns DROP COLUMN gone;
SELECT create_distributed_table('regions', 'k', shard_count => 6, colocate_with => 'none');
SELECT create_distributed_table('towns', 'k', colocate_with => 'regions');
SELECT create_distributed_table('streets', 'k', colocate_with => 'regions');
SELECT create_distributed_table('depots', 'k', colocate_with => 'regions');
SELECT create_distributed_table('vans', 'k', colocate_with => 'regions');
SELECT create_distributed_table('plots', 'k', colocate_with => 'regions');
INSERT INTO regions SELECT g, g FROM generate_series(1,30) g;
INSERT INTO towns (k, id, v) SELECT g, g*10+i, i FROM generate_series(1,20) g, generate_series(1,2) i;
INSERT INTO streets SELECT k, id, 'n' || id FROM towns, generate_series(1,2) WHERE k < 10;
INSERT INTO plots SELECT k, id, 'p' || k, 'plot ' || id FROM towns WHERE k IN (1, 2, 3, 13);
INSERT INTO depots SELECT g, g, 'depots' FROM generate_series(15,18) g;
INSERT INTO vans SELECT g, g, g, 'vans' FROM generate_series(15,16) g;
