import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { promisify } from 'node:util'
import t from 'tap'
import { DevCluster } from '../support/pgloom-process.ts'
import { RawClient } from '../support/raw-client.ts'

t.setTimeout(600_000)

const run = promisify(execFile)

/** pg_dump must not be older than the servers; Debian's are here with both. */
const BIN = '/usr/lib/postgresql/15/bin'

const SCHEMA = `CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE DOMAIN small AS int CHECK (VALUE < 1000);
CREATE SCHEMA shop;
CREATE TABLE shop.stores (id int PRIMARY KEY, name text NOT NULL, m mood DEFAULT 'glad');
CREATE TABLE shop.items (store int, id int, qty small CHECK (qty > 0), label text, made date GENERATED ALWAYS AS (DATE '2026-01-01' + 1) STORED,
  PRIMARY KEY (store, id), FOREIGN KEY (store) REFERENCES shop.stores (id));
CREATE TABLE countries (code text PRIMARY KEY, name text);
CREATE TABLE plain (id serial PRIMARY KEY, note text);
CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER notes BEFORE INSERT ON plain FOR EACH ROW EXECUTE FUNCTION noted();
CREATE STATISTICS both_of_them ON id, note FROM plain;
ALTER TABLE plain ENABLE ROW LEVEL SECURITY;
CREATE POLICY all_of_it ON plain USING (true)`

const DISTRIBUTION = [
  "SELECT create_distributed_table('shop.stores', 'id')",
  "SELECT create_distributed_table('shop.items', 'store')",
  "SELECT create_reference_table('countries')",
]

const REST = `CREATE INDEX items_label ON shop.items (label) WHERE qty > 5;
COMMENT ON TABLE plain IS 'of one node';
GRANT SELECT ON countries TO PUBLIC;
INSERT INTO shop.stores SELECT g, 'store ' || g FROM generate_series(1, 20) g;
INSERT INTO shop.items SELECT 1 + g % 20, g, g, 'item ' || g FROM generate_series(1, 100) g;
INSERT INTO countries VALUES ('nl', 'Netherlands'), ('de', 'Germany');
INSERT INTO plain (note) SELECT 'note ' || g FROM generate_series(1, 5) g;
CREATE VIEW shop.full_items AS SELECT i.id, s.name FROM shop.items i JOIN shop.stores s ON s.id = i.store;
CREATE MATERIALIZED VIEW shop.a_count AS SELECT store, count(*) AS n FROM shop.items GROUP BY store;
CREATE UNIQUE INDEX a_count_store ON shop.a_count (store);
CREATE MATERIALIZED VIEW shop.b_names AS SELECT name FROM shop.full_items;
CREATE VIEW shop.of_count AS SELECT max(n) FROM shop.a_count`

async function dump(url: string, ...args: readonly string[]): Promise<readonly string[]> {
  const { stdout } = await run(`${BIN}/pg_dump`, [...args, url], { maxBuffer: 1e8 })
  const lines = stdout.split('\n').filter((line) => !/^\\(?:un)?restrict /.test(line))
  // rows come in the order of the shards
  return lines.some((line) => /^(?:COPY|INSERT) /.test(line)) ? [...lines].sort() : lines
}

t.test('pg_dump through the proxy', async (t) => {
  if (!existsSync(`${BIN}/pg_dump`) || !existsSync(`${BIN}/initdb`)) {
    return t.comment('SKIPPED: there are no pg_dump and servers of one version here')
  }
  const cluster = await DevCluster.start(t, 1, ['--postgres-bin', BIN])
  const app = await RawClient.connect(cluster.url)
  // a database of its own on one of the servers, past the proxy
  const { results } = await app.run("SELECT nodeport FROM citus_nodes WHERE role = 'worker'")
  const port = results[0]?.rows[0]?.[0] ?? ''
  const direct = (database: string, user: string) =>
    `postgres://${user}@127.0.0.1:${port}/${database}`
  const superuser = await RawClient.connect(direct('app', 'postgres'))
  await superuser.run('CREATE DATABASE stock OWNER app')
  superuser.close()
  const stock = await RawClient.connect(direct('stock', 'app'))
  t.teardown(() => {
    for (const client of [app, stock]) client.close()
  })
  for (const sql of SCHEMA.split(/;\n/)) {
    await stock.run(sql)
    await app.run(sql)
  }
  for (const sql of DISTRIBUTION) await app.run(sql)
  for (const sql of REST.split(/;\n/)) {
    await stock.run(sql)
    await app.run(sql)
  }

  for (const args of [['--schema-only'], [], ['--inserts'], ['--table=shop.items']]) {
    const expected = await dump(direct('stock', 'app'), ...args)
    t.same(await dump(cluster.url, ...args), expected, args.join(' ') || 'all')
  }

  const seen = await app.simple(
    "SELECT c.tableoid::regclass, c.relname FROM pg_class c WHERE relname ~ 'guard' OR relnamespace::regnamespace::text ~ 'pgloom'",
  )
  t.same(seen.results[0]?.rows, [], 'what is ours is hidden beside system columns as well')
})
