-- Advertising analytics: companies own campaigns, ads, clicks and impressions; everything by company.
CREATE TABLE companies (id bigserial PRIMARY KEY, name text NOT NULL, image_url text, created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now());
CREATE TABLE campaigns (id bigserial, company_id bigint REFERENCES companies (id), name text NOT NULL, cost_model text, state text, monthly_budget bigint,
  blacklisted_site_urls text[], created_at timestamptz, updated_at timestamptz, PRIMARY KEY (company_id, id));
CREATE TABLE ads (id bigserial, company_id bigint, campaign_id bigint, name text NOT NULL, image_url text, target_url text, impressions_count bigint DEFAULT 0,
  clicks_count bigint DEFAULT 0, created_at timestamptz, updated_at timestamptz, PRIMARY KEY (company_id, id),
  FOREIGN KEY (company_id, campaign_id) REFERENCES campaigns (company_id, id));
CREATE TABLE clicks (id bigserial, company_id bigint, ad_id bigint, clicked_at timestamp without time zone NOT NULL, site_url text NOT NULL, cost_per_click_usd numeric(20,10),
  user_ip inet, user_data jsonb, PRIMARY KEY (company_id, id), FOREIGN KEY (company_id, ad_id) REFERENCES ads (company_id, id));
CREATE TABLE impressions (id bigserial, company_id bigint, ad_id bigint, seen_at timestamp without time zone NOT NULL, site_url text NOT NULL, cost_per_impression_usd numeric(20,10),
  user_ip inet, user_data jsonb, PRIMARY KEY (company_id, id), FOREIGN KEY (company_id, ad_id) REFERENCES ads (company_id, id));

SELECT create_distributed_table('companies', 'id');
SELECT create_distributed_table('campaigns', 'company_id');
SELECT create_distributed_table('ads', 'company_id');
SELECT create_distributed_table('clicks', 'company_id');
SELECT create_distributed_table('impressions', 'company_id');

INSERT INTO companies (id, name, created_at, updated_at) SELECT g, 'Company ' || g, '2026-01-01', '2026-01-01' FROM generate_series(1, 40) g;
INSERT INTO campaigns (id, company_id, name, cost_model, state, monthly_budget) SELECT g, 1 + g % 40, 'Campaign ' || g, (ARRAY['cost_per_click','cost_per_impression'])[1 + g % 2], (ARRAY['running','paused','archived'])[1 + g % 3], g * 10 FROM generate_series(1, 400) g;
INSERT INTO ads (id, company_id, campaign_id, name, impressions_count, clicks_count) SELECT g, 1 + g % 40, 1 + (g - 1) % 400, 'Ad ' || g, g % 97, g % 13 FROM generate_series(1, 400) g;
INSERT INTO clicks (id, company_id, ad_id, clicked_at, site_url, cost_per_click_usd, user_ip, user_data)
  SELECT g, 1 + (1 + g % 400) % 40, 1 + g % 400, TIMESTAMP '2026-10-01' + g * INTERVAL '11 minutes', 'https://site' || g % 9 || '.example', (g % 50) / 100.0, ('10.0.' || g % 250 || '.' || g % 200)::inet, '{"is_mobile": true}' FROM generate_series(1, 5000) g;

-- joins, windows and subqueries inside one company
SELECT a.campaign_id, rank() OVER (PARTITION BY a.campaign_id ORDER BY a.campaign_id, count(*) DESC), count(*) AS n_clicks, a.id
  FROM ads AS a JOIN clicks AS c ON c.company_id = a.company_id AND c.ad_id = a.id
 WHERE a.company_id = 5 GROUP BY a.campaign_id, a.id ORDER BY a.campaign_id, n_clicks DESC, a.id;
