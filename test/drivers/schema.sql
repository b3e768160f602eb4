CREATE TABLE people (
  tenant int, id bigint, name text, nick varchar(20), active bool, small smallint, ratio double precision, price numeric(10,2), born date, seen timestamp, logged timestamptz,
  payload bytea, uid uuid, doc jsonb, tags text[], nums int[], span interval, PRIMARY KEY (tenant, id));
CREATE TABLE notes (tenant int, id int, note text, PRIMARY KEY (tenant, id));
CREATE TABLE lookup (code text PRIMARY KEY, title text);
CREATE TABLE plain_local (id int PRIMARY KEY, word text);
SELECT create_distributed_table('people', 'tenant');
SELECT create_distributed_table('notes', 'tenant');
SELECT create_reference_table('lookup');
INSERT INTO lookup VALUES ('a', 'Alpha'), ('b', 'Béta');
INSERT INTO people (tenant, id, name, nick, active, small, ratio, price, born, seen, logged, payload, uid, doc, tags, nums, span)
  SELECT g % 10, g, 'name ' || g, CASE WHEN g % 4 = 0 THEN NULL ELSE 'n' || g END, g % 3 = 0, g % 100, g / 4.0, g * 1.25, DATE '2000-02-28' + g, TIMESTAMP '2026-03-29 01:30' + g * INTERVAL '1 hour',
    TIMESTAMPTZ '2026-03-29 00:30+00' + g * INTERVAL '1 hour', decode(md5(g::text), 'hex'), md5(g::text)::uuid, jsonb_build_object('g', g), ARRAY['t' || g, NULL], ARRAY[g, 2], g * INTERVAL '1 day'
  FROM generate_series(1, 200) g;
