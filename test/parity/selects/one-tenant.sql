-- # Statements pinned to one shard: the text of the user reaches one server.
SELECT * FROM tenants WHERE tenant_id = 7;
SELECT tenant_id, name, plan FROM tenants WHERE 7 = tenant_id;
SELECT * FROM tenants WHERE tenant_id = 7::bigint;
SELECT * FROM tenants WHERE tenant_id = 7::smallint;
SELECT * FROM tenants WHERE tenant_id = '7';
SELECT * FROM tenants WHERE tenant_id = 7.0;
SELECT * FROM tenants WHERE tenant_id = 7.5;
SELECT * FROM tenants WHERE tenant_id = 3 + 4;
SELECT * FROM tenants WHERE tenant_id = -7;
SELECT * FROM tenants WHERE tenant_id = 99999;
SELECT * FROM tenants WHERE tenant_id = 7 AND tenant_id = 8;
SELECT * FROM tenants WHERE tenant_id = 7 AND false;
SELECT * FROM tenants WHERE tenant_id = NULL;
SELECT * FROM tenants WHERE tenant_id IS NULL;
SELECT * FROM tenants WHERE (tenant_id = 7) IS TRUE;
SELECT * FROM tenants WHERE tenant_id IN (7);
SELECT * FROM tenants WHERE tenant_id = ANY (ARRAY[7]);
SELECT * FROM tenants WHERE tenant_id BETWEEN 7 AND 7;
SELECT * FROM tenants WHERE (tenant_id, plan) = (7, 'pro');
SELECT * FROM tenants WHERE NOT (tenant_id <> 7);
SELECT * FROM public.tenants WHERE public.tenants.tenant_id = 7;
SELECT tenants.* FROM public.tenants WHERE tenants.tenant_id = 7;
SELECT public.tenants.name FROM public.tenants WHERE tenant_id = 7;
SELECT t.* FROM tenants AS t WHERE t.tenant_id = 7;
SELECT t.a, t.b FROM tenants AS t (a, b, c) WHERE t.a = 7;
SELECT (t).name FROM tenants t WHERE tenant_id = 7;
SELECT t::text FROM tenants t WHERE tenant_id = 7;
SELECT row_to_json(t) FROM tenants t WHERE tenant_id = 7;
SELECT to_jsonb(t.*) FROM tenants t WHERE t.tenant_id = 7;
SELECT TENANT_ID, "name" FROM Tenants WHERE Tenant_Id = 7;
TABLE empty_table;
SELECT FROM tenants WHERE tenant_id = 7;
SELECT 1 FROM tenants WHERE tenant_id = 7;
SELECT count(*) FROM tenants WHERE tenant_id = 7;
SELECT count(*) FROM tenants WHERE tenant_id = 99999;
SELECT sum(total), avg(total), min(total), max(total) FROM orders WHERE tenant_id = 7;
SELECT sum(total) FROM orders WHERE tenant_id = 99999;
SELECT user_id, sum(total) FROM orders WHERE tenant_id = 7 GROUP BY user_id ORDER BY 2 DESC, 1;
SELECT user_id, sum(total) FROM orders WHERE tenant_id = 7 GROUP BY user_id HAVING sum(total) > 50 ORDER BY 1;
SELECT * FROM orders WHERE tenant_id = 7 ORDER BY order_id LIMIT 3 OFFSET 2;
SELECT * FROM orders WHERE tenant_id = 7 ORDER BY order_id DESC FETCH FIRST 2 ROWS ONLY;
SELECT * FROM orders WHERE tenant_id = 7 ORDER BY total > 50, order_id FETCH FIRST 1 ROW WITH TIES;
SELECT DISTINCT event_type FROM events WHERE tenant_id = 7 ORDER BY event_type;
SELECT DISTINCT ON (event_type) event_type, event_id FROM events WHERE tenant_id = 7 ORDER BY event_type, event_id DESC;
SELECT event_type, rank() OVER (ORDER BY count(*) DESC, event_type) FROM events WHERE tenant_id = 7 GROUP BY event_type ORDER BY 2;
SELECT event_id, lag(event_type) OVER w, lead(event_id, 2, 0) OVER w FROM events WHERE tenant_id = 7 WINDOW w AS (PARTITION BY event_type ORDER BY event_id) ORDER BY event_id LIMIT 12;
SELECT event_id, sum(event_id) OVER (ORDER BY event_id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) FROM events WHERE tenant_id = 7 ORDER BY 1 LIMIT 8;
SELECT event_data->>'page' AS page, count(*) FROM events WHERE tenant_id = 7 GROUP BY 1 ORDER BY 1;
SELECT event_data #>> '{country_code}', jsonb_typeof(event_data->'page') FROM events WHERE tenant_id = 7 ORDER BY event_id LIMIT 4;
SELECT event_id FROM events WHERE tenant_id = 7 AND event_data @> '{"country_code": "nl"}' ORDER BY event_id;
SELECT event_id FROM events WHERE tenant_id = 7 AND event_data ? 'page' AND created_at >= '2026-11-10' AND created_at < '2026-11-11' ORDER BY event_id;
SELECT t.name, u.email FROM tenants t JOIN users u ON u.tenant_id = t.tenant_id WHERE t.tenant_id = 7 ORDER BY u.user_id;
SELECT t.name, u.email FROM tenants t, users u WHERE u.tenant_id = t.tenant_id AND u.tenant_id = 7 ORDER BY u.user_id;
SELECT name, email FROM tenants JOIN users USING (tenant_id) WHERE tenant_id = 7 ORDER BY user_id;
SELECT name, email FROM tenants NATURAL JOIN users WHERE tenant_id = 7 ORDER BY user_id;
SELECT t.name, u.email, o.total FROM tenants t JOIN users u USING (tenant_id) LEFT JOIN orders o ON o.tenant_id = t.tenant_id AND o.user_id = u.user_id WHERE t.tenant_id = 7 ORDER BY o.order_id NULLS LAST, u.user_id;
SELECT t.name, u.email FROM tenants t CROSS JOIN users u WHERE t.tenant_id = 7 AND u.tenant_id = 7 ORDER BY u.user_id;
SELECT a.user_id, b.user_id FROM users a JOIN users b ON a.tenant_id = b.tenant_id AND a.user_id < b.user_id WHERE a.tenant_id = 7 ORDER BY 1, 2;
SELECT e.event_id, c.name FROM events e JOIN countries c ON c.code = e.event_data->>'country_code' WHERE e.tenant_id = 7 ORDER BY e.event_id LIMIT 5;
SELECT c.code, count(e.event_id) FROM countries c LEFT JOIN events e ON e.tenant_id = 7 AND c.code = e.event_data->>'country_code' GROUP BY c.code ORDER BY 1;
SELECT name FROM tenants WHERE tenant_id = 7 AND EXISTS (SELECT 1 FROM orders WHERE orders.tenant_id = tenants.tenant_id AND total > 90);
SELECT name FROM tenants t WHERE tenant_id = 7 AND NOT EXISTS (SELECT FROM orders o WHERE o.tenant_id = t.tenant_id AND total > 1000);
SELECT user_id FROM users WHERE tenant_id = 7 AND user_id IN (SELECT user_id FROM orders WHERE tenant_id = 7 AND total > 50) ORDER BY 1;
SELECT user_id FROM users WHERE tenant_id = 7 AND user_id NOT IN (SELECT user_id FROM orders WHERE tenant_id = 7 AND total > 50) ORDER BY 1;
SELECT user_id, (SELECT max(total) FROM orders o WHERE o.tenant_id = u.tenant_id AND o.user_id = u.user_id) FROM users u WHERE tenant_id = 7 ORDER BY 1;
SELECT order_id FROM orders WHERE tenant_id = 7 AND total = (SELECT max(total) FROM orders WHERE tenant_id = 7);
SELECT order_id FROM orders WHERE tenant_id = 7 AND total >= ALL (SELECT total FROM orders WHERE tenant_id = 7);
SELECT order_id FROM orders WHERE tenant_id = 7 AND total > ANY (SELECT avg(total) FROM orders WHERE tenant_id = 7) ORDER BY 1;
SELECT ARRAY(SELECT user_id FROM users WHERE tenant_id = 7 ORDER BY user_id);
SELECT (SELECT count(*) FROM users WHERE tenant_id = 7), (SELECT sum(total) FROM orders WHERE tenant_id = 7);
SELECT * FROM (SELECT user_id, sum(total) AS s FROM orders WHERE tenant_id = 7 GROUP BY user_id) x WHERE s > 50 ORDER BY 1;
SELECT * FROM (SELECT tenant_id, user_id, sum(total) AS s FROM orders GROUP BY tenant_id, user_id) x WHERE tenant_id = 7 ORDER BY 2;
WITH big AS (SELECT * FROM orders WHERE tenant_id = 7 AND total > 50) SELECT count(*), max(total) FROM big;
WITH big AS MATERIALIZED (SELECT * FROM orders WHERE tenant_id = 7), top AS (SELECT max(total) AS m FROM big) SELECT order_id FROM big, top WHERE total = m;
WITH RECURSIVE up (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < 5) SELECT n, count(o.order_id) FROM up LEFT JOIN orders o ON o.tenant_id = 7 AND o.user_id = 70 + n GROUP BY n ORDER BY n;
WITH tenants AS (SELECT 1 AS tenant_id, 'shadow' AS name) SELECT * FROM tenants;
WITH x AS (SELECT user_id FROM users WHERE tenant_id = 7) SELECT u.email FROM users u JOIN x USING (user_id) WHERE u.tenant_id = 7 ORDER BY 1;
SELECT u.email, l.total FROM users u CROSS JOIN LATERAL (SELECT total FROM orders o WHERE o.tenant_id = u.tenant_id AND o.user_id = u.user_id ORDER BY total DESC LIMIT 1) l WHERE u.tenant_id = 7 ORDER BY 1;
SELECT user_id FROM users WHERE tenant_id = 7 UNION SELECT user_id FROM orders WHERE tenant_id = 7 ORDER BY 1;
SELECT user_id FROM orders WHERE tenant_id = 7 EXCEPT SELECT user_id FROM users WHERE tenant_id = 7 ORDER BY 1;
SELECT user_id FROM orders WHERE tenant_id = 7 INTERSECT ALL SELECT user_id FROM users WHERE tenant_id = 7 ORDER BY 1;
SELECT event_type, date_trunc('week', created_at), count(*) FROM events WHERE tenant_id = 7 GROUP BY ROLLUP (1, 2) ORDER BY 1, 2;
SELECT event_type, event_data->>'page', count(*), grouping(event_type, event_data->>'page') FROM events WHERE tenant_id = 7 GROUP BY CUBE (event_type, event_data->>'page') ORDER BY 1, 2, 4;
SELECT string_agg(email, ', ' ORDER BY email DESC) FROM users WHERE tenant_id = 7;
SELECT array_agg(total ORDER BY total), percentile_cont(0.5) WITHIN GROUP (ORDER BY total), mode() WITHIN GROUP (ORDER BY user_id) FROM orders WHERE tenant_id = 7;
SELECT jsonb_object_agg(user_id, email), json_agg(email ORDER BY user_id) FROM users WHERE tenant_id = 7;
SELECT count(*) FILTER (WHERE total > 50), count(DISTINCT total), stddev(total), variance(total) FROM orders WHERE tenant_id = 7;
SELECT tenant_id = 7 AS mine FROM tenants WHERE tenant_id = 7;
-- parameters: ["7"]
SELECT * FROM tenants WHERE tenant_id = $1;
-- parameters: ["7", "view"]
SELECT count(*), min(created_at) FROM events WHERE tenant_id = $1 AND event_type = $2;
-- parameters: [null]
SELECT * FROM tenants WHERE tenant_id = $1;
-- parameters: ["7"]
SELECT t.name, count(*) FROM tenants t JOIN orders o USING (tenant_id) WHERE t.tenant_id = $1::int GROUP BY 1;
-- parameters: ["7"]
SELECT $1::text, tenant_id FROM tenants WHERE tenant_id = $1::int;
-- parameters: ["{7,8,9}"]
SELECT * FROM tenants WHERE tenant_id = ANY ($1) ORDER BY tenant_id;
-- parameters: ["7", "2"]
SELECT order_id FROM orders WHERE tenant_id = $1 ORDER BY total, order_id LIMIT $2;
-- parameters: ["north"]
SELECT n, value FROM readings WHERE sensor = $1 ORDER BY n;
-- parameters: ["süd"]
SELECT count(*), sum(value), max(quality) FROM readings WHERE sensor = $1;
SELECT n, quality FROM readings WHERE sensor = '東' ORDER BY n;
SELECT n FROM readings WHERE sensor = '' ORDER BY n;
SELECT n FROM readings WHERE sensor = E's\u00fcd' ORDER BY n;
SELECT n FROM readings WHERE sensor = U&'s\00fcd' ORDER BY n;
SELECT n FROM readings WHERE sensor = $tag$west$tag$ ORDER BY n;
-- error: 42601
SELECT n FROM readings WHERE sensor = 'we' 'st' ORDER BY n;
SELECT n FROM readings WHERE sensor = 'we'
  'st' ORDER BY n;
