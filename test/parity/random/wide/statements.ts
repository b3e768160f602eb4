import type { Random } from '../random.ts'
import { Aggregates } from './aggregates.ts'
import { type Block, Blocks, blockText, type Output } from './blocks.ts'
import { Conditions } from './conditions.ts'
import { FromLists } from './from.ts'
import type { Kind } from './kinds.ts'
import { Literals } from './literals.ts'
import type { Maker, Named, Query, Style } from './maker.ts'
import type { Schema } from './schema.ts'
import type { Column, Scope } from './scope.ts'
import { Values } from './values.ts'
import { Windows } from './windows.ts'

/** How two answers must agree. Sort columns are outputs, from 0. */
export type Comparison =
  /** The order is total. */
  | { readonly kind: 'rows' }
  /** The same rows in any order, in which the sort columns still follow each other. */
  | { readonly kind: 'bag'; readonly sorted: readonly number[] }
  /** LIMIT cuts where the order leaves open which rows: as many, out of those of `whole`. */
  | { readonly kind: 'cut'; readonly sorted: readonly number[]; readonly whole: string }

export type Statement = {
  readonly sql: string
  readonly literals: Literals
  readonly comparison: Comparison
  /** By output. */
  readonly freedoms: readonly Output['freedom'][]
}

/** One SELECT by chance. */
export class StatementMaker {
  readonly #random: Random
  readonly #literals: Literals
  readonly #ctes: Named[] = []
  readonly #blocks: Blocks
  readonly #maker: Maker
  #aliases = 0

  constructor(random: Random, schema: Schema, parameterShare: number) {
    this.#random = random
    this.#literals = new Literals(random, parameterShare)
    const group = random.pick(['one', 'one', 'two'])
    const columns = schema.tables.find((table) => table.group === group)?.columns ?? []
    const keyKind = columns.find(({ isKey }) => isKey)?.kind ?? 'int'
    const maker: Maker = {
      random,
      schema,
      literals: this.#literals,
      group,
      style: random.pick<Style>([
        'colocated',
        'colocated',
        'colocated',
        'colocated',
        'pinned',
        'wild',
        'wild',
      ]),
      size: random.pick([1, 1, 2, 3]),
      pin: this.#literals.plain(keyKind),
      ctes: this.#ctes,
      alias: () => `t${++this.#aliases}`,
      value: (scope, kind, depth) => values.value(scope, kind, depth),
      column: (scope, kind) => values.column(scope, kind),
      condition: (scope, depth) => conditions.condition(scope, depth),
      scalar: (scope, kind) => this.#scalar(scope, kind),
      list: (scope, kind) => this.#list(scope, kind),
      query: (outer, kinds, depth) => this.#query(outer, kinds, depth),
    }
    const values = new Values(maker)
    const conditions = new Conditions(maker)
    const from = new FromLists(maker, conditions)
    const aggregates = new Aggregates(maker)
    const windows = new Windows(maker)
    this.#maker = maker
    this.#blocks = new Blocks({ maker, from, conditions, aggregates, windows })
  }

  make(): Statement {
    const random = this.#random
    const { size } = this.#maker
    const withClause = random.chance(10 * (size - 1)) ? this.#with() : ''
    if (random.chance(12)) {
      const query = this.#setOperation(undefined, this.#unionKinds(), 2)
      const outputs = query.columns.map(({ name, kind }): Output => plainOutput(name, kind))
      return this.#finish(withClause, query.sql, outputs)
    }
    const block = this.#blocks.make(undefined, undefined, size - random.below(2), true)
    if (block.form === 'plain' && random.chance(10)) return this.#distinctOn(withClause, block)
    if (block.form === 'distinct' && block.outputs.some(({ isSortable }) => !isSortable)) {
      return this.#finish(withClause, blockText({ ...block, head: 'SELECT ' }), block.outputs)
    }
    return this.#finish(withClause, blockText(block), block.outputs, block)
  }

