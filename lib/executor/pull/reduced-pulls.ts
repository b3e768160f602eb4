import type { BackendConnection } from '../../backend/backend-connection.ts'
import type { PulledPlan, PulledRows } from '../../planner/plan.ts'
import type { KeyLink, KeyReductions } from '../../planner/pull/key-reductions.ts'
import { formatOf } from '../bound-parameters.ts'
import { keysOf } from '../execution-keys.ts'
import { queryBinary } from '../node-client.ts'
import type { Execution, Parameters, StatementContext } from '../ports.ts'
import { quoteIdentifier } from '../relay/quoted-schema.ts'
import { allowedShards } from '../route.ts'
import { cheaperRows, type EstimatedRows } from './cheaper-rows.ts'
import type { PulledTable } from './pulled-table.ts'

/** Fewer rows are brought in no time. */
const MIN_ROWS = 2000
/** Rows that it must be able to save for each value that a shard is told: to bring a row is dearer than to look one up. */
const ROWS_PER_KEY = 0.125
const MAX_KEYS = 50_000
/** What has at least half as many rows is not asked for its values. */
const SMALLER = 2

/** What a pull's shards are asked for, and with which parameters. */
export type AskedRows = { readonly rows: PulledRows; readonly execution: Execution }

const NOTHING: KeyReductions = {
  links: [],
  reduced: () => {
    throw new Error('nothing is known of these rows')
  },
}

type Run = { readonly execution: Execution; readonly context: StatementContext }

/**
 * Of a join's rows the coordinator needs those that have partners: what has few rows comes first, and the shards of the others are
 * told its values.
 */
export class ReducedPulls {
  /** In which the pulls are to be brought: those of few rows first. */
  readonly order: readonly number[]
  readonly #pulls: readonly EstimatedRows[]
  readonly #reductions: KeyReductions
  readonly #run: Run
  readonly #values = new Map<string, Buffer>()

  private constructor(pulls: readonly EstimatedRows[], reductions: KeyReductions, run: Run) {
    this.#pulls = pulls
    this.#reductions = reductions
    this.#run = run
    const rowCount = (index: number) => pulls[index]?.rowCount ?? 0
    this.order = [...pulls.keys()].sort((a, b) => rowCount(a) - rowCount(b))
  }

  static async of({ pulls, reductions }: PulledPlan, run: Run): Promise<ReducedPulls> {
    const found = reductions?.() ?? NOTHING
    const estimated: EstimatedRows[] = []
    for (const [index, rows] of pulls.entries()) {
      const isLinked = found.links.some(({ pull, by }) => pull === index || by === index)
      const isOpen = isLinked || rows.unjoined !== undefined
      estimated.push(isOpen ? await cheaperRows(rows, run) : unknown(rows))
    }
    return new ReducedPulls(estimated, found, run)
  }

  /** `tables`: those that are filled, by their pulls' places. */
  async asked(
    index: number,
    tables: readonly (PulledTable | undefined)[],
    connection: BackendConnection,
  ): Promise<AskedRows> {
    const { execution } = this.#run
    const { rows } = this.#at(index)
    const found: { readonly link: KeyLink; readonly values: Buffer }[] = []
    for (const link of this.#reductions.links) {
      const table = tables[link.by]
      if (link.pull !== index || table === undefined) continue
      // else most rows have partners
      const isSome = (table.asked?.rows ?? this.#at(link.by).rows).isFiltered
      if (!this.#isForced(index) && !(isSome && this.#isMuchSmaller(link.by, index))) continue
      const values = await this.#valuesOf(link, table, connection)
      if (values !== undefined) found.push({ link, values })
    }
    if (found.length === 0) return { rows, execution }
    const first = execution.parameters.values.length + 1
    const keys = found.map(({ link }, place) => ({ link, parameter: first + place }))
    const parameters = withArrays(
      execution.parameters,
      found.map(({ values }) => values),
    )
    const own = { ...execution, parameters, keepsStatement: undefined }
    const reduced = this.#reductions.reduced(index, keys)
    const { rows: cheaper } = await cheaperRows(reduced, { ...this.#run, execution: own })
    return { rows: cheaper, execution: own }
  }

  #isForced(pull: number): boolean {
    return this.#at(pull).keyFilters === 'always'
  }

  #isMuchSmaller(by: number, pull: number): boolean {
    const { rowCount, keyFilters } = this.#at(pull)
    if (keyFilters === 'never') return false
    return rowCount >= MIN_ROWS && this.#at(by).rowCount * SMALLER <= rowCount
  }

  #at(index: number): EstimatedRows {
    const found = this.#pulls[index]
    if (found === undefined) throw new Error(`no pull ${index}`)
    return found
  }

  /** undefined: too many. */
  async #valuesOf(
    { by, source, typeName, pull }: KeyLink,
    { name }: PulledTable,
    connection: BackendConnection,
  ): Promise<Buffer | undefined> {
    const known = this.#values.get(`${by} ${source}`)
    if (known !== undefined) return known
    const { execution } = this.#run
    const { rows: target, rowCount } = this.#at(pull)
    const keys = keysOf(execution.text, execution.parameters)
    const shardCount = allowedShards(target.table, target.pins, keys).length
    const perShard = rowCount / Math.max(1, shardCount * ROWS_PER_KEY)
    const limit = this.#isForced(pull) ? MAX_KEYS : Math.floor(Math.min(MAX_KEYS, perShard))
    const column = quoteIdentifier(source)
    const { rows } = await queryBinary(
      connection,
      `SELECT pg_catalog.count(*), coalesce(pg_catalog.array_agg(k), '{}') FROM
         (SELECT DISTINCT ${column}::pg_catalog.${typeName} AS k FROM ${name} WHERE ${column} IS NOT NULL LIMIT ${limit + 1}) AS d`,
    )
    const [count, values] = rows[0] ?? []
    if (values === undefined || Number(count?.readBigInt64BE(0)) > limit) return undefined
    this.#values.set(`${by} ${source}`, values)
    return values
  }
}

function unknown(rows: PulledRows): EstimatedRows {
  return { rows, rowCount: 0, keyFilters: 'never' }
}

/** The client's parameters, then arrays in binary, whose types the statement says. */
function withArrays({ types, formats, values }: Parameters, arrays: readonly Buffer[]): Parameters {
  return {
    types: [...values.map((_, index) => types[index] ?? 0), ...arrays.map(() => 0)],
    formats: [...values.map((_, index) => formatOf(formats, index)), ...arrays.map(() => 1)],
    values: [...values, ...arrays],
  }
}
