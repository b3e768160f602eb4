import { isDeepStrictEqual } from 'node:util'
import { comparable, showAnswer } from '../../support/differential.ts'
import type { Answer, RawClient } from '../../support/raw-client.ts'
import type { ClusterPair } from '../cluster-pair.ts'
import { otherLiteral, type Sent, withParameter } from './disguise.ts'
import { Modifications } from './modifications.ts'
import { Random } from './random.ts'
import { Selects } from './selects.ts'

/** Several rows may be wrong in several ways, and no order says which comes first. */
const ROW_ERROR = /^2[23]/
/** Not supported, and a NULL for a distribution column, which may be one for a stock Postgres. */
const REFUSALS: ReadonlySet<string> = new Set(['0A000', '22004'])
const TABLES = ['fa', 'fb', 'fc', 'fs', 'fu', 'fr', 'fl']

/** Short SELECTs around keys, then modifications whose effects are compared. Runs as many as there is time for. */
export class NarrowRun {
  same = 0
  failed = 0
  readonly differences: string[] = []
  readonly #pair: ClusterPair
  readonly #seed: number
  #random: Random
  #selects: Selects
  readonly #refused = new Map<string, number>()
  readonly #milliseconds: number
  readonly #started = Date.now()

  constructor(pair: ClusterPair, seed: number, milliseconds: number) {
    this.#pair = pair
    this.#seed = seed
    this.#milliseconds = milliseconds
    this.#random = new Random(seed)
    this.#selects = new Selects(this.#random)
  }

  get line(): string {
    const refused = [...this.#refused.values()].reduce((sum, count) => sum + count, 0)
    return `${this.same} same (${this.failed} of them errors), ${refused} refused, ${this.differences.length} different`
  }

  get refusalCounts(): readonly (readonly [string, number])[] {
    return [...this.#refused].sort(([, left], [, right]) => right - left)
  }

  async selects(count: number): Promise<void> {
    const random = this.#random
    let last = ''
    for (let done = 0; done < count && this.#hasTime(0.7); done++) {
      if (last !== '' && random.chance(25)) {
        await this.#compare(
          { sql: otherLiteral(last, random), parameters: undefined, types: [] },
          false,
        )
        continue
      }
      const query = this.#selects.statement()
      last = query.sql
      const sent = random.chance(20)
        ? withParameter(query.sql, random)
        : { sql: query.sql, parameters: undefined, types: [] }
      await this.#compare(sent, query.isOrdered)
    }
  }

  #hasTime(share: number): boolean {
    return Date.now() - this.#started < this.#milliseconds * share
  }

