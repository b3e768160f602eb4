import t from 'tap'
import { TransactionRecovery } from '../../lib/control/transaction-recovery.ts'
import { SILENT, transactionWorld } from '../support/transaction-world.ts'
import { until } from '../support/until.ts'

t.setTimeout(600_000)

const withState = (sqlState: string) => ({ message: /./, sqlState })

t.test('atomic commit', async (t) => {
  const world = await transactionWorld(t)
  const { coordinator, session, rows, prepared, pools, source } = world
  t.afterEach(async () => {
    for (const admin of world.admins) await admin.query('TRUNCATE t')
  })
  const recovery = new TransactionRecovery({
    pools,
    catalog: source,
    database: 'app',
    user: 'postgres',
    intervalMs: 60_000,
    graceMs: 0,
    log: SILENT,
  })

  async function written(...nodeIds: readonly number[]) {
    const own = session()
    own.transaction.begin('BEGIN')
    for (const nodeId of nodeIds) await own.run(nodeId, 'INSERT INTO t VALUES (1)')
    return own
  }

  /** Nobody can decide until it returns; then `meanwhile` has run beside prepared transactions. */
  async function holdingDecision<T>(commit: () => Promise<T>, meanwhile: () => Promise<unknown>) {
    await coordinator.query('BEGIN; LOCK TABLE pgloom.pg_dist_transaction')
    const committing = commit().then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    )
    await until('both are prepared', 60_000, async () => (await prepared()).length === 2)
    await meanwhile()
    await coordinator.query('COMMIT')
    return await committing
  }

  for (const nodeIds of [[2], [2, 3], [1, 2], [1, 2, 3]]) {
    t.test(`writers ${nodeIds.join()}`, async (t) => {
      const { transaction } = await written(...nodeIds)
      t.ok(await transaction.commit())
      t.same(
        await rows(),
        [1, 2, 3].map((nodeId) => (nodeIds.includes(nodeId) ? '1' : '')),
      )
      t.same(await prepared(), [])
    })
  }

  t.test('it is decided where transactions are READ ONLY unless they say otherwise', async (t) => {
    await coordinator.query('ALTER ROLE app SET default_transaction_read_only = on')
    t.teardown(() => coordinator.query('ALTER ROLE app RESET default_transaction_read_only'))
    const own = session(world.poolsOf({}))
    own.transaction.begin('BEGIN READ WRITE')
    for (const nodeId of [2, 3]) await own.run(nodeId, 'INSERT INTO t VALUES (1)')
    t.ok(await own.transaction.commit())
    t.same(await rows(), ['', '1', '1'])
  })

  t.test('one node that cannot prepare undoes all', async (t) => {
    for (const nodeIds of [
      [2, 3],
      [1, 2, 3],
    ]) {
      const { transaction, run } = await written(...nodeIds)
      await run(3, 'INSERT INTO t VALUES (1)')
      await t.rejects(transaction.commit(), withState('23505'))
      t.same(await rows(), ['', '', ''])
      t.same(await prepared(), [])
    }
  })

  for (const nodeIds of [
    [2, 3],
    [1, 2, 3],
  ]) {
    t.test(`a recoverer that decides first wins: ${nodeIds.join()}`, async (t) => {
      const { transaction } = await written(...nodeIds)
      const outcome = await holdingDecision(
        () => transaction.commit(),
        async () => {
          const [gid = ''] = await prepared()
          await coordinator.query('SELECT pgloom.decide($1, $2)', [
            gid.replace(/_\d+$/, ''),
            'abort',
          ])
        },
      )
      t.match(outcome, { error: withState('40001') })
      t.same(await rows(), ['', '', ''])
      t.same(await prepared(), [])
    })
  }

  t.test('what is decided and cannot be finished is left to recovery', async (t) => {
    const { transaction, run } = await written(2, 3)
    const pid = await run(3, 'SELECT pg_backend_pid()')
    const outcome = await holdingDecision(
      () => transaction.commit(),
      async () => world.admins[2]?.query('SELECT pg_terminate_backend($1, 5000)', [pid]),
    )
    t.same(outcome, { value: true })
    t.same(await rows(), ['', '1', ''])
    t.equal((await prepared()).length, 1)
    t.equal(await recovery.runOnce(), 1)
    t.same(await rows(), ['', '1', '1'])
    t.same(await prepared(), [])
    t.equal(await recovery.runOnce(), 0)
  })

  t.test('recovery leaves the prepared transactions of others alone', async (t) => {
    await world.admins[1]?.query("BEGIN; INSERT INTO t VALUES (7); PREPARE TRANSACTION 'theirs'")
    await world.admins[1]?.query(
      "BEGIN; INSERT INTO t VALUES (8); PREPARE TRANSACTION 'pgloom_000000000000_0123456789abcdef0123456789abcdef_1_2'",
    )
    t.equal(await recovery.runOnce(), 0)
    t.equal((await prepared()).length, 2)
    for (const gid of await prepared()) await world.admins[1]?.query(`ROLLBACK PREPARED '${gid}'`)
  })
})
