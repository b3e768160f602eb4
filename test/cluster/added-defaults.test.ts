import t from 'tap'
import { DevCluster } from '../support/pgloom-process.ts'
import { RawClient } from '../support/raw-client.ts'

t.setTimeout(600_000)

t.test('ADD COLUMN gives old rows one default, whichever node they are on', async (t) => {
  const cluster = await DevCluster.start(t, 2)
  const client = await RawClient.connect(cluster.url)
  t.teardown(() => client.close())
  await client.run(`CREATE TABLE events (k int); SELECT create_distributed_table('events', 'k');
    INSERT INTO events SELECT generate_series(1, 50);
    CREATE TABLE codes (c int); INSERT INTO codes VALUES (1); SELECT create_reference_table('codes')`)
  const distinct = async (column: string) =>
    await client.value(`SELECT count(DISTINCT ${column}) || ',' || count(${column}) FROM events`)

  await client.run('ALTER TABLE events ADD COLUMN made timestamptz NOT NULL DEFAULT now()')
  t.equal(await distinct('made'), '1,50')
  await client.run(
    "ALTER TABLE events ADD COLUMN d text DEFAULT 'a''b', ADD COLUMN e text[] DEFAULT '{x}'",
  )
  t.equal(await distinct('d'), '1,50')
  await client.run(
    'BEGIN; ALTER TABLE events ADD COLUMN at timestamp DEFAULT CURRENT_TIMESTAMP; COMMIT',
  )
  t.equal(await distinct('at'), '1,50')
  await client.run('INSERT INTO events (k) VALUES (1)')
  t.equal(await distinct('made'), '2,51', 'new rows have their own')
  await client.run('ALTER TABLE events ADD COLUMN u uuid DEFAULT gen_random_uuid()')
  t.equal(await distinct('u'), '51,51', 'computed for each row anew')

  await client.run('ALTER TABLE codes ADD COLUMN made timestamptz DEFAULT now()')
  const copies = `SELECT count(DISTINCT result) FROM
    run_command_on_all_nodes('SELECT made FROM public.codes')`
  t.equal(await client.value(copies), '1')
  const refused = await client.simple(
    'ALTER TABLE codes ADD COLUMN u uuid DEFAULT gen_random_uuid()',
  )
  t.equal(refused.error?.sqlState, '0A000')
  const mixed =
    'ALTER TABLE events ADD COLUMN x timestamptz DEFAULT now(), ADD COLUMN y float DEFAULT random()'
  t.equal((await client.simple(mixed)).error?.sqlState, '0A000')
  t.equal(await distinct('k'), '50,51', 'nothing was changed')
})
