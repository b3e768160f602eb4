import { isDeepStrictEqual } from 'node:util'
import { comparable, showAnswer } from '../../../support/differential.ts'
import type { Answer, RawClient } from '../../../support/raw-client.ts'
import type { ClusterPair } from '../../cluster-pair.ts'
import { type Sent, withParameter } from '../disguise.ts'
import { Random } from '../random.ts'
import { WRITTEN_TABLES, WriteStatements } from './write-statements.ts'

/** Several rows may be wrong in several ways, and no order says which comes first. */
const ROW_ERROR = /^2[23]/
const REFUSAL = '0A000'

/** Writes in batches, some of them transactions; after each batch both sides must hold the same rows. */
export class WriteRun {
  same = 0
  failed = 0
  readonly differences: string[] = []
  readonly refused = new Map<string, string[]>()
  readonly #pair: ClusterPair
  readonly #seed: number

  constructor(pair: ClusterPair, seed: number) {
    this.#pair = pair
    this.#seed = seed
  }

  get line(): string {
    const refused = [...this.refused.values()].reduce((sum, list) => sum + list.length, 0)
    return `${this.same} same (${this.failed} of them errors), ${refused} refused, ${this.differences.length} different`
  }

  async run(count: number, deadline: number): Promise<void> {
    const random = new Random(this.#seed)
    const statements = new WriteStatements(random)
    for (let done = 0; done < count && Date.now() < deadline; ) {
      const batch = Array.from({ length: 1 + random.below(4) }, () => statements.statement())
      const isTransaction = random.chance(35)
      const end = isTransaction ? random.pick(['COMMIT', 'COMMIT', 'ROLLBACK']) : undefined
      await this.#batch(batch, end, random)
      done += batch.length
    }
  }

  async #batch(batch: readonly string[], end: string | undefined, random: Random): Promise<void> {
    const pair = this.#pair
    pair.isAbandoned = false
    if (end !== undefined) await this.#both('BEGIN')
    for (const sql of batch) {
      const isParameterized = random.chance(15)
      const plain = { sql, parameters: undefined, types: [] }
      const way = random.pick(['simple', 'simple', 'text', 'binary'] as const)
      if (!pair.isAbandoned)
        await this.#lockstep(isParameterized ? withParameter(sql, random) : plain, way)
    }
    if (end !== undefined && !pair.isAbandoned) await this.#both(end)
    for (const table of WRITTEN_TABLES)
      await this.#compareTable(table, [...batch, end].join(';\n  '))
  }

  async #both(sql: string): Promise<void> {
    await Promise.all([this.#pair.stock.simple(sql), this.#pair.proxy.simple(sql)])
  }

  /** What the proxy refuses must not run on the stock side: both go on from the same rows. */
  async #lockstep(sent: Sent, way: 'simple' | 'text' | 'binary'): Promise<void> {
    const pair = this.#pair
    const proxy = await send(pair.proxy, sent, way)
    if (proxy.error?.sqlState === REFUSAL) {
      const list = this.refused.get(proxy.error.message) ?? []
      this.refused.set(proxy.error.message, [...list, sent.sql])
      if (proxy.status !== 'I') await pair.abandonTransaction()
      return
    }
    const stock = await send(pair.stock, sent, way)
    const isRowError = [stock, proxy].every(({ error }) => ROW_ERROR.test(error?.sqlState ?? ''))
    const isSame =
      (isRowError && stock.status === proxy.status) ||
      isDeepStrictEqual(comparable(stock, true), comparable(proxy, true))
    if (isSame) this.same += 1
    if (isSame && stock.error !== undefined) this.failed += 1
    if (!isSame) {
      const parameters = sent.parameters === undefined ? '' : ` ${JSON.stringify(sent.parameters)}`
      this.differences.push(
        `${way}: ${sent.sql};${parameters}\n  stock: ${showAnswer(stock)}\n  proxy: ${showAnswer(proxy)}`,
      )
    }
    if (stock.status !== proxy.status) await pair.abandonTransaction()
  }

  async #compareTable(table: string, history: string): Promise<void> {
    const sent = { sql: `SELECT * FROM ${table}`, parameters: undefined, types: [] }
    const stock = await send(this.#pair.stock, sent, 'simple')
    const proxy = await send(this.#pair.proxy, sent, 'simple')
    if (isDeepStrictEqual(comparable(stock, true), comparable(proxy, true))) return
    const [missing, extra] = [difference(stock, proxy), difference(proxy, stock)]
    this.differences.push(
      `${table} after: ${history}\n  missing: ${missing.slice(0, 5).join(' ')}\n  extra: ${extra.slice(0, 5).join(' ')}`,
    )
    throw new Error(this.differences.join('\n'))
  }
}

function difference(one: Answer, other: Answer): readonly string[] {
  const rows = rowsOf(other)
  return rowsOf(one).filter((row) => !rows.includes(row))
}

function rowsOf({ results }: Answer): readonly string[] {
  return (results[0]?.rows ?? []).map((row) => JSON.stringify(row))
}

async function send(
  client: RawClient,
  { sql, parameters, types }: Sent,
  way: 'simple' | 'text' | 'binary',
): Promise<Answer> {
  if (way === 'simple' && parameters === undefined) return await client.simple(sql)
  const format = way === 'binary' ? 'binary' : 'text'
  return await client.extended(sql, parameters ?? [], format, types)
}
