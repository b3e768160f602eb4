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
/** Where a failure leaves a COMMIT: known to the client as this, or not known to it. */
const LOST = /^(08\d{3}|57P0[123]|40001|25P02)$/
const UNKNOWN = '08007'

const [COORDINATOR, FIRST, SECOND] = [0, 1, 2] as const

/** Where the coordinator writes, its COMMIT is in the message of the decision. */
type Message = 'prepare' | 'decide' | 'commit-prepared'

/** A two-phase commit, held at one of its steps on the wire between the proxy and a server. */
type Step = {
  readonly name: string
  /** Where it writes. */
  readonly writers: readonly number[]
  readonly message: Message
  readonly on: readonly number[]
  readonly hold: Exclude<Hold, undefined>
  /** Parts that are prepared while it is held. */
  readonly prepared: number
  /** What becomes of it when its proxy dies there. */
  readonly outcome: 'commit' | 'abort'
}

const WORKERS = [FIRST, SECOND]
const WITH_COORDINATOR = [COORDINATOR, FIRST]

const STEPS: readonly Step[] = [
  step('before any PREPARE', WORKERS, 'prepare', WORKERS, 'request', 0, 'abort'),
  step('one is prepared', WORKERS, 'prepare', [SECOND], 'request', 1, 'abort'),
  step('all are prepared, unanswered', WORKERS, 'prepare', WORKERS, 'answer', 2, 'abort'),
  step('before the decision', WORKERS, 'decide', [COORDINATOR], 'request', 2, 'abort'),
  step('decided, unanswered', WORKERS, 'decide', [COORDINATOR], 'answer', 2, 'commit'),
  step('before any COMMIT PREPARED', WORKERS, 'commit-prepared', WORKERS, 'request', 2, 'commit'),
  step('one is committed', WORKERS, 'commit-prepared', [SECOND], 'request', 1, 'commit'),
  step('all are committed, unanswered', WORKERS, 'commit-prepared', WORKERS, 'answer', 0, 'commit'),
  step(
    'coordinator writes: before PREPARE',
    WITH_COORDINATOR,
    'prepare',
    [FIRST],
    'request',
    0,
    'abort',
  ),
  step(
    'coordinator writes: before the decision',
    WITH_COORDINATOR,
    'decide',
    [COORDINATOR],
    'request',
    1,
    'abort',
  ),
  step(
    'coordinator writes: decided, unanswered',
    WITH_COORDINATOR,
    'decide',
    [COORDINATOR],
    'answer',
    1,
    'commit',
  ),
  step(
    'coordinator writes: before COMMIT PREPARED',
    WITH_COORDINATOR,
    'commit-prepared',
    [FIRST],
    'request',
    1,
    'commit',
  ),
  step(
    'coordinator writes: all committed, unanswered',
    WITH_COORDINATOR,
    'commit-prepared',
    [FIRST],
    'answer',
    0,
    'commit',
  ),
]

function step(
  name: string,
  writers: readonly number[],
  message: Message,
  on: readonly number[],
  hold: Exclude<Hold, undefined>,
  prepared: number,
  outcome: Step['outcome'],
): Step {
  return { name, writers, message, on, hold, prepared, outcome }
}

t.setTimeout(600_000)

t.test('a failure at each step of a two-phase commit', async (t) => {
  const cluster = await ServeCluster.start(t, 2, { relayed: true })
  const survivor = await cluster.startProxy()
  const client = await RawClient.connect(survivor.url)
  await client.run(`CREATE TABLE moves (k int, step text); SELECT create_distributed_table('moves', 'k', shard_count => 4);
    CREATE TABLE local_moves (k int, step text)`)
  const keys = await keyOfEachNode(client, cluster)
  client.close()
  const stages = new Map<string, Stage>()
  let runsOnTheirWay = 0
  for (const relay of cluster.relays) {
    relay.watch = (passing) => {
      // else it would finish what is decided, after half a second, before all the others are where they are to be
      if (runsOnTheirWay > 0 && passing.text.includes(RECOVERY_QUERY)) return 'request'
      for (const stage of stages.values()) {
        const hold = stage.watch(passing)
        if (hold !== undefined) return hold
      }
      return undefined
    }
  }

  /** All steps at once, each by a transaction of its own that is held there. */
  async function held(url: string, run: string): Promise<Commit[]> {
    runsOnTheirWay++
    const stage = new Stage(run)
    stages.set(run, stage)
    const commits = await Promise.all(STEPS.map((_, index) => Commit.start(url, run, index, keys)))
    await until('all are held', DEADLINE_MS, async () => stage.isComplete)
    await until('as many parts are prepared', DEADLINE_MS, async () => {
      const gids = await Promise.all(cluster.nodeUrls.map(preparedOn))
      return STEPS.every(({ prepared }, index) => stage.count(index, gids.flat()) === prepared)
    })
    runsOnTheirWay--
    return commits
  }

  async function check(t: Test, run: string, commits: readonly Commit[]): Promise<void> {
    const answers = await Promise.all(commits.map(({ answer }) => answer))
    stages.delete(run)
    const startedMs = performance.now()
    await untilNothingPrepared(cluster.nodeUrls, RECOVERY_MS)
    t.pass(`nothing prepared is left after ${Math.round(performance.now() - startedMs)} ms`)
    for (const [index, one] of STEPS.entries()) {
      const written = await valueOn(
        survivor.url,
        `SELECT (SELECT count(*) FROM moves WHERE step = '${run} ${index}') +
        (SELECT count(*) FROM local_moves WHERE step = '${run} ${index}')`,
      )
      const isThere = written === String(one.writers.length)
      t.ok(isThere || written === '0', `${one.name}: on all or on none`)
      judge(t, one, answers[index], isThere)
    }
  }

  t.test('kill -9 of the proxy, or its connections to all servers are cut', async (t) => {
    const victim = await cluster.startProxy()
    const [killed, cut] = await Promise.all([held(victim.url, 'killed'), held(survivor.url, 'cut')])
    await victim.kill()
    for (const relay of cluster.relays) {
      for (const connection of relay.connections) if (connection.isHeld) connection.cut()
    }
    await check(t, 'killed', killed)
    await check(t, 'cut', cut)
  })

  for (const [name, node] of [
    ['worker', SECOND],
    ['coordinator', COORDINATOR],
  ] as const) {
    t.test(`kill -9 of a ${name}`, async (t) => {
      const commits = await held(survivor.url, name)
      const server = cluster.servers[node]
      if (server === undefined) throw new Error('no such server')
      await killServer(server)
      for (const relay of cluster.relays) relay.release()
      await server.start()
      // a client that was there may have been sent away with the server
      await until('the proxy answers again', DEADLINE_MS, async () => {
        return (await valueOn(survivor.url, 'SELECT count(*) FROM moves')) !== null
      })
      await check(t, name, commits)
    })
  }
})

