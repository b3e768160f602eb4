-- # Names that need quotes, schemas, and forms of statements that few write.
SELECT * FROM other.tenants WHERE tenant_id = 3;
SELECT * FROM other.tenants ORDER BY tenant_id;
SELECT other.tenants.title, public.tenants.name FROM other.tenants JOIN public.tenants ON other.tenants.tenant_id = public.tenants.tenant_id ORDER BY 1;
SELECT o.title, t.name FROM other.tenants o, tenants t WHERE o.tenant_id = t.tenant_id AND t.tenant_id = 4;
SELECT count(*), max(late) FROM other.tenants o WHERE late = 'late';
SELECT * FROM "Order Items" WHERE "Order" = 2 ORDER BY "Item No";
SELECT "Order", count(*), min("table") FROM "Order Items" GROUP BY "Order" ORDER BY 1;
SELECT "Order Items"."table" FROM public."Order Items" WHERE public."Order Items"."Order" = 3 ORDER BY 1;
SELECT u."select" FROM "user" u WHERE u."group" = 4;
SELECT "user"."group", "user".* FROM "user" ORDER BY "user"."group" DESC LIMIT 3;
-- unordered
TABLE other.tenants;
SELECT FROM tenants WHERE tenant_id < 4;
SELECT count(*) FROM ONLY tenants;
SELECT count(*) FROM tenants *;
-- unordered
SELECT * FROM ONLY other.tenants WHERE tenant_id IN (1, 2);
SELECT * FROM (TABLE other.tenants) t WHERE t.tenant_id = 5;
VALUES (1), (2) ORDER BY 1 DESC;
SELECT * FROM (VALUES (1, 'x'), (2, 'y')) v (a, b) JOIN other.tenants ON tenant_id = a ORDER BY a;
-- parameters: ["3"]
SELECT title, late FROM other.tenants WHERE tenant_id = $1;
-- error: 42P01
SELECT * FROM missing.tenants;
-- error: 42P01
SELECT * FROM order_items;
-- error: 42703
SELECT gone FROM other.tenants;
