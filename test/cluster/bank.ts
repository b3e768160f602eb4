import { setTimeout as pause } from 'node:timers/promises'
import { RawClient } from '../support/raw-client.ts'

export const ACCOUNTS = 64
export const START_BALANCE = 100
const TOTAL = ACCOUNTS * START_BALANCE
const RETRY_MS = 50

/** The outcome of a COMMIT that nobody can know of. */
const UNKNOWN = '08007'

/** Where clients may connect now; proxies come and go. */
export type Bank = { readonly urls: () => readonly string[] }

/** A stream of numbers below `limit`, the same for the same seed. */
export type Dice = (limit: number) => number

export function dice(seed: number): Dice {
  let state = seed >>> 0
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit
  }
}

export async function openBank(url: string): Promise<void> {
  const client = await RawClient.connect(url)
  await client.run(`CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL);
    CREATE TABLE journal (account int, transfer text, amount int, PRIMARY KEY (account, transfer))`)
  await client.run(`SELECT create_distributed_table('accounts', 'id', shard_count => 8)`)
  await client.run(`SELECT create_distributed_table('journal', 'account')`)
  await client.run(
    `INSERT INTO accounts SELECT g, ${START_BALANCE} FROM generate_series(1, ${ACCOUNTS}) g`,
  )
  client.close()
}

/** What clients were told, and how often; shared by all of them. */
export class Ledger {
  readonly acknowledged: string[] = []
  readonly refused: string[] = []
  readonly unknown: string[] = []
  /** Errors by SQLSTATE; 'closed': the connection went away. */
  readonly errors = new Map<string, number>()
  reads = 0
  readonly wrongReads: string[] = []

  count(error: string): void {
    this.errors.set(error, (this.errors.get(error) ?? 0) + 1)
  }

  get summary(): string {
    const { acknowledged, refused, unknown, reads, wrongReads } = this
    const errors = [...this.errors].sort().map(([error, times]) => `${error} x${times}`)
    return (
      `transfers: ${acknowledged.length} acknowledged, ${refused.length} refused, ${unknown.length} unknown; ` +
      `consistent reads: ${reads}, wrong: ${wrongReads.length}; errors: ${errors.join(', ')}`
    )
  }
}

/** Connects again, to any proxy, whenever its connection is lost. */
abstract class BankClient {
  readonly ledger: Ledger
  readonly roll: Dice
  readonly #bank: Bank
  #client: RawClient | undefined

  constructor(bank: Bank, ledger: Ledger, seed: number) {
    this.#bank = bank
    this.ledger = ledger
    this.roll = dice(seed)
  }

  async run(signal: AbortSignal): Promise<void> {
    for (let number = 0; !signal.aborted; number++) {
      const client = await this.#connected()
      if (client === undefined) await pause(RETRY_MS)
      else if (!(await this.turn(client, number))) this.#leave()
    }
    this.#leave()
  }

  /** false: the connection is lost. */
  protected abstract turn(client: RawClient, number: number): Promise<boolean>
  protected abstract readonly settings: string

  #leave(): void {
    this.#client?.destroy()
    this.#client = undefined
  }

  async #connected(): Promise<RawClient | undefined> {
    if (this.#client !== undefined) return this.#client
    const urls = this.#bank.urls()
    try {
      const client = await RawClient.connect(urls[this.roll(urls.length)] ?? '')
      this.#client = client
      const { error } = await client.simple(this.settings)
      if (error === undefined) return client
      this.ledger.count(error.sqlState)
    } catch {
      this.ledger.count('closed')
    }
    this.#leave()
    return undefined
  }
}

/** Moves money between two accounts, in no order of locks. */
export class Teller extends BankClient {
  protected readonly settings = "SET statement_timeout = '20s'"
  readonly #name: string

  constructor(bank: Bank, ledger: Ledger, seed: number) {
    super(bank, ledger, seed)
    this.#name = `${seed}`
  }