const TRANSACTION = /pgloom_[0-9a-f]{12}_[0-9a-f]{32}/

async function preparedOn(url: string): Promise<readonly string[]> {
  const gids = await valueOn(url, "SELECT string_agg(gid, ' ') FROM pg_catalog.pg_prepared_xacts")
  return gids?.split(' ') ?? []
}

/** What the client was told must be true. */
function judge(t: Test, one: Step, answer: Answer | undefined, isThere: boolean): void {
  if (answer === undefined) {
    t.equal(isThere, one.outcome === 'commit', `${one.name}: ${one.outcome}`)
    return
  }
  const { error, results } = answer
  if (error === undefined) {
    t.equal(results[0]?.tag, 'COMMIT', one.name)
    t.ok(isThere, `${one.name}: what was acknowledged is there`)
    return
  }
  t.match(error.sqlState, LOST, `${one.name}: ${error.message}`)
  if (error.sqlState !== UNKNOWN) t.notOk(isThere, `${one.name}: what was refused is not there`)
}

/** Holds the messages of one run's steps, whichever connections they take. */
class Stage {
  readonly #run: string
  readonly #awaited = new Map<number, Set<number>>()
  readonly #answers: RelayedConnection[] = []
  /** The step of each transaction, by the name it prepares under. */
  readonly #byTransaction = new Map<string, number>()

  constructor(run: string) {
    this.#run = run
    for (const [index, { on }] of STEPS.entries()) this.#awaited.set(index, new Set(on))
  }

  get isComplete(): boolean {
    const isReached = [...this.#awaited.values()].every((nodes) => nodes.size === 0)
    return isReached && this.#answers.every((connection) => connection.hasHeldAnswer)
  }

  /** How many of the prepared parts are the step's. */
  count(index: number, gids: readonly string[]): number {
    const isOurs = (gid: string) =>
      this.#byTransaction.get(TRANSACTION.exec(gid)?.[0] ?? '') === index
    return gids.filter(isOurs).length
  }

  watch({ node, text, connection }: Passing): Hold {
    const [, marked] = new RegExp(`'${this.#run} (\\d+)'`).exec(text) ?? []
    if (marked !== undefined) connection.mark = `${this.#run} ${marked}`
    const [run, number] = connection.mark.split(' ')
    const own = run === this.#run ? Number(number) : -1
    const message = messageOf(text)
    const transaction = TRANSACTION.exec(text)?.[0] ?? ''
    if (message === 'prepare' && own >= 0) this.#byTransaction.set(transaction, own)
    const index = this.#byTransaction.get(transaction) ?? -1
    const one = STEPS[index]
    if (one === undefined || message !== one.message || !one.on.includes(node)) return undefined
    // only once: a proxy that asks again is answered
    if (this.#awaited.get(index)?.delete(node) !== true) return undefined
    if (one.hold === 'answer') this.#answers.push(connection)
    return one.hold
  }
}

function messageOf(text: string): Message | undefined {
  if (text.startsWith('PREPARE TRANSACTION')) return 'prepare'
  if (text.startsWith('COMMIT PREPARED')) return 'commit-prepared'
  return text.includes('pgloom.decide') ? 'decide' : undefined
}

/** A client whose COMMIT is under way. */
class Commit {
  /** undefined: its connection was closed without one. */
  readonly answer: Promise<Answer | undefined>

  private constructor(answer: Promise<Answer | undefined>) {
    this.answer = answer
  }

  static async start(
    url: string,
    run: string,
    index: number,
    keys: readonly number[],
  ): Promise<Commit> {
    const client = await RawClient.connect(url)
    await client.run('BEGIN')
    for (const node of STEPS[index]?.writers ?? []) {
      const table = node === COORDINATOR ? 'local_moves' : 'moves'
      await client.run(`INSERT INTO ${table} VALUES (${keys[node]}, '${run} ${index}')`)
    }
    const answer = client.simple('COMMIT').catch(() => undefined)
    return new Commit(answer.finally(() => client.close()))
  }
}

/** A key whose rows the node has; unused where it has no shards. */
async function keyOfEachNode(client: RawClient, cluster: ServeCluster): Promise<number[]> {
  const keys: number[] = []
  for (const relay of cluster.relays) {
    const key = await client.value(`SELECT coalesce(min(g), 0) FROM generate_series(1, 100) g
      WHERE get_shard_id_for_distribution_column('moves', g) IN (SELECT shardid FROM citus_shards WHERE nodeport = ${relay.port})`)
    keys.push(Number(key))
  }
  return keys
}
