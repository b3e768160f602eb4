import t from 'tap'
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
const COORDINATOR = 0

type Message = 'write' | 'take' | 'apply' | 'prepare' | 'commit' | 'commit-prepared'

/** A write of one row with a global unique key, held at one of its steps on the wire between the proxy and a server. */
type Step = {
  readonly name: string
  readonly message: Message
  readonly hold: Exclude<Hold, undefined>
  /** What becomes of it when its proxy dies there. */
  readonly outcome: 'commit' | 'abort'
}

const STEPS: readonly Step[] = [
  { name: 'before the row', message: 'write', hold: 'request', outcome: 'abort' },
  { name: 'the row, unanswered', message: 'write', hold: 'answer', outcome: 'abort' },
  { name: 'its keys are taken, unanswered', message: 'take', hold: 'answer', outcome: 'abort' },
  { name: 'before the lookup', message: 'apply', hold: 'request', outcome: 'abort' },
  { name: 'the lookup, unanswered', message: 'apply', hold: 'answer', outcome: 'abort' },
  { name: 'before PREPARE', message: 'prepare', hold: 'request', outcome: 'abort' },
  { name: 'prepared, unanswered', message: 'prepare', hold: 'answer', outcome: 'abort' },
  { name: 'before the decision', message: 'commit', hold: 'request', outcome: 'abort' },
  { name: 'decided, unanswered', message: 'commit', hold: 'answer', outcome: 'commit' },
  {
    name: 'before COMMIT PREPARED',
    message: 'commit-prepared',
    hold: 'request',
    outcome: 'commit',
  },
  { name: 'committed, unanswered', message: 'commit-prepared', hold: 'answer', outcome: 'commit' },
]

/** What it does, with a row whose key bears the step's number. */
const WRITES = {
  insert: (step: number) => `INSERT INTO accounts VALUES (${100 + step}, 'insert_${step}_')`,
  update: (step: number) =>
    `UPDATE accounts SET email = 'update_${step}_new' WHERE tenant = ${step} AND email = 'update_${step}_'`,
  remove: (step: number) =>
    `DELETE FROM accounts WHERE tenant = ${step} AND email = 'remove_${step}_'`,
} as const
type Kind = keyof typeof WRITES
const KINDS = ['insert', 'update', 'remove'] as const satisfies readonly Kind[]

const TRANSACTION = /pgloom_[0-9a-f]{12}_[0-9a-f]{32}/

t.setTimeout(600_000)

t.test('proxies killed at each step of a write leave rows and lookup equal', async (t) => {
  const cluster = await ServeCluster.start(t, 2, { relayed: true })
  const survivor = await cluster.startProxy()
  const client = await RawClient.connect(survivor.url)
  t.teardown(() => client.close())
  await client.run(`SET pgloom.global_unique_indexes = on;
    CREATE TABLE accounts (tenant int, email text UNIQUE)`)
  await client.run("SELECT create_distributed_table('accounts', 'tenant', shard_count => 4)")
  await client.run(`INSERT INTO accounts SELECT g, kind || '_' || g || '_'
    FROM generate_series(0, ${STEPS.length}) g, (VALUES ('update'), ('remove')) k (kind)`)
  const index = await client.value('SELECT indexid FROM pgloom.pg_dist_global_index')
  const [coordinator = '', ...workers] = cluster.nodeUrls
  let stages: readonly Stage[] = []
  for (const relay of cluster.relays) {
    relay.watch = (passing) => {
      // else it would finish what is decided before all the others are where they are to be
      if (stages.length > 0 && passing.text.includes(RECOVERY_QUERY)) return 'request'
      return stages.map((stage) => stage.watch(passing)).find((hold) => hold !== undefined)
    }
  }

  stages = KINDS.map((kind) => new Stage(kind))
  const victims = await Promise.all(KINDS.map(() => cluster.startProxy()))
  const answers = KINDS.flatMap((kind, at) =>
    STEPS.map((_, step) => answerOf(victims[at]?.url ?? '', WRITES[kind](step))),
  )
  await until('all are held', DEADLINE_MS, async () => stages.every((stage) => stage.isComplete))
  stages = []
  await Promise.all(victims.map((victim) => victim.kill()))
  cutHeld(cluster)
  for (const answer of await Promise.all(answers)) t.equal(answer?.error?.sqlState, undefined)
  await untilNothingPrepared(cluster.nodeUrls, RECOVERY_MS)

  for (const kind of KINDS) {
    await t.test(kind, async (t) => {
      for (const [step, { name, outcome }] of STEPS.entries()) {
        t.equal(await isDone(client, kind, step), outcome === 'commit', `${name}: ${outcome}`)
      }
    })
  }

  await t.test('each key has its row, each row its key', async (t) => {
    const ordered = 'string_agg(%, $$ $$ ORDER BY % COLLATE "C")'
    const rows = await client.value(`SELECT ${ordered.replaceAll('%', 'email')} FROM accounts`)
    const lookup = `SELECT ${ordered.replaceAll('%', 'c1')} FROM pgloom_unique.entries_${index}`
    t.equal(await valueOn(coordinator, lookup), rows)
    const left = `SELECT count(*) FROM pgloom_unique.changes_${index}`
    for (const url of workers) t.equal(await valueOn(url, left), '0', 'no change is left over')
  })

  await t.test('what was undone can be done again', async (t) => {
    for (const [step, { outcome }] of STEPS.entries()) {
      const again = `INSERT INTO accounts VALUES (${200 + step}, 'insert_${step}_')`
      const expected = outcome === 'commit' ? '23505' : undefined
      t.equal((await client.simple(again)).error?.sqlState, expected, again)
    }
  })
})

