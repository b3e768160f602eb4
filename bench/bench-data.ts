import { initialisePgbench } from './pgbench.ts'
import { type PostgresServers, runScript, runSql } from './postgres-servers.ts'
import { BENCH_DATABASE, BENCH_USER, type ServerAddress, type ServerTransport } from './system.ts'

const TENANT_TABLES = [
  `CREATE TABLE bench_customers (tenant_id int, customer_id int, name text NOT NULL, PRIMARY KEY (tenant_id, customer_id))`,
  `CREATE TABLE bench_orders (tenant_id int, order_id int, customer_id int NOT NULL, total numeric NOT NULL, PRIMARY KEY (tenant_id, order_id))`,
]

const TENANT_ROWS = [
  `INSERT INTO bench_customers SELECT 1 + g / 10, g % 10, 'Customer ' || g FROM generate_series(0, 9999) g`,
  `INSERT INTO bench_orders SELECT 1 + g / 50, g, g % 10, g % 97 FROM generate_series(0, 49999) g`,
]

/** Looked for by event_id, which says nothing about the shard. */
const EVENTS = [
  `CREATE TABLE bench_events (tenant_id int, event_id bigint, kind text NOT NULL, payload text NOT NULL, PRIMARY KEY (tenant_id, event_id))`,
  `CREATE INDEX ON bench_events (event_id)`,
  `INSERT INTO bench_events SELECT g % 1000, g, 'kind ' || g % 10, md5(g::text) FROM generate_series(1, 200000) g`,
]

const REPORT = `CREATE FUNCTION bench_report(seconds float8) RETURNS text LANGUAGE sql AS $$ SELECT pg_sleep(seconds)::text $$`

const DISTRIBUTE = [
  `SELECT create_distributed_table('pgbench_accounts', 'aid')`,
  `SELECT create_distributed_table('bench_customers', 'tenant_id')`,
  `SELECT create_distributed_table('bench_orders', 'tenant_id')`,
  `SELECT create_distributed_table('bench_events', 'tenant_id')`,
]

/** For questions about all rows at once. */
const ANALYSIS = [
  `CREATE TABLE bench_users (user_id int PRIMARY KEY, plan text NOT NULL, joined date NOT NULL)`,
  `CREATE TABLE bench_visits (user_id int, visit_id int, page int NOT NULL, country text NOT NULL, spent numeric(10, 2) NOT NULL,
     at timestamptz NOT NULL, PRIMARY KEY (user_id, visit_id))`,
]

const ANALYSIS_DISTRIBUTED = [
  `SELECT create_distributed_table('bench_users', 'user_id')`,
  `SELECT create_distributed_table('bench_visits', 'user_id', colocate_with => 'bench_users')`,
]

const ANALYSIS_ROWS = [
  `INSERT INTO bench_users SELECT g, 'plan ' || g % 5, date '2020-01-01' + g % 2000 FROM generate_series(1, 100000) g`,
  `INSERT INTO bench_visits SELECT 1 + g % 100000, g, (g::bigint * 7919 % 20011)::int, 'country ' || g % 40, (g % 99991) / 100.0,
     timestamptz '2026-01-01 00:00+00' + g * interval '1 second' FROM generate_series(1, 2000000) g`,
]

/** The tables that `analysis` scenarios ask about; through pgloom they are distributed. */
export async function loadAnalysis(
  servers: PostgresServers,
  address: ServerAddress,
  isDistributed: boolean,
): Promise<void> {
  const distribute = isDistributed ? ANALYSIS_DISTRIBUTED : []
  await runScript(address, [...ANALYSIS, ...distribute, ...ANALYSIS_ROWS])
  await servers.each('VACUUM ANALYZE')
}

/** On one ordinary server. */
export async function loadStock(
  servers: PostgresServers,
  pgbench: string,
  scale: number,
): Promise<void> {
  await load(servers.first, pgbench, scale)
  await runSql(servers.first, BENCH_USER, REPORT)
  await servers.each('VACUUM ANALYZE')
}

/** Through pgloom, as a user would: registers the workers, loads, and distributes. */
export async function loadCluster(
  servers: PostgresServers,
  transport: ServerTransport,
  pgloomPort: number,
  pgbench: string,
  scale: number,
): Promise<void> {
  const proxy = { host: '127.0.0.1', port: pgloomPort }
  const nodes = servers.nodes.map((node) => servers.behindProxy(node, transport))
  const [coordinator, ...workers] = nodes
  if (coordinator === undefined) throw new Error('no coordinator')
  await runSql(proxy, BENCH_USER, nodeCall('citus_set_coordinator_host', coordinator))
  for (const worker of workers) await runSql(proxy, BENCH_USER, nodeCall('citus_add_node', worker))
  await load(proxy, pgbench, scale)
  await runScript(proxy, DISTRIBUTE)
  await servers.each('VACUUM ANALYZE')
}

async function load(address: ServerAddress, pgbench: string, scale: number): Promise<void> {
  const target = { port: address.port, user: BENCH_USER, database: BENCH_DATABASE }
  await initialisePgbench(pgbench, target, scale, 'dtGp')
  await runScript(address, [...TENANT_TABLES, ...TENANT_ROWS, ...EVENTS])
}

function nodeCall(name: string, { host, port }: ServerAddress): string {
  return `SELECT ${name}('${host}', ${port})`
}