  /** In batches, some of them transactions; after each both hold the same rows. */
  async modifications(count: number): Promise<void> {
    // of its own: a slow machine makes fewer SELECTs, and still the same modifications
    this.#random = new Random(this.#seed + 1)
    this.#selects = new Selects(this.#random)
    const random = this.#random
    const modifications = new Modifications(random, this.#selects)
    for (let done = 0; done < count && this.#hasTime(1); ) {
      const batch: string[] = []
      for (let left = 2 + random.below(6); left > 0; left--) {
        batch.push(random.chance(20) ? this.#selects.statement().sql : modifications.statement())
      }
      const isTransaction = random.chance(40)
      await this.#batch(isTransaction ? transaction(batch, random) : batch, isTransaction)
      done += batch.length
    }
  }

  async #batch(batch: readonly string[], isTransaction: boolean): Promise<void> {
    const pair = this.#pair
    if (!isTransaction && this.#random.chance(70)) await this.#both('BEGIN')
    for (const sql of batch) {
      await this.#lockstep({ sql, parameters: undefined, types: [] })
      if (pair.isAbandoned) break
    }
    pair.isAbandoned = false
    const history = batch.join('; ')
    await this.#compareTables(history)
    if ((await pair.stock.simple('SELECT 1')).status !== 'I') {
      await this.#both('ROLLBACK')
      await this.#compareTables(`${history}; ROLLBACK`)
    }
  }

  async #both(sql: string): Promise<void> {
    await Promise.all([this.#pair.stock.simple(sql), this.#pair.proxy.simple(sql)])
  }

  async #compareTables(history: string): Promise<void> {
    for (const table of TABLES) {
      const sent = { sql: `SELECT * FROM ${table}`, parameters: undefined, types: [] }
      const [stock, proxy] = await Promise.all([
        send(this.#pair.stock, sent, 'simple'),
        send(this.#pair.proxy, sent, 'simple'),
      ])
      if (this.#isSame(stock, proxy, false)) continue
      this.differences.push(
        `${table} after: ${history}\n  stock: ${showAnswer(stock)}\n  proxy: ${showAnswer(proxy)}`,
      )
      await this.#repair(table, stock)
    }
  }

  /** So that one difference is told once. */
  async #repair(table: string, { results }: Answer): Promise<void> {
    await this.#both('ROLLBACK')
    await this.#both(`DELETE FROM ${table}`)
    for (const row of results[0]?.rows ?? []) {
      const values = row.map((value) =>
        value === null ? 'NULL' : `'${value.replaceAll("'", "''")}'`,
      )
      await this.#both(`INSERT INTO ${table} VALUES (${values.join(', ')})`)
    }
  }

  /** What the proxy refuses, or what takes too long, must not run on the stock side: both go on from the same rows. */
  async #lockstep(sent: Sent): Promise<void> {
    const proxy = await send(this.#pair.proxy, sent, 'simple')
    if (isRefusal(proxy) || isTimeout(proxy)) {
      this.#refuse(proxy)
      if (proxy.status !== 'I') await this.#pair.abandonTransaction()
      return
    }
    const stock = await send(this.#pair.stock, sent, 'simple')
    if (isSameRowError(stock, proxy)) {
      this.same++
      this.failed++
    } else this.#judge(sent, 'simple', stock, proxy, false)
    if (stock.status !== proxy.status) await this.#pair.abandonTransaction()
  }

  async #compare(sent: Sent, isOrdered: boolean): Promise<void> {
    const way =
      sent.parameters === undefined
        ? this.#random.pick(['simple', 'simple', 'text', 'binary'])
        : this.#random.pick(['text', 'binary'])
    const [stock, proxy] = await Promise.all([
      send(this.#pair.stock, sent, way),
      send(this.#pair.proxy, sent, way),
    ])
    if (isRefusal(proxy) && !isRefusal(stock)) this.#refuse(proxy)
    else this.#judge(sent, way, stock, proxy, isOrdered)
  }

  #refuse({ error }: Answer): void {
    const reason = error?.message.replaceAll(/"[^"]*"/g, '"…"') ?? ''
    this.#refused.set(reason, (this.#refused.get(reason) ?? 0) + 1)
  }

  #judge(sent: Sent, way: string, stock: Answer, proxy: Answer, isOrdered: boolean): void {
    if (isTimeout(stock) || isTimeout(proxy)) return
    if (this.#isSame(plainTypes(sent, way, stock), plainTypes(sent, way, proxy), isOrdered)) {
      this.same++
      if (stock.error !== undefined) this.failed++
      return
    }
    const parameters =
      sent.parameters === undefined ? '' : ` ${JSON.stringify([sent.parameters, sent.types])}`
    this.differences.push(
      `${way}: ${sent.sql};${parameters}\n  stock: ${showAnswer(stock)}\n  proxy: ${showAnswer(proxy)}`,
    )
  }

  #isSame(stock: Answer, proxy: Answer, isOrdered: boolean): boolean {
    return isDeepStrictEqual(comparable(stock, !isOrdered), comparable(proxy, !isOrdered))
  }
}

/**
 * Describe of a portal shows the type modifiers of its plan, where constants are folded and set operations rebuilt, Describe of
 * its statement those that the inputs agree on; a portal that we run ourselves is described as its statement.
 */
function plainTypes({ sql }: Sent, way: string, answer: Answer): Answer {
  if (way === 'simple' && !/\b(EXCEPT|INTERSECT)\b/.test(sql)) return answer
  const results = answer.results.map((result) => ({
    ...result,
    fields: result.fields?.map((field) => ({ ...field, typeModifier: -1 })),
  }))
  return { ...answer, results }
}

/** Products of products: which side takes longer says nothing. */
function isTimeout({ error }: Answer): boolean {
  return error?.sqlState === '57014'
}

function isSameRowError(stock: Answer, proxy: Answer): boolean {
  return (
    ROW_ERROR.test(stock.error?.sqlState ?? '') &&
    ROW_ERROR.test(proxy.error?.sqlState ?? '') &&
    stock.status === proxy.status
  )
}

function isRefusal({ error }: Answer): boolean {
  return error !== undefined && REFUSALS.has(error.sqlState)
}

async function send(
  client: RawClient,
  { sql, parameters, types }: Sent,
  way: string,
): Promise<Answer> {
  if (way === 'simple') return await client.simple(sql)
  const format = way === 'binary' ? 'binary' : 'text'
  return await client.extended(sql, parameters ?? [], format, types)
}

function transaction(batch: readonly string[], random: Random): readonly string[] {
  const statements: string[] = ['BEGIN']
  for (const sql of batch) {
    statements.push(sql)
    if (random.chance(30)) statements.push('SAVEPOINT a')
    if (random.chance(30)) statements.push('ROLLBACK TO a')
  }
  return [...statements, random.pick(['COMMIT', 'COMMIT', 'COMMIT', 'ROLLBACK'])]
}
