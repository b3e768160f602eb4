import { initialisePgbench } from './pgbench.ts'
import { type PostgresServers, runScript, runSql } from './postgres-servers.ts'
import { BENCH_DATABASE, BENCH_USER, type ServerAddress } from './system.ts'

const TENANT_TABLES = [
  `CREATE TABLE bench_customers (tenant_id int, customer_id int, name text NOT NULL, PRIMARY KEY (tenant_id, customer_id))`,
  `CREATE TABLE bench_orders (tenant_id int, order_id int, customer_id int NOT NULL, total numeric NOT NULL, PRIMARY KEY (tenant_id, order_id))`,
]

const TENANT_ROWS = [
  `INSERT INTO bench_customers SELECT 1 + g / 10, g % 10, 'Customer ' || g FROM generate_series(0, 9999) g`,
  `INSERT INTO bench_orders SELECT 1 + g / 50, g, g % 10, g % 97 FROM generate_series(0, 49999) g`,
]

const REPORT = `CREATE FUNCTION bench_report(seconds float8) RETURNS text LANGUAGE sql AS $$ SELECT pg_sleep(seconds)::text $$`

const DISTRIBUTE = [
  `SELECT create_distributed_table('pgbench_accounts', 'aid')`,
  `SELECT create_distributed_table('bench_customers', 'tenant_id')`,
  `SELECT create_distributed_table('bench_orders', 'tenant_id')`,
]

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
  pgloomPort: number,
  pgbench: string,
  scale: number,
): Promise<void> {
  const proxy = { host: '127.0.0.1', port: pgloomPort }
  const [coordinator, ...workers] = servers.nodes
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
  await runScript(address, [...TENANT_TABLES, ...TENANT_ROWS])
}

function nodeCall(name: string, { host, port }: ServerAddress): string {
  return `SELECT ${name}('${host}', ${port})`
}
