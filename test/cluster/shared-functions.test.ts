import t from 'tap'
import { nodeUrls } from '../support/node-urls.ts'
import { DevCluster } from '../support/pgloom-process.ts'
import { RawClient } from '../support/raw-client.ts'

t.setTimeout(600_000)

const TABLES = `
  CREATE TABLE events (id int PRIMARY KEY, word text, at timestamptz DEFAULT '2026-01-01');
  CREATE TABLE local (x int);
  CREATE TYPE colour AS ENUM ('red');
  SELECT create_distributed_table('events', 'id', shard_count => 4);
  INSERT INTO events SELECT g, 'w' || g % 3 FROM generate_series(1, 40) g`

/** Bodies of functions (x int) RETURNS int, and where a SELECT over several shards calls it. */
const BODIES: readonly (readonly [body: string, tier: 'combine' | 'pull'])[] = [
  ["LANGUAGE sql AS 'SELECT x + 1'", 'combine'],
  ["LANGUAGE sql IMMUTABLE AS 'SELECT length(to_char(x, ''FM000''))'", 'combine'],
  ['LANGUAGE sql RETURN (SELECT sum(s) FROM generate_series(1, x) s)', 'combine'],
  ["LANGUAGE sql AS 'WITH a AS (SELECT 1) SELECT * FROM a'", 'pull'],
  ["LANGUAGE sql AS 'SELECT count(*)::int FROM local'", 'pull'],
  ["LANGUAGE sql AS 'SELECT (SELECT count(*) FROM pg_class)::int'", 'pull'],
  ["LANGUAGE sql AS 'SELECT x FOR UPDATE'", 'pull'],
  ["LANGUAGE sql AS 'INSERT INTO local VALUES (1); SELECT 1'", 'pull'],
  ["LANGUAGE sql AS 'SELECT extract(day FROM now())::int'", 'pull'],
  ["LANGUAGE sql AS 'SELECT length(current_date::text)'", 'pull'],
  ["LANGUAGE sql AS 'SELECT length(''now''::timestamp::text)'", 'pull'],
  ["LANGUAGE sql AS 'SELECT (random() * 0)::int'", 'pull'],
  ["LANGUAGE sql IMMUTABLE AS 'SELECT (random() * 0)::int'", 'pull'],
  ["LANGUAGE sql AS 'SELECT inet_server_port()'", 'pull'],
  ["LANGUAGE sql AS 'SELECT ''local''::regclass::oid::int'", 'pull'],
  ["LANGUAGE sql AS 'SELECT length(set_config(''a.b'', ''c'', false))'", 'pull'],
  ["LANGUAGE sql AS 'SELECT length(''red''::colour::text)'", 'pull'],
  ["LANGUAGE sql AS 'SELECT aside(x)'", 'pull'],
  ["LANGUAGE sql AS 'SELECT f2(x)'", 'combine'],
  ["LANGUAGE plpgsql AS 'BEGIN RETURN f2(x); END'", 'combine'],
  ["LANGUAGE plpgsql AS 'DECLARE a int[]; BEGIN a[f2(1)] := 7; RETURN a[3]; END'", 'combine'],
  ["LANGUAGE plpgsql AS 'DECLARE a int[]; BEGIN a[aside(1)] := 7; RETURN 1; END'", 'pull'],
  ["LANGUAGE plpgsql AS 'DECLARE a local; BEGIN RETURN 1; END'", 'pull'],
  ["LANGUAGE plpgsql AS 'DECLARE a local.x%TYPE; BEGIN RETURN 1; END'", 'pull'],
  ["LANGUAGE plpgsql AS 'BEGIN RAISE NOTICE ''x''; RETURN 1; END'", 'pull'],
  ["LANGUAGE plpgsql AS 'BEGIN EXECUTE ''SELECT 1''; RETURN 1; END'", 'pull'],
  ["LANGUAGE plpgsql AS 'BEGIN PERFORM FROM local; RETURN 1; END'", 'pull'],
  ["LANGUAGE plpgsql AS 'BEGIN RETURN x FROM local; END'", 'pull'],
  ["LANGUAGE plpgsql AS 'BEGIN PERFORM pg_notify(''a'', ''b''); RETURN 1; END'", 'pull'],
  [
    "LANGUAGE plpgsql AS 'DECLARE r record; BEGIN FOR r IN SELECT 1 AS v LOOP x := x + r.v; END LOOP; RETURN x; END'",
    'combine',
  ],
  [
    "LANGUAGE plpgsql AS 'DECLARE n int; BEGIN GET DIAGNOSTICS n = ROW_COUNT; RETURN n; END'",
    'pull',
  ],
  ["LANGUAGE plpgsql SET role = app AS 'BEGIN RETURN 1; END'", 'pull'],
]