function cutHeld({ relays }: ServeCluster): void {
  for (const { connections } of relays) {
    for (const connection of connections) if (connection.isHeld) connection.cut()
  }
}

async function isDone(client: RawClient, kind: Kind, step: number): Promise<boolean> {
  const key = kind === 'update' ? `update_${step}_new` : `${kind}_${step}_`
  const count = await client.value(`SELECT count(*) FROM accounts WHERE email = '${key}'`)
  return (count === '1') !== (kind === 'remove')
}

/** undefined: the connection was closed without one. */
async function answerOf(url: string, sql: string): Promise<Answer | undefined> {
  const client = await RawClient.connect(url)
  try {
    return await client.simple(sql)
  } catch {
    return undefined
  } finally {
    client.close()
  }
}

/** Holds the messages of one kind's steps, whichever connections they take. */
class Stage {
  readonly #key: RegExp
  readonly #kind: Kind
  readonly #awaited = new Set(STEPS.keys())
  readonly #answers: RelayedConnection[] = []
  /** The step of each transaction, by the name it prepares under. */
  readonly #byTransaction = new Map<string, number>()

  constructor(kind: Kind) {
    this.#kind = kind
    this.#key = new RegExp(`${kind}_(\\d+)_`)
  }

  get isComplete(): boolean {
    return this.#awaited.size === 0 && this.#answers.every((held) => held.hasHeldAnswer)
  }

  watch({ node, text, connection }: Passing): Hold {
    const [, marked] = this.#key.exec(text) ?? []
    if (marked !== undefined) connection.mark = `${this.#kind} ${marked}`
    const [kind, number] = connection.mark.split(' ')
    const own = kind === this.#kind ? Number(number) : undefined
    const transaction = TRANSACTION.exec(text)?.[0] ?? ''
    if (text.startsWith('PREPARE TRANSACTION') && own !== undefined) {
      this.#byTransaction.set(transaction, own)
    }
    const step = this.#byTransaction.get(transaction) ?? own
    const wanted = step === undefined ? undefined : STEPS[step]
    if (step === undefined || wanted === undefined || !isMessage(wanted.message, node, text)) {
      return undefined
    }
    // only once: a proxy that asks again is answered
    if (!this.#awaited.delete(step)) return undefined
    if (wanted.hold === 'answer') this.#answers.push(connection)
    return wanted.hold
  }
}

function isMessage(message: Message, node: number, text: string): boolean {
  switch (message) {
    case 'write':
      return node !== COORDINATOR && /INSERT|UPDATE|DELETE/.test(text)
    case 'take':
      return text.includes('pgloom_unique.take_')
    case 'apply':
      return text.includes('pgloom_unique.apply_')
    case 'prepare':
      return text.startsWith('PREPARE TRANSACTION')
    case 'commit':
      return node === COORDINATOR && text.includes('pgloom.decide') && text.endsWith('COMMIT\0')
    case 'commit-prepared':
      return text.startsWith('COMMIT PREPARED')
  }
}