  #statement(sql: string, comparison: Comparison, outputs: readonly Output[]): Statement {
    return {
      sql,
      literals: this.#literals,
      comparison,
      freedoms: outputs.map(({ freedom }) => freedom),
    }
  }

  #finish(withClause: string, sql: string, outputs: readonly Output[], block?: Block): Statement {
    const random = this.#random
    const sortable = outputs.flatMap(({ freedom, isSortable }, at) =>
      freedom === 'none' && isSortable ? [at] : [],
    )
    const text = `${withClause}${sql}`
    if (sortable.length === 0 || random.chance(35)) {
      const limit = random.chance(12) ? ` LIMIT ${this.#count()}` : ''
      const bag: Comparison = { kind: 'bag', sorted: [] }
      return this.#statement(
        `${text}${limit}`,
        limit === '' ? bag : { kind: 'cut', sorted: [], whole: text },
        outputs,
      )
    }
    if (block?.form === 'plain' && random.chance(12))
      return this.#sortedByInput(text, outputs, block)
    const isTotal = sortable.length === outputs.length && random.chance(60)
    const sorted = isTotal ? shuffled(sortable, random) : sortable.filter(() => random.chance(50))
    if (sorted.length === 0) sorted.push(random.pick(sortable))
    const ordered = `${text} ORDER BY ${sorted.map((at) => this.#sortItem(outputs, at)).join(', ')}`
    const isWhole = sorted.length === outputs.length
    const rows: Comparison = isWhole ? { kind: 'rows' } : { kind: 'bag', sorted }
    if (random.chance(50)) return this.#statement(ordered, rows, outputs)
    if (random.chance(15)) {
      return this.#statement(
        `${ordered} FETCH FIRST ${random.pick(['1', '3', '5'])} ROWS WITH TIES`,
        rows,
        outputs,
      )
    }
    return this.#statement(
      `${ordered}${this.#limit()}`,
      isWhole ? rows : { kind: 'cut', sorted, whole: ordered },
      outputs,
    )
  }

  #sortedByInput(text: string, outputs: readonly Output[], block: Block): Statement {
    const kind = this.#random.pick<Kind>(['int', 'text', 'date', 'time', 'num'])
    const sql = `${text} ORDER BY ${this.#maker.column(block.scope, kind)}::text, 1`
    return this.#statement(sql, { kind: 'bag', sorted: [] }, outputs)
  }

  /** DISTINCT ON whose order is total. */
  #distinctOn(withClause: string, block: Block): Statement {
    const { outputs } = block
    const count = 1 + this.#random.below(Math.min(2, outputs.length))
    const on = outputs.slice(0, count).map((_, at) => String(at + 1))
    const all = outputs.map((_, at) => String(at + 1))
    const body = blockText({ ...block, head: `SELECT DISTINCT ON (${on.join(', ')}) ` })
    const limit = this.#random.chance(30) ? this.#limit() : ''
    return this.#statement(
      `${withClause}${body} ORDER BY ${all.join(', ')}${limit}`,
      { kind: 'rows' },
      outputs,
    )
  }

  #sortItem(outputs: readonly Output[], at: number): string {
    const random = this.#random
    const name = outputs[at]?.name ?? ''
    const isAlone = outputs.filter((output) => output.name === name).length === 1
    const item = isAlone && random.chance(35) ? name : String(at + 1)
    return `${item}${random.pick(['', '', ' DESC', ' NULLS FIRST', ' DESC NULLS LAST'])}`
  }

  #count(): string {
    return this.#random.pick(['0', '1', '3', '3', '7', '20', 'NULL', 'ALL', '(SELECT 4)', '2 + 1'])
  }

  #limit(): string {
    const random = this.#random
    return random.make([
      () => ` LIMIT ${this.#count()}`,
      () => ` LIMIT ${this.#count()}`,
      () => ` LIMIT ${this.#count()} OFFSET ${random.pick(['0', '1', '4'])}`,
      () => ` OFFSET ${random.pick(['1', '3', '10'])}`,
      () => ' FETCH FIRST 2 ROWS ONLY',
    ])
  }

  #with(): string {
    const random = this.#random
    const parts: string[] = []
    let isRecursive = false
    for (let left = random.pick([1, 1, 2, 3]); left > 0; left--) {
      const name = `${random.pick(['w', 'q', 'wa'])}${this.#ctes.length}`
      if (random.chance(18)) {
        isRecursive = true
        parts.push(this.#recursive(name))
        continue
      }
      const query = random.chance(15)
        ? this.#setOperation(undefined, this.#unionKinds(), 1)
        : this.#query(undefined, undefined, 1)
      const columns = query.columns.map((column, at) => ({ ...column, name: `c${at + 1}` }))
      const names = columns.map((column) => column.name)
      const hint = random.pick(['', '', 'MATERIALIZED ', 'NOT MATERIALIZED '])
      parts.push(`${name} (${names.join(', ')}) AS ${hint}(${query.sql})`)
      this.#ctes.push({ name, columns, identity: names, rows: query.rows, group: 'cte' })
    }
    return `WITH ${isRecursive ? 'RECURSIVE ' : ''}${parts.join(', ')} `
  }

  #recursive(name: string): string {
    const random = this.#random
    const { tables } = this.#maker.schema
    const table = random.pick(
      tables.filter(({ group }) => group === this.#maker.group || group === 'reference'),
    )
    const columns: Column[] = [
      { name: 'n', kind: 'int', isKey: false },
      { name: 'm', kind: 'int', isKey: false },
    ]
    this.#ctes.push({ name, columns, identity: ['n', 'm'], rows: 20, group: 'cte' })
    const start = `SELECT id, 1 FROM ${table.name} WHERE id < 4`
    return random.pick([
      `${name} (n, m) AS (${start} UNION ALL SELECT n, m + 1 FROM ${name} WHERE m < 3)`,
      `${name} (n, m) AS (${start} UNION SELECT x.id, m + 1 FROM ${name} JOIN ${table.name} x ON x.id = ${name}.n + 3 WHERE m < 5)`,
      `${name} (n, m) AS (SELECT 1, 1 UNION ALL SELECT n + 1, m * 2 FROM ${name} WHERE n < (SELECT least(count(*), 6) FROM ${table.name}))`,
    ])
  }

  #unionKinds(): readonly Kind[] {
    const random = this.#random
    const kinds: Kind[] = [
      'int',
      'text',
      'date',
      'num',
      'uuid',
      'bool',
      'interval',
      'char',
      'inet',
      'bytes',
    ]
    return Array.from({ length: 1 + random.below(3) }, () => random.pick(kinds))
  }

  #setOperation(outer: Scope | undefined, kinds: readonly Kind[], depth: number): Query {
    const random = this.#random
    const arm = (): Query => {
      if (depth > 1 && random.chance(30)) {
        const inner = this.#setOperation(outer, kinds, depth - 1)
        return { ...inner, sql: `(${inner.sql})` }
      }
      const query = this.#query(outer, kinds, depth - 1)
      return /( LIMIT | ORDER BY | OFFSET )/.test(query.sql)
        ? { ...query, sql: `(${query.sql})` }
        : query
    }
    let all = arm()
    for (let left = random.pick([1, 1, 2]); left > 0; left--) {
      const operator = random.pick([
        'UNION',
        'UNION ALL',
        'UNION ALL',
        'INTERSECT',
        'EXCEPT',
        'EXCEPT ALL',
        'INTERSECT ALL',
      ])
      const other = arm()
      all = { ...all, sql: `${all.sql} ${operator} ${other.sql}`, rows: all.rows + other.rows }
    }
    return { ...all, columns: all.columns.map((column) => ({ ...column, isKey: false })) }
  }

  #query(outer: Scope | undefined, kinds: readonly Kind[] | undefined, depth: number): Query {
    const random = this.#random
    if (depth > 0 && random.chance(10))
      return this.#setOperation(outer, kinds ?? this.#unionKinds(), depth)
    const block = this.#blocks.make(outer, kinds, depth, false)
    const columns = block.outputs.map(({ name, kind, isKey }): Column => ({ name, kind, isKey }))
    const rows = Math.ceil(block.scope.rows / (outer?.rows ?? 1))
    const sql = blockText(block)
    if (!random.chance(10)) return { sql, columns, rows }
    const all = columns.map((_, at) => String(at + 1)).join(', ')
    return { sql: `${sql} ORDER BY ${all} LIMIT ${random.pick(['1', '2', '5'])}`, columns, rows: 3 }
  }

  #scalar(scope: Scope, kind: Kind): string {
    const random = this.#random
    if (scope.rows > 400) return `SELECT ${this.#literals.plain(kind)}`
    const query = this.#query(scope, [kind], 0)
    const name = `s${++this.#aliases}`
    if (random.chance(75)) {
      const aggregate = {
        text: 'max(v)',
        bool: 'bool_and(v)',
        json: '(array_agg(v ORDER BY v))[1]',
        uuid: '(array_agg(v ORDER BY v))[1]',
        int: 'max(v)',
        range: '(array_agg(v ORDER BY v))[1]',
        bits: '(array_agg(v ORDER BY v))[1]',
      }
      const call = aggregate[kind as keyof typeof aggregate] ?? 'min(v)'
      return `SELECT ${call} FROM (${query.sql}) AS ${name} (v)`
    }
    return `SELECT v FROM (${query.sql}) AS ${name} (v) ORDER BY v ${random.pick(['', 'DESC '])}LIMIT 1`
  }

  #list(scope: Scope, kind: Kind): string {
    if (scope.rows > 1500)
      return `VALUES (${this.#literals.plain(kind)}), (${this.#literals.constant(kind)})`
    return this.#query(scope, [kind], this.#random.chance(12) ? 1 : 0).sql
  }
}

function plainOutput(name: string, kind: Kind): Output {
  return { sql: '', name, kind, isKey: false, freedom: 'none', isSortable: true }
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const left = [...items]
  const all: T[] = []
  while (left.length > 0) all.push(...left.splice(random.below(left.length), 1))
  return all
}
