import { isDeepStrictEqual } from 'node:util'
import { comparable, showAnswer } from '../../../support/differential.ts'
import type { Answer, RawClient } from '../../../support/raw-client.ts'
import type { ClusterPair } from '../../cluster-pair.ts'
import type { Random } from '../random.ts'
import { type UniqueStatement, UniqueStatements } from './unique-statements.ts'

const REFUSAL = '0A000'
const VIOLATION = '23505'
/** Of several that a statement makes, no order says which is told. */
const ROW_ERROR = /^23/
const TABLES = ['us', 'up', 'uc', 'ur']

/** The keys that each lookup must hold. */
const KEYS: Readonly<Record<string, string>> = {
  us_pkey: 'SELECT id::text FROM us',
  us_email_key: 'SELECT email FROM us WHERE email IS NOT NULL',
  up_code: "SELECT code || '|' || day FROM up WHERE code IS NOT NULL AND day IS NOT NULL",
  uc_label_n_key: "SELECT label || '|' || n FROM uc WHERE label IS NOT NULL AND n IS NOT NULL",
  uc_active: 'SELECT lower(label) FROM uc WHERE label IS NOT NULL AND n > 5',
}

/** Writes in batches, some of them transactions with savepoints. */
export class UniqueRun {
  same = 0
  violations = 0
  readonly differences: string[] = []
  readonly refused = new Map<string, string[]>()
  readonly #pair: ClusterPair
  readonly #random: Random

  constructor(pair: ClusterPair, random: Random) {
    this.#pair = pair
    this.#random = random
  }

  get line(): string {
    const refused = [...this.refused.values()].reduce((sum, list) => sum + list.length, 0)
    return `${this.same} same (${this.violations} violations), ${refused} refused, ${this.differences.length} different`
  }

  async run(count: number, deadline: number): Promise<void> {
    const statements = new UniqueStatements(this.#random)
    for (let done = 0; done < count && Date.now() < deadline; ) {
      const batch = Array.from({ length: 1 + this.#random.below(5) }, () => statements.statement())
      const isTransaction = this.#random.chance(40)
      await this.#batch(batch, isTransaction)
      done += batch.length
    }
    await this.#compareKeys()
  }

  async #batch(batch: readonly UniqueStatement[], isTransaction: boolean): Promise<void> {
    const pair = this.#pair
    pair.isAbandoned = false
    if (isTransaction) await this.#both('BEGIN')
    for (const statement of batch) {
      if (pair.isAbandoned) break
      const isSafe = isTransaction && this.#random.chance(60)
      if (isSafe) await this.#both('SAVEPOINT s')
      const isFailed = await this.#lockstep(statement)
      const goesBack = isFailed || this.#random.chance(30)
      if (isSafe && goesBack && !pair.isAbandoned) await this.#both('ROLLBACK TO s')
    }
    if (isTransaction && !pair.isAbandoned) {
      await this.#both(this.#random.pick(['COMMIT', 'COMMIT', 'ROLLBACK']))
    }
    for (const table of TABLES) await this.#compareTable(table, batch)
  }

  async #both(sql: string): Promise<void> {
    const [stock, proxy] = await Promise.all([
      this.#pair.stock.simple(sql),
      this.#pair.proxy.simple(sql),
    ])
    if (!isDeepStrictEqual(comparable(stock, true), comparable(proxy, true)))
      this.#note(sql, stock, proxy)
  }

  /** What the proxy refuses must not run on the stock side. Returns whether it failed. */
  async #lockstep(statement: UniqueStatement): Promise<boolean> {
    const pair = this.#pair
    const proxy = await send(pair.proxy, statement, this.#random.chance(30))
    if (proxy.error?.sqlState === REFUSAL) {
      const list = this.refused.get(proxy.error.message) ?? []
      this.refused.set(proxy.error.message, [...list, statement.sql])
      if (proxy.status !== 'I') await pair.abandonTransaction()
      return true
    }
    const stock = await send(pair.stock, statement, false)
    const states = [stock, proxy].map(({ error }) => error?.sqlState ?? '')
    const areRowErrors = states.every((state) => ROW_ERROR.test(state))
    const isSame =
      (areRowErrors && stock.status === proxy.status) ||
      isDeepStrictEqual(comparable(stock, true), comparable(proxy, true))
    if (isSame) this.same += 1
    else this.#note(statement.sql, stock, proxy)
    if (proxy.error?.sqlState === VIOLATION) this.violations += 1
    if (stock.status !== proxy.status) await pair.abandonTransaction()
    return proxy.error !== undefined
  }

  #note(sql: string, stock: Answer, proxy: Answer): void {
    this.differences.push(`${sql}\n  stock: ${showAnswer(stock)}\n  proxy: ${showAnswer(proxy)}`)
  }

  async #compareTable(table: string, batch: readonly UniqueStatement[]): Promise<void> {
    const [stock, proxy] = await Promise.all([
      this.#pair.stock.simple(`SELECT * FROM ${table}`),
      this.#pair.proxy.simple(`SELECT * FROM ${table}`),
    ])
    if (isDeepStrictEqual(comparable(stock, true), comparable(proxy, true))) return
    this.#note(`${table} after ${batch.map(({ sql }) => sql).join(';\n  ')}`, stock, proxy)
    throw new Error(this.differences.join('\n'))
  }

  async #compareKeys(): Promise<void> {
    const { proxy } = this.#pair
    const list = await proxy.run(
      'SELECT indexid, indexname FROM pgloom.pg_dist_global_index ORDER BY 1',
    )
    for (const [id, name] of list.results[0]?.rows ?? []) {
      const wanted = await proxy.run(KEYS[name ?? ''] ?? 'SELECT')
      const held = await proxy.run(
        `SELECT rtrim(concat_ws('|', ${name === 'up_code' || name === 'uc_label_n_key' ? 'c1, c2' : 'c1'})) FROM pgloom_unique.entries_${id}`,
      )
      if (isDeepStrictEqual(rowsOf(wanted), rowsOf(held))) continue
      this.differences.push(`keys of ${name}: ${rowsOf(wanted)}\n  held: ${rowsOf(held)}`)
    }
  }
}

function rowsOf({ results }: Answer): readonly string[] {
  return (results[0]?.rows ?? []).map((row) => JSON.stringify(row)).sort()
}

function send(
  client: RawClient,
  { sql, rows }: UniqueStatement,
  isExtended: boolean,
): Promise<Answer> {
  if (rows !== undefined) return client.copyIn(sql, [Buffer.from(rows)])
  return isExtended ? client.extended(sql, [], 'text') : client.simple(sql)
}