  protected async turn(client: RawClient, number: number): Promise<boolean> {
    const transfer = `${this.#name}/${number}`
    const { ledger } = this
    const from = 1 + this.roll(ACCOUNTS)
    const to = 1 + ((from + this.roll(ACCOUNTS - 1)) % ACCOUNTS)
    const amount = 1 + this.roll(9)
    let isCommitting = false
    try {
      for (const sql of script(transfer, from, to, amount)) {
        isCommitting = sql === 'COMMIT'
        const { error, results } = await client.simple(sql)
        if (error !== undefined) {
          ledger.count(error.sqlState)
          ;(error.sqlState === UNKNOWN ? ledger.unknown : ledger.refused).push(transfer)
          return isCommitting || (await client.simple('ROLLBACK')).error === undefined
        }
        if (isCommitting) this.#committed(transfer, results[0]?.tag)
      }
      return true
    } catch {
      ledger.count('closed')
      ;(isCommitting ? ledger.unknown : ledger.refused).push(transfer)
      return false
    }
  }

  #committed(transfer: string, tag: string | undefined): void {
    ;(tag === 'COMMIT' ? this.ledger.acknowledged : this.ledger.refused).push(transfer)
  }
}

function script(transfer: string, from: number, to: number, amount: number): readonly string[] {
  const half = (account: number, sum: number): readonly string[] => [
    `UPDATE accounts SET balance = balance + ${sum} WHERE id = ${account}`,
    `INSERT INTO journal VALUES (${account}, '${transfer}', ${sum})`,
  ]
  return ['BEGIN', ...half(from, -amount), ...half(to, amount), 'COMMIT']
}

const BALANCES = 'SELECT sum(balance) FROM accounts'
const JOURNAL = 'SELECT coalesce(sum(amount), 0) FROM journal'

/** In one statement, in several over the same snapshots, and in several of which each takes its own. */
const AUDITS: readonly (readonly string[])[] = [
  [BALANCES],
  ['BEGIN ISOLATION LEVEL REPEATABLE READ', BALANCES, JOURNAL, 'COMMIT'],
  ['BEGIN', BALANCES, JOURNAL, 'COMMIT'],
  [`${BALANCES}; ${JOURNAL}`],
]

/** Adds everything up. */
export class Auditor extends BankClient {
  protected readonly settings = "SET pgloom.consistent_reads = on; SET statement_timeout = '20s'"

  protected async turn(client: RawClient, number: number): Promise<boolean> {
    const { ledger } = this
    const sqls = AUDITS[number % AUDITS.length] ?? []
    try {
      const seen: string[] = []
      for (const sql of sqls) {
        const { error, results } = await client.simple(sql)
        if (error !== undefined) {
          ledger.count(error.sqlState)
          return (await client.simple('ROLLBACK')).error === undefined
        }
        for (const { rows } of results) seen.push(...rows.map(([sum]) => sum ?? ''))
      }
      ledger.reads++
      const right = sqls.includes(BALANCES) && sqls.length === 1 ? `${TOTAL}` : `${TOTAL} 0`
      if (seen.join(' ') !== right) ledger.wrongReads.push(seen.join(' '))
      return true
    } catch {
      ledger.count('closed')
      return false
    }
  }
}

/** What is wrong in the books, once everything is quiet. */
export async function audit(url: string, ledger: Ledger): Promise<readonly string[]> {
  const client = await RawClient.connect(url)
  const faults: string[] = []
  const total = await client.value('SELECT sum(balance) FROM accounts')
  if (total !== `${TOTAL}`) faults.push(`the total is ${total}`)
  const balances = await pairs(client, 'SELECT id, balance FROM accounts')
  const booked = await pairs(client, 'SELECT account, sum(amount) FROM journal GROUP BY account')
  for (const [id, balance] of balances) {
    const expected = START_BALANCE + (booked.get(id) ?? 0)
    if (balance !== expected) faults.push(`account ${id} has ${balance}, not ${expected}`)
  }
  const halves = await pairs(
    client,
    'SELECT transfer, count(*) FROM journal GROUP BY transfer HAVING count(*) <> 2 OR sum(amount) <> 0',
  )
  faults.push(...[...halves.keys()].map((transfer) => `${transfer} is half done`))
  const done = await pairs(client, 'SELECT DISTINCT transfer, 1 FROM journal')
  const lost = ledger.acknowledged.filter((transfer) => !done.has(transfer))
  faults.push(...lost.map((transfer) => `${transfer} was acknowledged and is lost`))
  const ghosts = ledger.refused.filter((transfer) => done.has(transfer))
  faults.push(...ghosts.map((transfer) => `${transfer} was refused and is there`))
  client.close()
  return faults
}

async function pairs(client: RawClient, sql: string): Promise<Map<string, number>> {
  const { results } = await client.run(sql)
  return new Map((results[0]?.rows ?? []).map(([key, value]) => [key ?? '', Number(value)]))
}
