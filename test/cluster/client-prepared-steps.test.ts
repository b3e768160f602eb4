import t from 'tap'
import { untilNothingPrepared, valueOn } from '../support/node-urls.ts'
import { RawClient } from '../support/raw-client.ts'
import { ServeCluster } from '../support/serve-cluster.ts'
import {
  type Hold,
  type Passing,
  RECOVERY_QUERY,
  type RelayedConnection,
} from '../support/server-relay.ts'
import { until } from '../support/until.ts'

const DEADLINE_MS = 60_000
/** 10 s on a machine with nothing else to do. */
const RECOVERY_MS = 60_000

const [COORDINATOR, FIRST, SECOND] = [0, 1, 2] as const

/** What a client asked for when its proxy was killed, held on the wire at a message to some servers. */
type Step = {
  readonly name: string
  readonly command: 'PREPARE TRANSACTION' | 'COMMIT PREPARED' | 'ROLLBACK PREPARED'
  readonly message: RegExp
  readonly on: readonly number[]
  readonly hold: Exclude<Hold, undefined>
  readonly outcome: 'nothing' | 'prepared' | 'committed'
}

const PART = /^(?:PREPARE TRANSACTION|COMMIT PREPARED|ROLLBACK PREPARED) 'pgloom_/
const WHOLE = /^(?:PREPARE TRANSACTION|COMMIT PREPARED|ROLLBACK PREPARED) 'pgloom::/
const DECIDE = /pgloom\.decide/
const WORKERS = [FIRST, SECOND]

const PREPARES: readonly Step[] = [
  step('before any part is prepared', PART, WORKERS, 'request', 'nothing'),
  step('one part is prepared', PART, [SECOND], 'request', 'nothing'),
  step('before the coordinator prepares', WHOLE, [COORDINATOR], 'request', 'nothing'),
  step('prepared, unanswered', WHOLE, [COORDINATOR], 'answer', 'prepared'),
]

const FINISHES: readonly Step[] = [
  step('before the decision', DECIDE, [COORDINATOR], 'request', 'prepared'),
  step('decided, unanswered', DECIDE, [COORDINATOR], 'answer', 'committed'),
  step('before the coordinator is finished', WHOLE, [COORDINATOR], 'request', 'committed'),
  step('the coordinator is finished', WHOLE, [COORDINATOR], 'answer', 'committed'),
  step('one part is finished', PART, [SECOND], 'request', 'committed'),
  step('all are finished, unanswered', PART, WORKERS, 'answer', 'committed'),
]

const STEPS: readonly Step[] = [
  ...PREPARES,
  ...FINISHES.map((one) => ({ ...one, command: 'COMMIT PREPARED' as const })),
  // more at once wait for the pool's connections to the coordinator
  ...[FINISHES[1], FINISHES[3]].flatMap((one) =>
    one === undefined
      ? []
      : [{ ...one, command: 'ROLLBACK PREPARED' as const, outcome: 'nothing' as const }],
  ),
]

function step(
  name: string,
  message: RegExp,
  on: readonly number[],
  hold: Step['hold'],
  outcome: Step['outcome'],
): Step {
  return { name, command: 'PREPARE TRANSACTION', message, on, hold, outcome }
}

t.setTimeout(600_000)

