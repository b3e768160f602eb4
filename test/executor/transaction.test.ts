import t from 'tap'
import { query } from '../../lib/executor/node-client.ts'
import { SIGNAL, transactionWorld } from '../support/transaction-world.ts'
import { until } from '../support/until.ts'

t.setTimeout(600_000)

const withState = (sqlState: string) => ({ message: /./, sqlState })

t.test('SessionTransaction', async (t) => {
  const world = await transactionWorld(t)
  const clear = async () => {
    for (const admin of world.admins) await admin.query('TRUNCATE t')
  }
  t.afterEach(clear)

  t.test('savepoints reach nodes that join late', async (t) => {
    const { transaction, run } = world.session()
    transaction.begin('BEGIN')
    await run(2, 'INSERT INTO t VALUES (1)')
    await transaction.savepoint('a')
    await run(3, 'INSERT INTO t VALUES (2)')
    await transaction.savepoint('b')
    await run(1, 'INSERT INTO t VALUES (3)')
    await transaction.rollbackTo('b')
    await run(1, 'INSERT INTO t VALUES (4)')
    await transaction.rollbackTo('a')
    await run(2, 'INSERT INTO t VALUES (5)')
    t.ok(await transaction.commit())
    t.same(await world.rows(), ['', '1,5', ''])
    transaction.begin('BEGIN')
    await t.rejects(transaction.rollbackTo('a'), withState('3B001'))
    await transaction.rollback()
  })

  t.test('an error on one node fails the block on all', async (t) => {
    const { transaction, run } = world.session()
    transaction.begin('BEGIN')
    await run(2, 'INSERT INTO t VALUES (1)')
    await t.rejects(run(3, 'SELECT 1/0'), withState('22012'))
    await t.rejects(run(2, 'SELECT 1'), withState('25P02'))
    await t.rejects(transaction.savepoint('a'), withState('25P02'))
    t.notOk(await transaction.commit())
    t.same(await world.rows(), ['', '', ''])
  })

  t.test('a lost node undoes the others, and no savepoint mends it', async (t) => {
    const { transaction, run } = world.session()
    transaction.begin('BEGIN')
    await run(2, 'INSERT INTO t VALUES (1)')
    await transaction.savepoint('a')
    const pid = await run(3, 'SELECT pg_backend_pid()')
    await world.admins[2]?.query('SELECT pg_terminate_backend($1, 5000)', [pid])
    await t.rejects(run(3, 'INSERT INTO t VALUES (2)'))
    await t.rejects(transaction.rollbackTo('a'), withState('25P02'))
    t.notOk(await transaction.commit())
    t.same(await world.rows(), ['', '', ''])
  })

  t.test('a block begins as the session would have it, on every node', async (t) => {
    const { transaction, settings, run } = world.session()
    const other = world.session()
    const shown = async ({ run }: typeof other, nodeId: number) => [
      await run(nodeId, 'SHOW transaction_isolation', 'read'),
      await run(nodeId, 'SHOW transaction_read_only', 'read'),
      await run(nodeId, 'SHOW transaction_deferrable', 'read'),
    ]
    const plain = ['read committed', 'off', 'off']
    settings.set('default_transaction_isolation', "'serializable'")
    settings.set('default_transaction_read_only', 'on')
    settings.set('default_transaction_deferrable', 'on')
    transaction.begin('BEGIN')
    t.same(await shown({ ...other, run }, 2), ['serializable', 'on', 'on'])
    settings.set('default_transaction_isolation', undefined)
    t.same(await shown({ ...other, run }, 3), ['serializable', 'on', 'on'])
    t.ok(await transaction.commit())
    // over the same connections
    other.transaction.begin('BEGIN')
    t.same(await shown(other, 2), plain)
    t.same(await shown(other, 3), plain)
    await other.transaction.rollback()
    transaction.begin('BEGIN READ WRITE')
    t.same(await shown({ ...other, run }, 3), ['read committed', 'off', 'on'])
    await transaction.rollback()
  })

  t.test('what a node refuses to hold is told, and nothing runs without it', async (t) => {
    const { transaction, settings, run } = world.session()
    settings.set('role', '"nobody of that name"')
    transaction.begin('BEGIN')
    await t.rejects(run(2, 'INSERT INTO t VALUES (1)'), { message: /nobody of that name/ })
    await t.rejects(run(3, 'SELECT 1'), withState('25P02'))
    await transaction.rollback()
    t.same(await world.rows(), ['', '', ''])
    settings.set('role', undefined)
    t.equal(await run(2, 'SELECT 1'), '1')
  })

  t.test('settings of the block reach late nodes and end with it', async (t) => {
    const { transaction, settings, run } = world.session()
    const shown = (nodeId: number) => run(nodeId, 'SHOW work_mem', 'read')
    const usual = await shown(2)
    transaction.begin('BEGIN')
    settings.set('work_mem', "'1MB'", true)
    t.equal(await shown(2), '1MB')
    settings.set('work_mem', "'2MB'")
    t.same([await shown(2), await shown(3)], ['2MB', '2MB'])
    await transaction.rollback()
    t.same([await shown(2), await shown(3)], [usual, usual])
    transaction.begin('BEGIN')
    settings.set('work_mem', "'2MB'")
    await transaction.commit()
    t.same([await shown(2), await shown(3)], ['2MB', '2MB'])
    transaction.begin('BEGIN ISOLATION LEVEL SERIALIZABLE')
    t.equal(await run(3, 'SHOW transaction_isolation', 'read'), 'serializable')
    await transaction.rollback()
  })

  t.test("the client's own PREPARE TRANSACTION", async (t) => {
    const { transaction, run } = world.session()
    const prepare = (gid: string) => transaction.prepareTransaction(gid, SIGNAL)
    transaction.begin('BEGIN')
    await run(1, 'INSERT INTO t VALUES (1)')
    t.ok(await prepare('mine'))
    t.same(await world.prepared(), ['mine'])
    await world.coordinator.query("COMMIT PREPARED 'mine'")
    transaction.begin('BEGIN')
    await run(2, 'INSERT INTO t VALUES (9)')
    await run(3, 'SELECT count(*) FROM t', 'read')
    t.ok(await prepare('mine'))
    const [own = ''] = await world.prepared()
    t.match(own, /^pgloom:[0-9a-f]{12}:mine$/, 'elsewhere by a name of the cluster')
    await world.admins[1]?.query(`ROLLBACK PREPARED '${own}'`)
    transaction.begin('BEGIN')
    for (const nodeId of [2, 3]) await run(nodeId, 'INSERT INTO t VALUES (9)')
    t.ok(await prepare('mine'))
    const names = await world.prepared()
    t.match(names, [/^pgloom::[0-9a-f]{12}:[0-9a-f]{32}:mine$/, /^pgloom_.*_2$/, /^pgloom_.*_3$/])
    for (const [index, name] of names.entries()) {
      await world.admins[index]?.query(`ROLLBACK PREPARED '${name}'`)
    }
    transaction.begin('BEGIN')
    await run(1, 'INSERT INTO t VALUES (9)')
    await t.rejects(prepare('pgloom_1'), withState('22023'))
    t.notOk(transaction.isInBlock)
    t.same(await world.prepared(), [])
    t.same(await world.rows(), ['1', '', ''])
  })

  t.test('PREPARE TRANSACTION needs one connection of each pool', async (t) => {
    const pools = world.poolsOf({ maxConnections: 2 })
    const [idle, own] = [world.session(pools), world.session(pools)]
    idle.transaction.begin('BEGIN')
    for (const nodeId of [1, 2, 3]) await idle.run(nodeId, 'SELECT 1', 'read')
    for (const nodeIds of [[1, 2], [2, 3], [3], [1]]) {
      own.transaction.begin('BEGIN')
      for (const nodeId of nodeIds) await own.run(nodeId, 'INSERT INTO t VALUES (1)')
      t.ok(await own.transaction.prepareTransaction('narrow', SIGNAL))
      const holders = nodeIds.length > 1 ? [...new Set([1, ...nodeIds])] : nodeIds
      const gates = `SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory' AND objid = 1885826928`
      t.same((await world.coordinator.query(gates)).rows, [{ count: 0 }], 'others may prepare')
      const names = await world.prepared()
      t.equal(names.length, holders.length)
      for (const [index, name] of names.entries()) {
        await world.admins[(holders[index] ?? 0) - 1]?.query(`ROLLBACK PREPARED '${name}'`)
      }
    }
    await idle.transaction.rollback()
  })

  t.test('what is decided is not cut short', async (t) => {
    const { transaction, settings, run } = world.session()
    settings.set('statement_timeout', "'1h'")
    settings.set('default_transaction_read_only', 'on')
    settings.set('role', "'app'")
    const connection = await transaction.connection(1, 'read', SIGNAL)
    t.equal(transaction.cancellable.length, 1)
    await transaction.decide(async () => {
      t.same(transaction.cancellable, [])
      const { rows } = await query(
        connection,
        `SELECT current_setting('statement_timeout'), current_setting('transaction_read_only'), current_setting('role')`,
      )
      t.same(rows, [['0', 'off', 'app']], 'but who he is stays')
    })
    t.equal(transaction.cancellable.length, 1)
    transaction.endStatement(false)
    t.equal(await run(1, 'SHOW statement_timeout', 'read'), '1h')
  })

  t.test('close() rolls back, and cleans the connection that held state', async (t) => {
    const { transaction, run } = world.session()
    const pid = await run(1, 'SELECT pg_backend_pid()')
    await transaction.connection(1, 'write', SIGNAL)
    transaction.pin(1, 'advisory lock')
    await run(1, 'SELECT pg_advisory_lock(1)')
    await transaction.proven()
    t.same(
      transaction.pins.map(({ reason }) => reason),
      ['advisory lock'],
    )
    transaction.begin('BEGIN')
    await run(2, 'INSERT INTO t VALUES (1)')
    await transaction.close()
    t.same(await world.rows(), ['', '', ''])
    const isCleaned = async () => {
      const found = await world.admins[0]?.query(
        `SELECT query, state FROM pg_stat_activity WHERE pid = $1 AND NOT EXISTS (SELECT FROM pg_locks WHERE pid = $1)`,
        [pid],
      )
      return found?.rows[0]?.query === 'DISCARD ALL' && found.rows[0].state === 'idle'
    }
    await until('it is cleaned, and kept', 60_000, isCleaned)
    t.equal(await world.session().run(1, 'SELECT pg_try_advisory_xact_lock(1)'), 't')
  })
  t.test('close() waits for the commit under way', async (t) => {
    const { transaction, run } = world.session()
    transaction.begin('BEGIN')
    for (const nodeId of [2, 3]) await run(nodeId, 'INSERT INTO t VALUES (1)')
    const committing = transaction.commit()
    await transaction.close()
    t.ok(await committing)
    t.same(await world.rows(), ['', '1', '1'])
    t.same(await world.prepared(), [])
  })
})
