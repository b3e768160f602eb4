import { showAnswer } from '../../../support/differential.ts'
import type { Answer, RawClient } from '../../../support/raw-client.ts'
import { type ClusterPair, loadScript } from '../../cluster-pair.ts'
import { Random } from '../random.ts'
import { agree } from './agreement.ts'
import { chooseDelivery, type Delivery, deliver } from './delivery.ts'
import { Schema } from './schema.ts'
import { type Statement, StatementMaker } from './statements.ts'

/** So often the tables are made anew. */
const STATEMENTS_OF_SCHEMA = 2500
const REFUSAL = '0A000'
const TIMEOUT = '57014'

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
    if (isError(got, REFUSAL) && !isError(expected, REFUSAL)) return this.#refuse(got, told)
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
    this.differences.push(`${told}\n  stock: ${showAnswer(expected)}\n  proxy: ${showAnswer(got)}`)
  }

  #onSlow(told: string): void {
    this.#refuse(
      {
        results: [],
        error: { sqlState: TIMEOUT, message: 'too slow, on this side alone' },
        status: 'I',
      },
      told,
    )
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

  #refuse({ error }: Answer, told: string): void {
    const reason = error?.message.replaceAll(/"[^"]*"/g, '"…"') ?? ''
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