t.test(
  'kill -9 of the proxy at each step of what a client prepares on several nodes',
  async (t) => {
    const cluster = await ServeCluster.start(t, 2, { relayed: true })
    const [victim, survivor] = [await cluster.startProxy(), await cluster.startProxy()]
    const client = await RawClient.connect(survivor.url)
    t.teardown(() => client.close())
    await client.run(
      `CREATE TABLE moves (k int, step text); SELECT create_distributed_table('moves', 'k', shard_count => 4)`,
    )
    const keys = (
      await client.run(`SELECT min(g) FROM generate_series(1, 100) g
      JOIN citus_shards s ON s.shardid = get_shard_id_for_distribution_column('moves', g) GROUP BY s.nodeport`)
    ).results[0]?.rows.map(([key]) => Number(key))
    const stage = new Stage()
    for (const relay of cluster.relays) relay.watch = (passing) => stage.watch(passing)

    await until('the victim knows the table', DEADLINE_MS, async () => {
      return (await valueOn(victim.url, 'SELECT count(*) FROM moves')) === '0'
    })
    stage.isSet = true
    await Promise.all(
      STEPS.map(async ({ command }, index) => {
        const isFinish = command !== 'PREPARE TRANSACTION'
        const one = await RawClient.connect(isFinish ? survivor.url : victim.url)
        for (const key of ['BEGIN', ...(keys ?? [])]) {
          await one.run(
            key === 'BEGIN' ? key : `INSERT INTO moves VALUES (${key}, 'step ${index} of it')`,
          )
        }
        const prepared = one.simple(`PREPARE TRANSACTION 'gid ${index}'`)
        if (!isFinish) return void prepared.catch(() => undefined).finally(() => one.close())
        t.equal((await prepared).error, undefined)
        one.close()
        const other = await RawClient.connect(victim.url)
        const finished = other.simple(`${command} 'gid ${index}'`)
        void finished.catch(() => undefined).finally(() => other.close())
      }),
    )
    await until('all are held', DEADLINE_MS, async () => stage.isComplete)
    await victim.kill()
    stage.isSet = false
    for (const relay of cluster.relays) {
      for (const connection of relay.connections) if (connection.isHeld) connection.cut()
    }

    const kept = STEPS.flatMap(({ outcome }, index) => (outcome === 'prepared' ? [index] : []))
    const shown = () =>
      valueOn(survivor.url, `SELECT string_agg(gid, ',' ORDER BY gid) FROM pg_prepared_xacts`)
    const names = kept.map((index) => `gid ${index}`).sort()
    const parts = `SELECT count(*) FROM pg_catalog.pg_prepared_xacts`
    await until('only what clients keep is left', RECOVERY_MS, async () => {
      const counts = await Promise.all(cluster.nodeUrls.map((url) => valueOn(url, parts)))
      return counts.every((count) => count === String(kept.length))
    })
    t.equal(await shown(), names.join(','), 'each of them is shown once')
    t.equal(await client.value('SELECT recover_prepared_transactions()'), '0')
    const written = async (index: number) =>
      valueOn(survivor.url, `SELECT count(*) FROM moves WHERE step = 'step ${index} of it'`)
    for (const [index, { name, command, outcome }] of STEPS.entries()) {
      const expected = outcome === 'committed' ? '2' : '0'
      t.equal(await written(index), expected, `${command}, ${name}: ${outcome}`)
    }
    for (const [place, index] of kept.entries()) {
      const verb = place % 2 === 0 ? 'COMMIT' : 'ROLLBACK'
      await client.run(`${verb} PREPARED 'gid ${index}'`)
      t.equal(
        await written(index),
        place % 2 === 0 ? '2' : '0',
        `${verb} PREPARED by another proxy`,
      )
    }
    await untilNothingPrepared(cluster.nodeUrls, RECOVERY_MS)
  },
)

/** Holds the messages of the steps, whichever connections they take. */
class Stage {
  /** Recovery waits meanwhile: else it would finish what is decided before all others are where they are to be. */
  isSet = false
  readonly #awaited = new Map(STEPS.map(({ on }, index) => [index, new Set(on)]))
  readonly #answers: RelayedConnection[] = []
  /** The step of each transaction, by the digits of its name. */
  readonly #byDigits = new Map<string, number>()

  get isComplete(): boolean {
    const isReached = [...this.#awaited.values()].every((nodes) => nodes.size === 0)
    return isReached && this.#answers.every((connection) => connection.hasHeldAnswer)
  }

  watch({ node, text, connection }: Passing): Hold {
    if (this.isSet && text.includes(RECOVERY_QUERY)) return 'request'
    const [, marked] = /'step (\d+) of it'/.exec(text) ?? []
    if (marked !== undefined) connection.mark = marked
    const [digits] = /(?<=[_:])[0-9a-f]{32}/.exec(text) ?? []
    if (digits === undefined) return undefined
    if (text.startsWith("PREPARE TRANSACTION 'pgloom_")) {
      this.#byDigits.set(digits, Number(connection.mark))
    }
    const index = this.#byDigits.get(digits) ?? -1
    const one = STEPS[index]
    const isTheirs = DECIDE.test(text) || (one !== undefined && text.startsWith(one.command))
    if (one === undefined || !isTheirs || !one.message.test(text)) return undefined
    // only once: a proxy that asks again is answered
    if (this.#awaited.get(index)?.delete(node) !== true) return undefined
    if (one.hold === 'answer') this.#answers.push(connection)
    return one.hold
  }
}