SELECT n /* a comment ; with 'things' */ FROM readings -- and another
 WHERE sensor = 'north' /* nested /* deeper */ */ ORDER BY n;
SELECT "Key", "select", "with ""quotes""", "ünïcode" FROM "Odd Names" WHERE "Key" = 30000000000;
SELECT o."with ""quotes""" AS "a""b" FROM public."Odd Names" o WHERE o."Key" = 30000000000;
SELECT "Odd Names"."select" FROM "Odd Names" WHERE "Odd Names"."Key" = 40000000000;
SELECT U&"\00fcn\00efcode" FROM "Odd Names" WHERE "Key" = 40000000000;
SELECT * FROM companies WHERE id = 5;
SELECT c.name, count(a.id), sum(a.impressions_count) FROM companies c JOIN ads a ON a.company_id = c.id WHERE c.id = 5 GROUP BY c.name;
SELECT a.id, count(c.id), sum(c.cost_per_click_usd) FROM ads a LEFT JOIN clicks c ON c.company_id = a.company_id AND c.ad_id = a.id WHERE a.company_id = 5 GROUP BY a.id ORDER BY 1;
SELECT user_ip, user_data FROM clicks WHERE company_id = 5 ORDER BY id LIMIT 3;
SELECT ca.name, ad.name FROM campaigns ca JOIN ads ad ON (ca.company_id, ca.id) = (ad.company_id, ad.campaign_id) WHERE ca.company_id = 5 ORDER BY 1, 2;
SELECT * FROM samples WHERE k = 3 ORDER BY id;
SELECT * FROM samples WHERE k = 3 AND id = 20;
SELECT s.id, p.part, kinds.title FROM samples s JOIN parts p ON p.k = s.k LEFT JOIN kinds ON kinds.kind = s.code WHERE s.k = 4 ORDER BY s.id, p.part;
SELECT id, CASE WHEN flag THEN 'yes' WHEN NOT flag THEN 'no' ELSE 'unknown' END, coalesce(label, '?'), nullif(code, 'C3'), greatest(small, id), least(price, amount) FROM samples WHERE k = 3 ORDER BY id;
SELECT * FROM tenants WHERE tenant_id = 7 FOR UPDATE;
SELECT * FROM tenants WHERE tenant_id = 7 FOR NO KEY UPDATE SKIP LOCKED;
SELECT t.tenant_id, u.user_id FROM tenants t JOIN users u USING (tenant_id) WHERE tenant_id = 7 ORDER BY 2 FOR SHARE OF t;
-- error: 22012
SELECT 1 / (tenant_id - 7) FROM tenants WHERE tenant_id = 7;
-- error: 42703
SELECT nothing FROM tenants WHERE tenant_id = 7;
-- error: 42883
SELECT no_such_function(name) FROM tenants WHERE tenant_id = 7;
-- error: 22P02
SELECT name::int FROM tenants WHERE tenant_id = 7;
-- error: 22P02
SELECT * FROM tenants WHERE tenant_id = 'seven';
-- error: 42883
SELECT * FROM tenants WHERE tenant_id = 'seven'::text;
-- error: 42803
SELECT name, count(*) FROM tenants WHERE tenant_id = 7;
-- error: 42702
SELECT tenant_id FROM tenants t JOIN users u ON t.tenant_id = u.tenant_id WHERE t.tenant_id = 7;
-- error: 21000
SELECT (SELECT user_id FROM users WHERE tenant_id = 7);
-- error: 42P01
SELECT * FROM no_such_table WHERE tenant_id = 7;
-- error: 42601
SELECT * FROM tenants WHERE tenant_id = 7 ORDER;
-- error: 42P01
SELECT * FROM no_such_schema.tenants WHERE tenant_id = 7;
