import t, { type Test } from 'tap'
import { killServer } from '../support/kill-server.ts'
import { untilNothingPrepared, valueOn } from '../support/node-urls.ts'
import { type Answer, RawClient } from '../support/raw-client.ts'
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

/**
 * Servers that are killed while all steps are held, one after the other: places in the cluster. A longer sweep over all three:
 *
 *   PGLOOM_KILLED_SERVERS=0,1,2,0,1,2 node dist/test/cluster/client-prepared-steps.test.js
 */
const KILLED = (process.env['PGLOOM_KILLED_SERVERS'] ?? `${SECOND},${COORDINATOR}`).split(',')

/** Known to the client as failed, or not known to it. */
const LOST = /^(08\d{3}|57P0[123]|40001|25P02)$/
const UNKNOWN = '08007'

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

t.test('kill -9 at each step of what a client prepares on several nodes', async (t) => {
  const cluster = await ServeCluster.start(t, 2, { relayed: true })
  const survivor = await cluster.startProxy()
  const client = await RawClient.connect(survivor.url)
  await client.run(
    `CREATE TABLE moves (k int, step text); SELECT create_distributed_table('moves', 'k', shard_count => 4)`,
  )
  const { results } = await client.run(`SELECT min(g) FROM generate_series(1, 100) g
    JOIN citus_shards s ON s.shardid = get_shard_id_for_distribution_column('moves', g) GROUP BY s.nodeport`)
  client.close()
  const keys = results[0]?.rows.map(([key]) => Number(key)) ?? []
  let stage = new Stage('')
  for (const relay of cluster.relays) relay.watch = (passing) => stage.watch(passing)

  /** All steps at once, each by a transaction of its own that is held there. */
  async function held(run: string, url: string): Promise<readonly Under[]> {
    stage = new Stage(run)
    stage.isSet = true
    const started = await Promise.all(
      STEPS.map(({ command }, index) =>
        start({ command, gid: `${run} ${index}`, keys, url, other: survivor.url }),
      ),
    )
    await until('all are held', DEADLINE_MS, async () => stage.isComplete)
    return started
  }
  const goOn = (): void => {
    stage.isSet = false
    for (const relay of cluster.relays) relay.release()
  }
  const shown = async () => {
    const names = `SELECT string_agg(gid, ',' ORDER BY gid) FROM pg_prepared_xacts`
    return (await valueOn(survivor.url, names))?.split(',') ?? []
  }
  const written = (gid: string) =>
    valueOn(survivor.url, `SELECT count(*) FROM moves WHERE step = '${gid}'`)

  /** Nothing is left but what clients keep, whole and undecided. */
  async function settled(): Promise<readonly string[]> {
    await until('only what clients keep is left', RECOVERY_MS, async () => {
      const kept = String((await shown()).length)
      const counts = await Promise.all(cluster.nodeUrls.map((url) => valueOn(url, PARTS)))
      const decided = await valueOn(cluster.nodeUrls[COORDINATOR] ?? '', DECIDED)
      return decided === '0' && counts.every((count) => count === kept)
    })
    t.equal(await valueOn(survivor.url, 'SELECT recover_prepared_transactions()'), '0')
    return await shown()
  }

  /** By another proxy than the one that was asked before. */
  async function finishKept(t: Test, names: readonly string[]): Promise<void> {
    for (const [place, gid] of names.entries()) {
      const [verb, expected] = place % 2 === 0 ? ['COMMIT', '2'] : ['ROLLBACK', '0']
      await valueOn(survivor.url, `${verb} PREPARED '${gid}'`)
      t.equal(await written(gid), expected, `${verb} PREPARED later`)
    }
    await untilNothingPrepared(cluster.nodeUrls, RECOVERY_MS)
  }

  await t.test('of the proxy', async (t) => {
    const victim = await cluster.startProxy()
    await until('the victim knows the table', DEADLINE_MS, async () => {
      return (await valueOn(victim.url, 'SELECT count(*) FROM moves')) === '0'
    })
    await held('proxy', victim.url)
    await victim.kill()
    stage.isSet = false
    for (const relay of cluster.relays) {
      for (const connection of relay.connections) if (connection.isHeld) connection.cut()
    }
    const kept = STEPS.flatMap(({ outcome }, index) =>
      outcome === 'prepared' ? [`proxy ${index}`] : [],
    )
    t.same(await settled(), kept.sort(), 'each of them is shown once')
    for (const [index, { name, command, outcome }] of STEPS.entries()) {
      const expected = outcome === 'committed' ? '2' : '0'
      t.equal(await written(`proxy ${index}`), expected, `${command}, ${name}: ${outcome}`)
    }
    await finishKept(t, kept)
  })

  for (const [round, killed] of KILLED.entries()) {
    await t.test(`of server ${killed}`, async (t) => {
      const run = `round${round}`
      const started = await held(run, survivor.url)
      const server = cluster.servers[Number(killed)]
      if (server === undefined) throw new Error('no such server')
      await killServer(server)
      goOn()
      await server.start()
      await until('the proxy answers again', DEADLINE_MS, async () => {
        return (
          (await valueOn(survivor.url, 'SELECT count(*) FROM moves').catch(() => null)) !== null
        )
      })
      const answers = await Promise.all(started.map(({ answer }) => answer))
      const names = await settled()
      for (const [index, one] of STEPS.entries()) {
        const isKept = names.includes(`${run} ${index}`)
        judge(t, one, answers[index], isKept, await written(`${run} ${index}`))
      }
      await finishKept(t, names)
    })
  }
})