SELECT name, cost_model, state, monthly_budget FROM campaigns WHERE company_id = 5 ORDER BY monthly_budget DESC LIMIT 10;
UPDATE campaigns SET monthly_budget = monthly_budget * 2 WHERE company_id = 5;
BEGIN;
DELETE FROM clicks WHERE company_id = 5 AND ad_id = 4;
DELETE FROM ads WHERE company_id = 5 AND id = 4 AND NOT EXISTS (SELECT 1 FROM clicks WHERE clicks.company_id = ads.company_id AND clicks.ad_id = ads.id);
COMMIT;
-- across all companies
SELECT co.name, count(*) AS clicks, sum(c.cost_per_click_usd) AS spend FROM companies co JOIN clicks c ON c.company_id = co.id GROUP BY co.name ORDER BY spend DESC, co.name LIMIT 5;
SELECT state, count(*), sum(monthly_budget) FROM campaigns GROUP BY state ORDER BY state;
SELECT count(*) FROM ads;
-- A multi-tenant SaaS: events, tenants, users and orders by tenant_id, countries everywhere, system_settings local.
-- Run it through the proxy with psql -v ON_ERROR_STOP=1 -f saas.sql; run it on one stock Postgres with the SELECT create_* lines left out:
-- every result must be the same (row order is fixed by ORDER BY wherever more than one row comes back).
CREATE TABLE events (
    tenant_id INT,
    event_id BIGSERIAL,
    event_type VARCHAR(50),
    event_data JSONB,
    created_at TIMESTAMP DEFAULT NOW(),
    PRIMARY KEY (tenant_id, event_id)
);
CREATE TABLE countries (code VARCHAR(2) PRIMARY KEY, name VARCHAR(100));
CREATE TABLE system_settings (key VARCHAR(100) PRIMARY KEY, value TEXT);
CREATE TABLE tenants (tenant_id INT PRIMARY KEY, name VARCHAR(100), plan VARCHAR(20));
CREATE TABLE users (user_id SERIAL, tenant_id INT, email VARCHAR(255), PRIMARY KEY (tenant_id, user_id));
CREATE TABLE orders (order_id SERIAL, tenant_id INT, user_id INT, total DECIMAL(10,2), PRIMARY KEY (tenant_id, order_id));
INSERT INTO tenants VALUES (0, 'Before distribution', 'free');

SELECT create_distributed_table('events', 'tenant_id');
SELECT create_distributed_table('tenants', 'tenant_id');
SELECT create_distributed_table('users', 'tenant_id');
SELECT create_distributed_table('orders', 'tenant_id');
SELECT create_reference_table('countries');

ALTER TABLE users ADD CONSTRAINT users_tenant_fk FOREIGN KEY (tenant_id) REFERENCES tenants (tenant_id);
CREATE INDEX events_by_time ON events (tenant_id, created_at DESC);

INSERT INTO countries VALUES ('de', 'Germany'), ('nl', 'Netherlands'), ('us', 'United States');
INSERT INTO system_settings VALUES ('motd', 'hello');
INSERT INTO tenants SELECT g, 'Tenant ' || g, (ARRAY['free','pro','enterprise'])[1 + g % 3] FROM generate_series(1, 50) g;
INSERT INTO users (tenant_id, email) SELECT t, 'u' || u || '@t' || t || '.example' FROM generate_series(1, 50) t, generate_series(1, 4) u;
INSERT INTO orders (tenant_id, user_id, total) SELECT t, u, (t * 7 + u * 13) % 100 + 0.25 FROM generate_series(1, 50) t, generate_series(1, 10) u;
INSERT INTO events (tenant_id, event_type, event_data, created_at)
  SELECT t, (ARRAY['click','view','buy'])[1 + n % 3], jsonb_build_object('page', '/p' || n % 5, 'country_code', (ARRAY['de','nl','us'])[1 + n % 3]),
         TIMESTAMP '2026-11-01' + n * INTERVAL '7 hours'
  FROM generate_series(1, 50) t, generate_series(1, 60) n;

