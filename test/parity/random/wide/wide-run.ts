import { ParserHost } from '../../../../lib/sql/parser-host.ts'
import { showAnswer } from '../../../support/differential.ts'
import type { Answer, RawClient } from '../../../support/raw-client.ts'
import { type ClusterPair, loadScript } from '../../cluster-pair.ts'
import { Random } from '../random.ts'
import { agree } from './agreement.ts'
import { chooseDelivery, type Delivery, deliver } from './delivery.ts'
import { Schema } from './schema.ts'
import { shrink } from './shrink.ts'
import { type Statement, StatementMaker } from './statements.ts'

/** So often the tables are made anew. */
const STATEMENTS_OF_SCHEMA = 2500
/** Ways to join, and to count DISTINCT values, that small tables would not be read by: each for so many statements. */
const STATEMENTS_OF_WAY = 25
const JOIN_WAYS = [
  ['auto', 'auto', 'auto', 'auto'],
  ['always', 'never', 'always', 'auto'],
  ['never', 'always', 'always', 'auto'],
  ['never', 'never', 'never', 'always'],
] as const
const REFUSAL = '0A000'
const TIMEOUT = '57014'
/** PGLOOM_RANDOM_SHRINK=1: what is refused is shown at its smallest too. */
const SHRINKS_REFUSED = process.env['PGLOOM_RANDOM_SHRINK'] === '1'

/** Statements of a seed by their index; each can be made again without those before it. */
export class WideRun {
  same = 0
  failed = 0
  /** Stopped by statement_timeout on either side. */
  slow = 0
  readonly differences: string[] = []
  readonly refused = new Map<string, string[]>()
  readonly #pair: ClusterPair
  readonly #seed: number
  #epoch = -1
  #schema: Schema | undefined
  #way: (typeof JOIN_WAYS)[number] | undefined

  constructor(pair: ClusterPair, seed: number) {
    this.#pair = pair
    this.#seed = seed
  }

  get refusedCount(): number {
    return [...this.refused.values()].reduce((sum, list) => sum + list.length, 0)
  }

  get line(): string {
    return `${this.same} same (${this.failed} of them errors), ${this.refusedCount} refused, ${this.differences.length} different, ${this.slow} too slow`
  }

  async statement(index: number): Promise<void> {
    const schema = await this.#schemaOf(index)
    await this.#joinBy(index)
    const random = Random.of(this.#seed, index)
    const statement = new StatementMaker(random, schema, random.chance(30) ? 40 : 0).make()
    const delivery = chooseDelivery(statement, schema, random)
    const { stock, proxy } = this.#pair
    const [expected, got] = await Promise.all([
      deliver(stock, statement, delivery),
      deliver(proxy, statement, delivery),
    ])
    const told = `PGLOOM_RANDOM_ONLY=${index} ${showStatement(statement, delivery)}`
    if (isError(expected, TIMEOUT) || isError(got, TIMEOUT)) {
      this.slow++
      if (!isError(expected, TIMEOUT)) this.#onSlow(told)
      return
    }
    if (isError(got, REFUSAL) && !isError(expected, REFUSAL)) {
      const smallest =
        SHRINKS_REFUSED && `\n      shrunk: ${await this.#shrink(statement, delivery, got)}`
      return this.#refuse(got, `${told}${smallest || ''}`)
    }
    const whole = await this.#whole(stock, statement, delivery)
    // all rows took too long: nothing to compare with
    if (whole !== undefined && isError(whole, TIMEOUT)) {
      this.slow++
      return
    }
    if (agree(expected, got, statement, delivery.way, whole)) {
      this.same++
      if (expected.error !== undefined) this.failed++
      return
    }
    const smallest = await this.#shrink(statement, delivery, got)
    this.differences.push(
      `${told}\n  stock: ${showAnswer(expected)}\n  proxy: ${showAnswer(got)}\n  shrunk: ${smallest}`,
    )
  }

  async #joinBy(index: number): Promise<void> {
    const way = JOIN_WAYS[Math.floor(index / STATEMENTS_OF_WAY) % JOIN_WAYS.length]
    if (way === this.#way || way === undefined || process.env['PGLOOM_TEST_SETTINGS']) return
    this.#way = way
    const [broadcasts, repartitions, exchanges, keyFilters] = way
    await this.#pair.proxy.run(
      `SET pgloom.broadcast_joins = ${broadcasts}; SET pgloom.repartition_joins = ${repartitions}; SET pgloom.exchange_distinct_values = ${exchanges}; SET pgloom.key_filters = ${keyFilters}`,
    )
  }

  /** The smallest statement that still fails in the same way. */
  async #shrink(statement: Statement, delivery: Delivery, got: Answer): Promise<string> {
    const { stock, proxy } = this.#pair
    const host = await ParserHost.create()
    let { freedoms } = statement
    return shrink(host, statement.sql, async ({ sql, lostOutput }) => {
      const left = freedoms.filter((_, at) => at !== lostOutput)
      const comparison = { kind: 'bag', sorted: [] } as const
      const smaller: Statement = { ...statement, sql, comparison, freedoms: left }
      const expected = await deliver(stock, smaller, delivery)
      if (expected.error !== undefined) return false
      const answer = await deliver(proxy, smaller, delivery)
      const isFailing =
        answer.error !== undefined || got.error !== undefined
          ? reasonOf(answer) === reasonOf(got)
          : !agree(expected, answer, smaller, delivery.way, undefined)
      if (isFailing) freedoms = left
      return isFailing
    })
  }

  #onSlow(told: string): void {
    this.#refuse({ error: { sqlState: TIMEOUT, message: 'too slow, on this side alone' } }, told)
  }

  async #whole(
    stock: RawClient,
    statement: Statement,
    delivery: Delivery,
  ): Promise<Answer | undefined> {
    const { comparison } = statement
    if (comparison.kind !== 'cut') return undefined
    return await deliver(stock, { ...statement, sql: comparison.whole }, delivery)
  }

  #refuse({ error }: Pick<Answer, 'error'>, told: string): void {
    const reason = reasonOf({ error })
    const list = this.refused.get(reason)
    if (list === undefined) this.refused.set(reason, [told])
    else list.push(told)
  }

  async #schemaOf(index: number): Promise<Schema> {
    const epoch = Math.floor(index / STATEMENTS_OF_SCHEMA)
    if (this.#schema !== undefined && epoch === this.#epoch) return this.#schema
    this.#epoch = epoch
    this.#schema = new Schema(Random.of(this.#seed, -2 - epoch))
    await loadScript(this.#pair, this.#schema.script)
    return this.#schema
  }
}

function reasonOf({ error }: Pick<Answer, 'error'>): string {
  return error?.message.replaceAll(/"[^"]*"/g, '"…"') ?? ''
}

function isError({ error }: Answer, sqlState: string): boolean {
  return error?.sqlState === sqlState
}

function showStatement(
  { sql, literals }: Statement,
  { way, format, values, writes }: Delivery,
): string {
  const parameters =
    literals.values.length === 0 ? '' : ` ${JSON.stringify([literals.types, values])}`
  return `${way}/${format}: ${[...writes, sql].join('; ')};${parameters}`
}
