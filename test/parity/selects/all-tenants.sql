-- # Statements over all shards: rows, order, limits, filters.
-- unordered
SELECT * FROM tenants;
-- unordered
SELECT name FROM tenants WHERE plan = 'pro';
-- unordered
SELECT t.tenant_id, upper(t.name) AS loud, length(t.plan), t.tenant_id * 2.5 FROM tenants t WHERE t.tenant_id % 7 = 1;
-- unordered
SELECT *, tenant_id + 1 AS next FROM tenants WHERE tenant_id < 9;
-- unordered
SELECT FROM tenants WHERE tenant_id < 4;
-- unordered
SELECT 1, 'x', NULL FROM tenants WHERE tenant_id < 4;
-- unordered
SELECT * FROM tenants WHERE tenant_id IN (1, 5, 9, 33, 1000);
-- unordered
SELECT * FROM tenants WHERE tenant_id NOT IN (1, 5, 9) AND tenant_id < 20;
-- unordered
SELECT * FROM tenants WHERE tenant_id = 3 OR tenant_id = 4;
-- unordered
SELECT * FROM tenants WHERE tenant_id = 3 OR plan = 'enterprise';
-- unordered
SELECT * FROM tenants WHERE tenant_id = ANY ('{2,4,6}');
-- unordered
SELECT * FROM tenants WHERE tenant_id > ALL (ARRAY[44, 45]);
-- unordered
SELECT * FROM tenants WHERE name LIKE 'Tenant 1%' AND name NOT LIKE '%5';
-- unordered
SELECT * FROM tenants WHERE name ILIKE 'tenant _' ;
-- unordered
SELECT * FROM tenants WHERE name ~ '^Tenant [1-3]$' OR name SIMILAR TO '%(44|45)';
-- unordered
SELECT * FROM tenants WHERE plan IS DISTINCT FROM 'free' AND tenant_id < 10;
-- unordered
SELECT * FROM samples WHERE flag;
-- unordered
SELECT id FROM samples WHERE flag IS NULL;
-- unordered
SELECT id FROM samples WHERE flag IS NOT TRUE AND label IS NOT NULL;
-- unordered
SELECT id, label FROM samples WHERE label IN ('ünder', '日本', '') OR label IS NULL;
-- unordered
SELECT id FROM samples WHERE born BETWEEN DATE '2000-01-01' AND DATE '2001-01-01';
-- unordered
SELECT id, seen FROM samples WHERE seen >= '2026-03-29' AND seen < '2026-03-29 06:00';
-- unordered
SELECT id, logged FROM samples WHERE logged > '2026-10-25 02:30+02';
-- unordered
SELECT id, logged AT TIME ZONE 'America/New_York', seen AT TIME ZONE 'UTC' FROM samples WHERE id < 20;
-- unordered
SELECT id FROM samples WHERE span > INTERVAL '20 days';
-- unordered
SELECT id FROM samples WHERE uid > 'cccccccc-0000-0000-0000-000000000000';
-- unordered
SELECT id, encode(body, 'base64') FROM samples WHERE body > '\x80';
-- unordered
SELECT id, tags FROM samples WHERE 'y' = ANY (tags);
-- unordered
SELECT id, nums FROM samples WHERE nums && ARRAY[1, 2] AND array_length(nums, 1) = 1;
-- unordered
SELECT id, doc->'deep'->'list'->>2 FROM samples WHERE doc @> '{"s": "v1"}';
-- unordered
SELECT id, ip, net FROM samples WHERE ip << '10.1.0.0/16' AND id < 40;
-- unordered
SELECT id, price FROM samples WHERE price > 20.5 AND amount < 100;
-- unordered
SELECT id, ratio FROM samples WHERE ratio = 'NaN' OR ratio = '-Infinity';
-- unordered
SELECT id FROM samples WHERE fixed = 'f1' AND code = 'C7';
-- unordered
SELECT * FROM readings WHERE sensor IN ('north', '東') AND value > 5;
-- unordered
SELECT * FROM readings WHERE sensor > 'a' AND n < 30;
-- unordered
SELECT * FROM "Odd Names";
-- unordered
SELECT "with ""quotes""" + 1, "select" || '!' FROM public."Odd Names" WHERE "ünïcode" <> 'ü3';
SELECT * FROM empty_table;
SELECT v, k FROM empty_table ORDER BY v DESC LIMIT 5;
SELECT * FROM tenants WHERE false;
SELECT * FROM tenants WHERE NULL;
SELECT * FROM tenants WHERE tenant_id > 1000 ORDER BY name;
-- unordered
SELECT CASE WHEN total > 80 THEN 'high' WHEN total > 40 THEN 'middle' ELSE 'low' END AS band, order_id FROM orders WHERE user_id % 10 = 3;
-- unordered
SELECT id, coalesce(label, code, 'none'), nullif(small, 0), greatest(big, 0), least(weight, 1) FROM samples;
-- unordered
SELECT id, price::int, amount::text, weight::numeric(6,2), flag::int, small::bigint, born::timestamp, seen::date, seen::time, uid::text, code::char(2) FROM samples WHERE id BETWEEN 21 AND 49;
-- unordered
SELECT id, extract(year FROM born), date_part('dow', seen), date_trunc('hour', logged), to_char(seen, 'YYYY-MM-DD"T"HH24:MI Day'), age(TIMESTAMP '2026-12-01', seen) FROM samples WHERE id < 50 AND born < 'infinity';
-- unordered
SELECT id, born + 10, born - DATE '2000-01-01', seen + span, clock + INTERVAL '3 hours', span * 2, justify_days(span) FROM samples WHERE id < 40;
-- unordered
SELECT id, upper(label), lower(label), initcap(label), length(label), octet_length(label), reverse(label), left(label, 2), substr(label, 2, 3), position('a' in label), replace(label, 'a', 'ä'), md5(label), label || '|' || code FROM samples;
-- unordered
SELECT id, split_part(code, 'C', 2), lpad(code, 6, '*'), rpad(fixed, 8, '.') || '|', trim(fixed) || '|', translate(code, '0123', 'abcd'), regexp_replace(label, '[aeiou]', '#', 'g'), format('%s-%L-%I', code, label, fixed) FROM samples WHERE id % 3 = 0;
-- unordered
SELECT id, round(price, 1), ceil(weight), floor(weight), abs(small), sign(small), mod(id, 7), power(small, 2), sqrt(id), trunc(amount), small / 2, id % 4, id & 6, id # 3, id << 2 FROM samples WHERE id < 60;
-- unordered
SELECT id, tags[1], tags[2:3], array_to_string(tags, ',', 'null'), cardinality(nums), array_append(nums, 0), nums || 9, array_position(nums, 3), to_json(tags) FROM samples;
-- unordered
SELECT id, doc->>'n', (doc->>'n')::int + 1, doc #> '{deep,list}', jsonb_array_length(doc #> '{deep,list}'), doc - 's', doc || '{"new": true}', plain->'b', jsonb_pretty(doc) FROM samples WHERE id < 30;
-- unordered
SELECT id, host(ip), masklen(net), family(ip), network(ip), net >> ip FROM samples WHERE id < 20;
-- unordered
SELECT id, unnest(nums) FROM samples WHERE id < 30;
-- unordered
SELECT id, generate_series(1, small) FROM samples WHERE id < 30;
-- unordered
SELECT s.id, u.tag FROM samples s, unnest(s.tags) AS u (tag) WHERE s.id < 40;
-- unordered
SELECT s.id, u.tag, u.ord FROM samples s CROSS JOIN LATERAL unnest(s.tags) WITH ORDINALITY AS u (tag, ord) WHERE s.id < 40;
-- unordered
SELECT s.id, e.key, e.value FROM samples s, jsonb_each(s.doc) e WHERE s.id < 20;
-- unordered
SELECT s.id, g FROM samples s LEFT JOIN LATERAL generate_series(1, s.small) g ON true WHERE s.id < 25;
-- unordered
SELECT ROW(k, id), ROW(k, NULL)::text FROM samples WHERE id < 9;
-- unordered
SELECT (k, id) < (5, 100) AS before, k, id FROM samples WHERE (k, id) >= (15, 40);
-- unordered
SELECT id IS NULL, label IS NULL AS missing, (flag AND small > 0) IS UNKNOWN FROM samples;
-- unordered
SELECT row_to_json(t) FROM tenants t WHERE tenant_id < 5;
-- unordered
SELECT t::text FROM tenants t WHERE tenant_id < 5;
-- # order
SELECT * FROM tenants ORDER BY tenant_id;
SELECT * FROM tenants ORDER BY tenant_id DESC;
SELECT name FROM tenants ORDER BY name;
SELECT name AS n FROM tenants ORDER BY n DESC;
SELECT name, tenant_id FROM tenants ORDER BY 2;
SELECT plan, name FROM tenants ORDER BY 1 DESC, 2;
SELECT plan, tenant_id FROM tenants ORDER BY plan, tenant_id DESC;
SELECT tenant_id FROM tenants ORDER BY name;
SELECT tenant_id FROM tenants ORDER BY length(name), name DESC;
SELECT tenant_id FROM tenants ORDER BY -tenant_id;
SELECT tenant_id FROM tenants ORDER BY tenant_id % 5, tenant_id / 5 DESC;
SELECT tenant_id FROM tenants ORDER BY CASE plan WHEN 'pro' THEN 0 WHEN 'free' THEN 1 ELSE 2 END, tenant_id;
SELECT tenants.tenant_id AS name FROM tenants ORDER BY name;
SELECT -tenant_id AS tenant_id FROM tenants ORDER BY tenant_id;
SELECT -tenant_id AS tenant_id FROM tenants ORDER BY tenants.tenant_id;
SELECT label, id FROM samples ORDER BY label COLLATE "C", id;
SELECT label, id FROM samples ORDER BY label COLLATE "C" DESC NULLS LAST, id;
SELECT label, id FROM samples ORDER BY label COLLATE "POSIX" NULLS FIRST, id LIMIT 40;
SELECT label, id FROM samples ORDER BY label COLLATE "und-x-icu", id;
SELECT label, id FROM samples ORDER BY label COLLATE "de-x-icu" DESC, id;
SELECT label, id FROM samples ORDER BY lower(label) COLLATE "en-x-icu", id;
SELECT lower(label), id FROM samples ORDER BY lower(label), id;
SELECT id FROM samples ORDER BY label < 'b' COLLATE "C", id;
SELECT id, tags FROM samples ORDER BY tags NULLS FIRST, id;
SELECT id, doc FROM samples ORDER BY doc DESC NULLS LAST, id LIMIT 30;
SELECT id FROM samples ORDER BY doc->>'s' DESC NULLS LAST, (doc->>'n')::int, id;
SELECT id, span FROM samples ORDER BY span DESC, id;
SELECT id FROM samples ORDER BY ratio USING <, id;
SELECT id FROM samples ORDER BY ratio USING >, id;
SELECT sensor, n FROM readings ORDER BY sensor, n;
SELECT sensor, n FROM readings ORDER BY sensor DESC, n DESC LIMIT 25;
SELECT n FROM readings ORDER BY value NULLS FIRST, n LIMIT 10;
SELECT quality FROM readings ORDER BY quality, n;
SELECT "ünïcode" FROM "Odd Names" ORDER BY "with ""quotes""" DESC, "Key";
SELECT t.* FROM (SELECT tenant_id, name FROM tenants) t ORDER BY 1;
-- # limits
SELECT * FROM tenants ORDER BY tenant_id LIMIT 3;
SELECT * FROM tenants ORDER BY tenant_id LIMIT 3 OFFSET 4;
SELECT * FROM tenants ORDER BY tenant_id OFFSET 47;
SELECT * FROM tenants ORDER BY tenant_id LIMIT 0;
SELECT * FROM tenants ORDER BY tenant_id LIMIT NULL OFFSET 48;
SELECT * FROM tenants ORDER BY tenant_id LIMIT ALL;
SELECT * FROM tenants ORDER BY tenant_id LIMIT 1 + 1 OFFSET 2 * 3;
SELECT * FROM tenants ORDER BY tenant_id LIMIT (SELECT 2);
SELECT * FROM tenants ORDER BY tenant_id LIMIT '2';
SELECT * FROM tenants ORDER BY tenant_id OFFSET 10 ROWS FETCH NEXT 3 ROWS ONLY;
SELECT * FROM tenants ORDER BY tenant_id FETCH FIRST ROW ONLY;
SELECT plan FROM tenants ORDER BY plan FETCH FIRST 2 ROWS WITH TIES;
SELECT tenant_id, plan FROM tenants ORDER BY plan, tenant_id LIMIT 5 OFFSET 1000;
-- error: 2201W
SELECT * FROM tenants ORDER BY tenant_id LIMIT -1;
-- error: 2201X
SELECT * FROM tenants ORDER BY tenant_id OFFSET -1;
-- parameters: ["3", "2"]
SELECT tenant_id FROM tenants ORDER BY tenant_id LIMIT $1 OFFSET $2;
-- parameters: ["pro", "20"]
SELECT tenant_id FROM tenants WHERE plan = $1 AND tenant_id < $2 ORDER BY tenant_id;
-- parameters: [null]
SELECT count(*) FROM tenants WHERE plan = $1;
-- parameters: ["{1,2,3}", "x"]
SELECT tenant_id, $2::text FROM tenants WHERE tenant_id = ANY ($1::int[]) ORDER BY tenant_id;
-- parameters: ["1", "40", "7"]
SELECT tenant_id FROM tenants WHERE tenant_id IN ($1, $2, $3) ORDER BY 1;
-- # distinct
-- unordered
SELECT DISTINCT plan FROM tenants;
SELECT DISTINCT plan FROM tenants ORDER BY plan DESC;
SELECT DISTINCT plan, tenant_id % 2 FROM tenants ORDER BY 2, 1;
SELECT DISTINCT event_type, event_data->>'page' AS page FROM events ORDER BY page, event_type LIMIT 7;
-- unordered
SELECT DISTINCT label, flag FROM samples;
-- unordered
SELECT DISTINCT code FROM samples WHERE small > 0;
SELECT DISTINCT ON (k) k, id, label FROM samples ORDER BY k, id DESC;
SELECT DISTINCT ON (plan) plan, tenant_id FROM tenants ORDER BY plan, tenant_id DESC;
SELECT DISTINCT ON (label) label, id FROM samples ORDER BY label NULLS FIRST, id LIMIT 6;
SELECT count(*) FROM (SELECT DISTINCT tenant_id, user_id FROM orders) x;
SELECT DISTINCT count(*) FROM orders GROUP BY tenant_id;
SELECT DISTINCT ratio FROM samples ORDER BY ratio;
SELECT DISTINCT amount FROM samples WHERE amount < 10 ORDER BY amount;
SELECT DISTINCT tags FROM samples ORDER BY tags;
-- # errors
-- error: 22012
SELECT 1 / (tenant_id - 20) FROM tenants;
-- error: 22012
SELECT sum(1 / (tenant_id - 20)) FROM tenants;
-- error: 22P02
SELECT name::int FROM tenants;
-- error: 42703
SELECT nothing FROM tenants;
-- error: 42703
SELECT tenant_id FROM tenants ORDER BY nothing;
-- error: 42P10
SELECT tenant_id FROM tenants ORDER BY 2;
-- error: 42803
SELECT plan, name, count(*) FROM tenants GROUP BY plan;
-- error: 42803
SELECT tenant_id FROM tenants WHERE count(*) > 1;
-- error: 42883
SELECT tenant_id FROM tenants WHERE name = 5;
-- error: 42804
SELECT tenant_id FROM tenants WHERE name;
-- error: 42P01
SELECT other.tenant_id FROM tenants;
-- error: 42P10
SELECT DISTINCT plan FROM tenants ORDER BY name;
-- error: 42883
SELECT DISTINCT plain FROM samples;
-- error: 22003
SELECT born + 100000000 * id FROM samples WHERE born < 'infinity' ORDER BY id;
-- error: 22003
SELECT small * 32767::smallint FROM samples;
-- error: 42712
SELECT 1 FROM tenants, tenants;