t.test('functions of users on all nodes', async (t) => {
  const cluster = await DevCluster.start(t, 2)
  const app = await RawClient.connect(cluster.url)
  const [coordinatorUrl = '', workerUrl = ''] = await nodeUrls(cluster.url)
  const [coordinator, worker] = await Promise.all(
    [coordinatorUrl, workerUrl].map((url) => RawClient.connect(url)),
  )
  if (coordinator === undefined || worker === undefined) throw new Error('no node')
  t.teardown(() => {
    for (const client of [app, coordinator, worker]) client.close()
  })
  for (const sql of TABLES.split(';')) await app.run(sql)
  const tierOf = async (sql: string): Promise<string | undefined> => {
    const { results } = await app.run(`EXPLAIN (COSTS OFF) ${sql}`)
    const lines = (results[0]?.rows ?? []).map(([line]) => line ?? '')
    const [, tier] =
      /Tier: (\w+)$/.exec(lines.filter((line) => /Tier/.test(line)).at(-1) ?? '') ?? []
    return tier
  }
  /** What was done past the proxy is known with the next change. */
  const learn = () => app.run('CREATE TABLE passing (); DROP TABLE passing')

  await t.test('are called in the shards if their bodies may be', async (t) => {
    await app.run("CREATE FUNCTION f2(x int) RETURNS int LANGUAGE sql AS 'SELECT x + 2'")
    await app.run(
      "CREATE FUNCTION aside(x int) RETURNS int LANGUAGE sql AS 'SELECT count(*)::int FROM local'",
    )
    for (const [index, [body, tier]] of BODIES.entries()) {
      await app.run(`CREATE FUNCTION g${index}(x int) RETURNS int ${body}`)
      t.equal(await tierOf(`SELECT count(*) FROM events WHERE g${index}(id) = 3`), tier, body)
    }
  })

  await t.test('are never called where they are others', async (t) => {
    const sum = 'SELECT sum(f3(id)) FROM events'
    await app.run("CREATE FUNCTION f3(x int) RETURNS int LANGUAGE sql AS 'SELECT 1'")
    t.equal(await tierOf(sum), 'combine')
    await worker.run("CREATE OR REPLACE FUNCTION f3(x int) RETURNS int LANGUAGE sql AS 'SELECT 2'")
    await learn()
    t.equal(await tierOf(sum), 'pull')
    t.equal(await app.value(sum), '40')
    await worker.run("CREATE OR REPLACE FUNCTION f3(x int) RETURNS int LANGUAGE sql AS 'SELECT 1'")
    await learn()
    t.equal(await tierOf(sum), 'combine')
    await coordinator.run(
      "CREATE OR REPLACE FUNCTION f3(x int) RETURNS int LANGUAGE sql AS 'SELECT 3'",
    )
    await learn()
    t.equal(await app.value(sum), '120')
    await app.run("CREATE OR REPLACE FUNCTION f3(x int) RETURNS int LANGUAGE sql AS 'SELECT 4'")
    t.equal(await tierOf(sum), 'combine')
    await worker.run(
      "CREATE SCHEMA other; CREATE FUNCTION other.f3(x int) RETURNS int LANGUAGE sql AS 'SELECT 5'",
    )
    await learn()
    t.equal(await tierOf(sum), 'pull', 'one more of that name')
    await worker.run('DROP SCHEMA other CASCADE; REVOKE EXECUTE ON FUNCTION f3 FROM PUBLIC')
    await learn()
    t.equal(await tierOf(sum), 'pull', 'other rights')
    t.equal(await app.value(sum), '160')
  })

  await t.test('that a worker cannot have stay on the coordinator', async (t) => {
    await app.run(
      'CREATE FUNCTION here() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT count(*)::int FROM local; END',
    )
    const there = "SELECT count(*) FROM pg_proc WHERE proname = 'here'"
    t.same([await coordinator.value(there), await worker.value(there)], ['1', '0'])
    t.equal(await app.value('SELECT max(id + here()) FROM events'), '40')
  })

  await t.test(
    'that were there before come with a table, and to nodes that are added',
    async (t) => {
      await coordinator.run('SET ROLE app')
      await coordinator.run("CREATE FUNCTION old(x int) RETURNS int LANGUAGE sql AS 'SELECT x'")
      await coordinator.run(
        "CREATE FUNCTION row_of(e events) RETURNS int LANGUAGE sql AS 'SELECT e.id'",
      )
      await app.run('CREATE TABLE later (id int PRIMARY KEY, x int DEFAULT old(3))')
      t.equal(await tierOf('SELECT sum(old(id)) FROM events'), 'pull')
      await app.run("SELECT create_distributed_table('later', 'id', colocate_with => 'events')")
      t.equal(await tierOf('SELECT sum(old(id)) FROM events'), 'combine')
      const dropped = await app.simple('DROP FUNCTION old CASCADE')
      t.equal(dropped.error?.sqlState, '0A000', 'shards would keep the default')
      await app.run('DROP FUNCTION row_of(events); DROP TABLE events, later')
      const { results } = await app.run(
        "SELECT nodename, nodeport FROM citus_nodes WHERE role = 'worker' LIMIT 1",
      )
      const [host, port] = results[0]?.rows[0] ?? []
      await app.run(`SELECT citus_remove_node('${host}', ${port})`)
      const removed = await RawClient.connect(`postgres://postgres@${host}:${port}/app`)
      await removed.run('DROP FUNCTION old; DROP FUNCTION f2')
      removed.close()
      await app.run(`SELECT citus_add_node('${host}', ${port})`)
      const counts = await app.value(
        "SELECT sum(result::int) FROM run_command_on_workers($$SELECT count(*) FROM pg_proc WHERE proname IN ('old', 'f2')$$)",
      )
      t.equal(counts, '4')
    },
  )
})
