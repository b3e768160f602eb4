import t from 'tap'
import { DevCluster } from '../support/pgloom-process.ts'
import { RawClient } from '../support/raw-client.ts'

t.setTimeout(600_000)

const SETUP = `CREATE TABLE events (k int); SELECT create_distributed_table('events', 'k');
  INSERT INTO events VALUES (1);
  CREATE FUNCTION hide() RETURNS void LANGUAGE plpgsql AS
    $$BEGIN EXECUTE 'CREATE TEMP TABLE events (k int)'; END$$;
  CREATE FUNCTION show() RETURNS void LANGUAGE plpgsql AS $$BEGIN DROP TABLE pg_temp.events; END$$`

/** Each line hides the distributed table, or shows it again; then its rows are counted. */
const STEPS: readonly (readonly [sql: string, count: string])[] = [
  ['CREATE TEMP TABLE events (k int)', '0'],
  ['DROP TABLE events', '1'],
  ['DO $$BEGIN CREATE TEMP TABLE events (k int); END$$', '0'],
  ['DROP TABLE pg_temp.events', '1'],
  ['SELECT hide()', '0'],
  ['SELECT show()', '1'],
  ['BEGIN', '1'],
  ['SELECT hide()', '0'],
  ['SAVEPOINT s', '0'],
  ['SELECT show()', '1'],
  ['ROLLBACK TO s', '0'],
  ['ROLLBACK', '1'],
  ['BEGIN', '1'],
  ['CREATE TEMP TABLE events (k int) ON COMMIT DROP', '0'],
  ['COMMIT', '1'],
  ['BEGIN; CREATE TEMP VIEW events AS SELECT 1 AS k WHERE false; COMMIT', '0'],
  ['DROP VIEW events', '1'],
  ['SELECT hide(); SELECT 1', '0'],
  ['ALTER TABLE pg_temp.events RENAME TO other', '1'],
  ['ALTER TABLE other RENAME TO events', '0'],
  ['DISCARD ALL', '1'],
]

t.test(
  'a temporary table hides a distributed one of its name as long as it is there',
  async (t) => {
    const cluster = await DevCluster.start(t, 1)
    const client = await RawClient.connect(cluster.url)
    t.teardown(() => client.close())
    await client.run(SETUP)
    for (const [sql, count] of STEPS) {
      const { error } = await client.simple(sql)
      t.equal(error, undefined, sql)
      t.equal(await client.value('SELECT count(*) FROM events'), count, sql)
    }
  },
)
