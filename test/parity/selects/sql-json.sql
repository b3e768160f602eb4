-- # What the grammar has rules of its own for: aggregates and subqueries that look like no others.
SELECT JSON_ARRAYAGG(user_id ORDER BY user_id DESC) FROM users WHERE tenant_id < 4;
SELECT tenant_id, JSON_ARRAYAGG(user_id ORDER BY user_id) FROM users WHERE tenant_id < 4 GROUP BY tenant_id ORDER BY 1;
SELECT user_id % 3 AS r, JSON_ARRAYAGG(user_id ORDER BY user_id RETURNING jsonb) FILTER (WHERE tenant_id < 4) FROM users GROUP BY 1 ORDER BY 1;
SELECT JSON_OBJECTAGG(user_id: email ABSENT ON NULL RETURNING jsonb) FROM users WHERE tenant_id < 3;
SELECT count(*), JSON_OBJECTAGG(n VALUE c RETURNING jsonb) FROM (SELECT tenant_id AS n, count(*) AS c FROM users GROUP BY 1) s WHERE n < 5;
SELECT tenant_id, JSON_ARRAYAGG(user_id) OVER (PARTITION BY tenant_id ORDER BY user_id) FROM users WHERE user_id < 50 ORDER BY user_id;
SELECT tenant_id, JSON_ARRAYAGG(user_id) OVER w FROM users WHERE user_id < 50 WINDOW w AS (ORDER BY user_id) ORDER BY user_id;
SELECT * FROM (SELECT JSON_ARRAYAGG(user_id ORDER BY user_id) AS j FROM users WHERE user_id < 60) s;
SELECT count(*) FROM (SELECT JSON_ARRAYAGG(user_id) FROM users) s;
SELECT 1 FROM users ORDER BY JSON_ARRAYAGG(user_id)::text;
SELECT count(*) FROM users HAVING length(JSON_ARRAYAGG(user_id)::text) > 100;
SELECT length((SELECT JSON_ARRAYAGG(users.user_id) FROM kinds WHERE kind = 'C0')::text) FROM users;
SELECT JSON_ARRAY(SELECT count(*) FROM users), JSON_ARRAY(SELECT user_id FROM users ORDER BY 1 LIMIT 4);
SELECT tenant_id, JSON_ARRAY(SELECT count(*) FROM users) FROM tenants WHERE tenant_id = 3;
SELECT tenant_id FROM tenants WHERE JSON_ARRAY(SELECT count(*) FROM users)::text = '[200]' AND tenant_id < 4 ORDER BY 1;
SELECT tenant_id FROM tenants WHERE tenant_id = 3 AND JSON_ARRAY(SELECT count(*) FROM users)::text = '[200]';
SELECT tenant_id, JSON_ARRAY(SELECT user_id FROM users u WHERE u.tenant_id = t.tenant_id ORDER BY 1) FROM tenants t WHERE tenant_id < 4 ORDER BY 1;
SELECT tenant_id, JSON_ARRAY(SELECT user_id FROM users u WHERE u.user_id % 50 = t.tenant_id ORDER BY 1 RETURNING jsonb) FROM tenants t WHERE tenant_id < 4 ORDER BY 1;
SELECT n, JSON_ARRAY(VALUES (1), (n)) FROM local_numbers WHERE n < 3 ORDER BY n;
-- error: 42601
SELECT JSON_ARRAY(SELECT 1, 2), count(*) FROM users;
SELECT JSON_ARRAY((SELECT max(user_id) FROM users), tenant_id), JSON_OBJECT('m': (SELECT min(user_id) FROM users)) FROM tenants WHERE tenant_id < 3 ORDER BY tenant_id;
SELECT JSON_VALUE(doc, '$.n' RETURNING int) AS n, count(*) FROM samples GROUP BY 1 ORDER BY 1;
SELECT id, jt.* FROM samples, JSON_TABLE(doc, '$.deep.list[*]' COLUMNS (o FOR ORDINALITY, v text PATH '$')) jt WHERE k = 3 ORDER BY 1, 2;
SELECT t.v, u.user_id FROM JSON_TABLE((SELECT jsonb_agg(tenant_id ORDER BY tenant_id) FROM tenants), '$[*]' COLUMNS (v int PATH '$')) t JOIN users u ON u.tenant_id = t.v WHERE t.v < 3 ORDER BY 1, 2;
SELECT XMLAGG(XMLELEMENT(NAME u, user_id) ORDER BY user_id)::text FROM users WHERE tenant_id < 3;
SELECT DISTINCT ON (tenant_id, row_number() OVER (PARTITION BY user_id % 2 ORDER BY user_id)) tenant_id, user_id FROM users ORDER BY 1, row_number() OVER (PARTITION BY user_id % 2 ORDER BY user_id), 2 LIMIT 6;