const PARTS = 'SELECT count(*) FROM pg_catalog.pg_prepared_xacts'
/** Of clients' transactions, on the coordinator. */
const DECIDED = `SELECT count(*) FROM pg_catalog.pg_prepared_xacts x JOIN pgloom.pg_dist_transaction d
  ON pg_catalog.strpos(x.gid, pg_catalog.right(d.transactionid, 32)) > 0`

/** A command under way. */
type Under = {
  /** undefined: its connection was closed without one. */
  readonly answer: Promise<Answer | undefined>
}

type Start = {
  readonly command: Step['command']
  readonly gid: string
  readonly keys: readonly number[]
  /** Who is asked for it. */
  readonly url: string
  /** Who prepares what is to be finished. */
  readonly other: string
}

async function start({ command, gid, keys, url, other }: Start): Promise<Under> {
  const isFinish = command !== 'PREPARE TRANSACTION'
  const one = await RawClient.connect(isFinish ? other : url)
  await one.run('BEGIN')
  for (const key of keys) await one.run(`INSERT INTO moves VALUES (${key}, '${gid}')`)
  const prepared = one.simple(`PREPARE TRANSACTION '${gid}'`)
  if (!isFinish) return under(one, prepared)
  if ((await prepared).error !== undefined) throw new Error('it can not be prepared')
  one.close()
  const client = await RawClient.connect(url)
  return under(client, client.simple(`${command} '${gid}'`))
}

function under(client: RawClient, answer: Promise<Answer>): Under {
  return { answer: answer.catch(() => undefined).finally(() => client.close()) }
}

/** On all nodes or on none, and what the client was told must be true. */
function judge(
  t: Test,
  { command, name }: Step,
  answer: Answer | undefined,
  isKept: boolean,
  written: string | null,
): void {
  const is = `${command}, ${name}`
  const isCommit = command === 'COMMIT PREPARED'
  const isDone = isCommit ? written === '2' : written === '0' && !isKept
  t.ok(isKept ? written === '0' : written === '0' || written === '2', `${is}: on all or on none`)
  if (command === 'PREPARE TRANSACTION') t.equal(written, '0', `${is}: nothing is to be seen of it`)
  else t.ok(isKept || isDone, `${is}: kept, or finished as it was asked for`)
  if (answer === undefined) return
  const { error } = answer
  const isPrepare = command === 'PREPARE TRANSACTION'
  if (error === undefined) {
    t.ok(isPrepare ? isKept : isDone, `${is}: what was acknowledged is so`)
    return
  }
  t.match(error.sqlState, LOST, `${is}: ${error.message}`)
  if (error.sqlState === UNKNOWN) return
  t.equal(isKept, !isPrepare, `${is}: ${error.sqlState} ${error.message}: nothing has changed`)
}

/** Holds the messages of one run's steps, whichever connections they take. */
class Stage {
  /** Recovery waits meanwhile: else it would finish what is decided before all others are where they are to be. */
  isSet = false
  readonly #run: string
  readonly #awaited = new Map(STEPS.map(({ on }, index) => [index, new Set(on)]))
  readonly #answers: RelayedConnection[] = []
  /** The step of each transaction, by the digits of its name. */
  readonly #byDigits = new Map<string, number>()

  constructor(run: string) {
    this.#run = run
  }

  get isComplete(): boolean {
    const isReached = [...this.#awaited.values()].every((nodes) => nodes.size === 0)
    return isReached && this.#answers.every((connection) => connection.hasHeldAnswer)
  }

  watch({ node, text, connection }: Passing): Hold {
    if (this.isSet && text.includes(RECOVERY_QUERY)) return 'request'
    const [, marked] = new RegExp(`'${this.#run} (\\d+)'`).exec(text) ?? []
    if (marked !== undefined) connection.mark = `${this.#run} ${marked}`
    const [digits] = /(?<=[_:])[0-9a-f]{32}/.exec(text) ?? []
    if (digits === undefined) return undefined
    const [run, number] = connection.mark.split(' ')
    if (text.startsWith("PREPARE TRANSACTION 'pgloom_") && run === this.#run) {
      this.#byDigits.set(digits, Number(number))
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