-- one tenant
INSERT INTO events (tenant_id, event_type, event_data) VALUES (1, 'click', '{"page": "/home", "country_code": "nl"}') RETURNING tenant_id, event_type;
SELECT e.event_type, c.name AS country_name, count(*) FROM events e JOIN countries c ON e.event_data->>'country_code' = c.code
 WHERE e.tenant_id = 1 GROUP BY 1, 2 ORDER BY 1, 2;
SELECT t.name, COUNT(o.order_id) AS order_count, SUM(o.total) AS revenue
  FROM tenants t JOIN orders o ON t.tenant_id = o.tenant_id WHERE t.tenant_id = 1 GROUP BY t.name;
SELECT event_type, created_at FROM events WHERE tenant_id = 7 AND created_at > '2026-11-05' ORDER BY created_at DESC, event_id LIMIT 5;

-- all tenants
SELECT date_trunc('day', created_at) AS day, count(*) AS event_count FROM events WHERE created_at < '2026-11-15' GROUP BY date_trunc('day', created_at) ORDER BY day;
SELECT event_type, count(*) AS count, count(DISTINCT tenant_id) AS tenants FROM events GROUP BY event_type ORDER BY count DESC, event_type;
SELECT plan, count(*), avg(total)::numeric(10,4), max(total), min(total) FROM tenants JOIN orders USING (tenant_id) GROUP BY plan HAVING count(*) > 10 ORDER BY plan;
SELECT t.tenant_id, t.name, sum(o.total) FROM tenants t LEFT JOIN orders o USING (tenant_id) GROUP BY 1, 2 ORDER BY 3 DESC NULLS LAST, 1 LIMIT 5 OFFSET 2;
SELECT count(*) FROM users WHERE email LIKE 'u1@%';
SELECT s.value, c.name FROM system_settings s, countries c ORDER BY c.code;

-- a transaction inside a tenant, and one across two
BEGIN;
UPDATE orders SET total = total + 1 WHERE tenant_id = 3;
UPDATE tenants SET plan = 'pro' WHERE tenant_id = 3;
COMMIT;
BEGIN;
UPDATE orders SET total = total - 10 WHERE tenant_id = 4 AND order_id = (SELECT min(order_id) FROM orders WHERE tenant_id = 4);
UPDATE orders SET total = total + 10 WHERE tenant_id = 5 AND order_id = (SELECT min(order_id) FROM orders WHERE tenant_id = 5);
ROLLBACK;
SELECT tenant_id, sum(total) FROM orders WHERE tenant_id IN (3, 4, 5) GROUP BY 1 ORDER BY 1;

-- real-time rollup
CREATE TABLE events_daily (tenant_id INT, day DATE, event_type VARCHAR(50), event_count BIGINT, PRIMARY KEY (tenant_id, day, event_type));
SELECT create_distributed_table('events_daily', 'tenant_id');
INSERT INTO events_daily (tenant_id, day, event_type, event_count)
SELECT tenant_id, date_trunc('day', created_at)::date, event_type, count(*) FROM events WHERE created_at < '2026-11-10' GROUP BY 1, 2, 3
ON CONFLICT (tenant_id, day, event_type) DO UPDATE SET event_count = events_daily.event_count + EXCLUDED.event_count;
INSERT INTO events_daily (tenant_id, day, event_type, event_count)
SELECT tenant_id, date_trunc('day', created_at)::date, event_type, count(*) FROM events WHERE created_at < '2026-11-10' GROUP BY 1, 2, 3
ON CONFLICT (tenant_id, day, event_type) DO UPDATE SET event_count = events_daily.event_count + EXCLUDED.event_count;
SELECT count(*), sum(event_count) FROM events_daily;

-- where things live (proxy only)
-- SELECT nodename, nodeport, count(*) AS shard_count, pg_size_pretty(sum(shard_size)) FROM citus_shards GROUP BY 1, 2 ORDER BY 1, 2;
-- SELECT table_name, citus_table_type, distribution_column, colocation_id, shard_count FROM citus_tables ORDER BY 1;
