import { Expressions } from './expressions.ts'
import type { Random } from './random.ts'
import { type Column, type Kind, references, type Scope, type Source, TABLES } from './scope.ts'

export type Query = {
  readonly sql: string
  readonly columns: readonly Column[]
  /** ORDER BY names every output column. */
  readonly isOrdered: boolean
}

/** Which tables a statement is made of, and how its relations are joined. */
export type Style = 'colocated' | 'pinned' | 'wild'

type Ctes = readonly Source[]

const ALIASES = ['x', 'y', 'z', 'fa', 'fb', 'fs', 'fr', 's', 'q']
const AGGREGATES: Readonly<Record<Kind, readonly string[]>> = {
  int: [
    'count(*)',
    'count(%)',
    'count(DISTINCT %)',
    'sum(I)',
    'min(I)',
    'max(I)',
    'sum(DISTINCT I)',
    'bit_or(I)',
  ],
  text: [
    'min(T)',
    'max(T)',
    "string_agg(T, ',' ORDER BY T)",
    "string_agg(DISTINCT T, '/')",
    'max(upper(T))',
  ],
  num: [
    'avg(I)',
    'sum(N)',
    'avg(N)',
    'min(N)',
    'avg(DISTINCT I)',
    'stddev(I)',
    'percentile_disc(0.5) WITHIN GROUP (ORDER BY N)',
  ],
  bool: ['bool_and(B)', 'bool_or(B)', 'every(B)', 'count(*) > 2'],
  date: ['min(D)', 'max(D)'],
}
const WINDOWS: readonly string[] = [
  'count(*) OVER W',
  'sum(I) OVER W',
  'rank() OVER O',
  'dense_rank() OVER O',
  'max(T) OVER W',
  'count(T) OVER O',
]

/** Makes SELECTs over the tables of the fixture. */
export class Selects {
  readonly #random: Random
  readonly #expressions: Expressions
  #style: Style = 'wild'
  #group = 'int'
  #pin = '5'
  #ctes: Ctes = []

  constructor(random: Random) {
    this.#random = random
    this.#expressions = new Expressions(random, {
      one: (scope, kind, isScalar) => this.#scalar(scope, kind, isScalar),
      any: (scope) => this.#block(1, scope, undefined).sql,
    })
  }

  get expressions(): Expressions {
    return this.#expressions
  }

  begin(style: Style, group: string): void {
    this.#style = style
    this.#group = group
    this.#pin = group === 'text' ? "'a'" : '5'
    this.#ctes = []
  }

  statement(): Query {
    const random = this.#random
    const style = random.pick<Style>(['colocated', 'colocated', 'colocated', 'pinned', 'wild'])
    this.begin(style, random.pick(['int', 'int', 'int', 'text']))
    const ctes = random.chance(15) ? this.#with() : ''
    const body = random.chance(style === 'colocated' ? 4 : 12)
      ? this.#setOperation()
      : this.#block(2, [], undefined)
    return this.#finish(`${ctes}${body.sql}`, body.columns)
  }

  #with(): string {
    const random = this.#random
    const name = random.pick(['w', 'fa', 'fr', 'fl', 'x'])
    const query = this.#block(1, [], undefined)
    this.#ctes = [{ alias: name, columns: query.columns }]
    const hint = random.pick(['', '', 'MATERIALIZED ', 'NOT MATERIALIZED '])
    return `WITH ${name} AS ${hint}(${query.sql}) `
  }

  #setOperation(): Query {
    const kinds: Kind[] = ['int', 'text']
    const left = this.#block(1, [], kinds)
    const operator = this.#random.pick(['UNION', 'UNION ALL', 'INTERSECT', 'EXCEPT'])
    return { ...left, sql: `${left.sql} ${operator} ${this.#block(1, [], kinds).sql}` }
  }

  #finish(sql: string, columns: readonly Column[]): Query {
    const random = this.#random
    if (columns.length === 0 || random.chance(45)) return { sql, columns, isOrdered: false }
    const numbers = columns.map((_, index) => index)
    if (random.chance(30)) numbers.reverse()
    const isUnique = (name: string) => columns.filter((column) => column.name === name).length === 1
    const items = numbers.map((index) => {
      const name = columns[index]?.name ?? ''
      const item = isUnique(name) && random.chance(40) ? name : String(index + 1)
      return `${item}${random.pick(['', '', ' DESC', ' NULLS FIRST', ' DESC NULLS LAST'])}`
    })
    const limit = random.pick([
      '',
      '',
      ' LIMIT 5',
      ' LIMIT 3 OFFSET 2',
      ' OFFSET 4',
      ' FETCH FIRST 2 ROWS ONLY',
      ' LIMIT NULL',
    ])
    return { sql: `${sql} ORDER BY ${items.join(', ')}${limit}`, columns, isOrdered: true }
  }

  #scalar(scope: Scope, kind: Kind, isScalar: boolean): string {
    const random = this.#random
    const alias = random.pick(ALIASES)
    const source = this.#named(this.#table(), alias)
    const inner: Scope = [[source.source], ...scope]
    const where = this.#correlation(inner)
    const found = source.source.columns.filter((column) => column.kind === kind)
    if (found.length === 0) return `SELECT ${this.#expressions.constant(kind)}`
    const keyed = found.filter(({ isKey }) => isKey && random.chance(60))
    const column = `${alias}.${random.pick(keyed.length > 0 ? keyed : found).name}`
    const shown = isScalar ? `${kind === 'bool' ? 'bool_or' : 'max'}(${column})` : column
    const grouping = !isScalar && random.chance(15) ? ` GROUP BY ${column}` : ''
    return `SELECT ${shown} FROM ${source.sql}${where}${grouping}`
  }

  /** WHERE of a subquery: mostly the key of an outer level. */
  #correlation(scope: Scope): string {
    const random = this.#random
    const parts: string[] = []
    const own = this.#expressions.keys(scope, 0)
    const outer = this.#expressions.keys(scope, 1)
    const isLinked =
      own.length > 0 && outer.length > 0 && random.chance(this.#style === 'wild' ? 30 : 65)
    if (isLinked) parts.push(`${random.pick(own).sql} = ${random.pick(outer).sql}`)
    if (this.#style === 'pinned' && own.length > 0)
      parts.push(`${random.pick(own).sql} = ${this.#pin}`)
    if (random.chance(40)) parts.push(this.#expressions.condition(scope, 0))
    return parts.length === 0 ? '' : ` WHERE ${parts.join(' AND ')}`
  }

  #table(): string {
    const random = this.#random
    if (this.#style === 'wild' && random.chance(30)) return random.pick(Object.keys(TABLES))
    const own = Object.keys(TABLES).filter((name) => TABLES[name]?.group === this.#group)
    return random.chance(82) ? random.pick(own) : random.pick(['fr', 'fr', 'fr', 'fl'])
  }

  #named(table: string, alias: string): { readonly sql: string; readonly source: Source } {
    const random = this.#random
    const cte = this.#ctes.find((item) => item.alias === table)
    const columns = cte?.columns ?? TABLES[table]?.columns ?? []
    if (alias === table && random.chance(60)) return { sql: table, source: { alias, columns } }
    if (cte === undefined && random.chance(8)) {
      const renamed = columns.map((column, index) =>
        index < 2 ? { ...column, name: `r${index}` } : column,
      )
      return { sql: `${table} AS ${alias} (r0, r1)`, source: { alias, columns: renamed } }
    }
    const schema = cte === undefined && random.chance(10) ? 'public.' : ''
    return {
      sql: `${schema}${table} ${random.pick(['', 'AS '])}${alias}`,
      source: { alias, columns },
    }
  }

  #item(depth: number, scope: Scope, before: readonly Source[], alias: string) {
    const random = this.#random
    const roll = random.below(100)
    const cte = this.#ctes[0]
    if (cte !== undefined && roll < 40 && before.every(isTable))
      return this.#named(cte.alias, alias)
    if (depth > 0 && roll < 55 && roll >= 43 && before.every(isTable)) {
      const isLateral = random.chance(40)
      const outer = isLateral ? [before, ...scope] : scope
      const query = this.#block(depth - 1, outer, undefined)
      const named = uniqueColumns(query.columns)
      const sql = `${isLateral ? 'LATERAL ' : ''}(${query.sql}) AS ${alias} (${named.map(({ name }) => name).join(', ')})`
      return { sql, source: { alias, columns: named } }
    }
    if (roll > 96) {
      const columns: Column[] = [
        { name: 'k', kind: 'int', isKey: false },
        { name: 't', kind: 'text', isKey: false },
      ]
      return {
        sql: `(VALUES (5, 'a'), (2, NULL), (NULL, 'b')) AS ${alias} (k, t)`,
        source: { alias, columns },
      }
    }
    const table = this.#table()
    return this.#named(table, before.length === 0 && random.chance(30) ? table : alias)
  }

  #from(
    depth: number,
    scope: Scope,
  ): { readonly sql: string; readonly sources: readonly Source[] } {
    const random = this.#random
    const count = random.pick([1, 1, 1, 2, 2, 2, 3])
    const free = [...ALIASES]
    let sql = ''
    const sources: Source[] = []
    for (let index = 0; index < count; index++) {
      const aliases = free.filter((name) => sources.every(({ alias }) => alias !== name))
      const item = this.#item(depth, scope, sources, random.pick(aliases))
      if (sources.some(({ alias }) => alias === item.source.alias)) continue
      if (sql === '') sql = item.sql
      else sql += this.#joined(scope, sources, item)
      sources.push(item.source)
    }
    return { sql, sources }
  }

  #joined(scope: Scope, sources: readonly Source[], item: { sql: string; source: Source }): string {
    const random = this.#random
    const condition = this.#joinCondition(scope, sources, item.source)
    const type = random.pick([
      'JOIN',
      'JOIN',
      'LEFT JOIN',
      'LEFT JOIN',
      'RIGHT JOIN',
      'FULL JOIN',
      'CROSS JOIN',
    ])
    if (type === 'CROSS JOIN' || condition === undefined) {
      return `${random.pick([', ', ' CROSS JOIN '])}${item.sql}`
    }
    const shared = item.source.columns.find(
      ({ name, isKey }) =>
        isKey &&
        sources.flatMap(({ columns }) => columns).filter((column) => column.name === name)
          .length === 1,
    )
    if (shared !== undefined && random.chance(25))
      return ` ${type} ${item.sql} USING (${shared.name})`
    const extra =
      type !== 'FULL JOIN' && random.chance(30)
        ? ` AND ${this.#expressions.condition([[...sources, item.source], ...scope], 0)}`
        : ''
    return ` ${type} ${item.sql} ON ${condition}${extra}`
  }

  #joinCondition(scope: Scope, sources: readonly Source[], added: Source): string | undefined {
    const random = this.#random
    const own = added.columns.filter(({ isKey }) => isKey)
    const keys = sources.flatMap(({ alias, columns }) =>
      columns.filter(({ isKey }) => isKey).map((column) => ({ ...column, alias })),
    )
    const pairs = own.flatMap((mine) =>
      keys
        .filter(({ kind }) => kind === mine.kind)
        .map((other) => `${other.alias}.${other.name} = ${added.alias}.${mine.name}`),
    )
    if (pairs.length > 0 && random.chance(this.#style === 'wild' ? 50 : 88))
      return random.pick(pairs)
    const kind = random.pick<Kind>(['int', 'text'])
    const before = sources.flatMap(({ alias, columns }) =>
      columns.filter((column) => column.kind === kind).map(({ name }) => `${alias}.${name}`),
    )
    const mine = added.columns
      .filter((column) => column.kind === kind)
      .map(({ name }) => `${added.alias}.${name}`)
    if (before.length === 0 || mine.length === 0 || scope.length > 3) return undefined
    return `${random.pick(before)} = ${random.pick(mine)}`
  }

  /** One SELECT without ORDER BY; `kinds`: of the outputs that are asked for. */
  #block(depth: number, outer: Scope, kinds: readonly Kind[] | undefined): Query {
    const random = this.#random
    const from = this.#from(depth, outer)
    const scope: Scope = [from.sources, ...outer]
    const rest = ` FROM ${from.sql}${this.#where(scope, depth)}`
    if (kinds === undefined && random.chance(28)) return this.#grouped(scope, rest, depth)
    const wanted =
      kinds ?? Array.from({ length: 1 + random.below(3) }, () => this.#expressions.kind())
    if (kinds === undefined && random.chance(10)) return this.#star(from.sources, rest)
    const outputs = wanted.map((kind) => this.#output(scope, kind, depth))
    if (kinds === undefined && random.chance(10)) outputs.push(this.#window(scope))
    const columns = outputs.map(({ column }) => column)
    const distinct = random.chance(12) ? 'DISTINCT ' : ''
    return {
      sql: `SELECT ${distinct}${outputs.map(({ sql }) => sql).join(', ')}${rest}`,
      columns,
      isOrdered: false,
    }
  }

  #where(scope: Scope, depth: number): string {
    const random = this.#random
    const parts: string[] = []
    if (this.#style === 'pinned') {
      for (const key of references(scope.slice(0, 1), random).filter(({ isKey }) => isKey)) {
        parts.push(
          `${key.sql} = ${random.chance(85) ? this.#pin : this.#expressions.keyConstant(key.kind)}`,
        )
      }
    }
    if (scope.length > 1) parts.push(...this.#links(scope))
    if (random.chance(50)) parts.push(this.#expressions.condition(scope, depth))
    if (random.chance(12)) parts.push(this.#expressions.pin(scope))
    return parts.length === 0 ? '' : ` WHERE ${parts.join(' AND ')}`
  }

  #links(scope: Scope): readonly string[] {
    const own = this.#expressions.keys(scope, 0)
    const outer = this.#expressions.keys(scope, 1)
    if (own.length === 0 || outer.length === 0 || this.#random.chance(30)) return []
    return [`${this.#random.pick(own).sql} = ${this.#random.pick(outer).sql}`]
  }

  #star(sources: readonly Source[], rest: string): Query {
    const { alias, columns } = this.#random.pick(sources)
    return { sql: `SELECT ${alias}.*${rest}`, columns, isOrdered: false }
  }

  #output(scope: Scope, kind: Kind, depth: number): { sql: string; column: Column } {
    const random = this.#random
    const keys = this.#expressions.keys(scope, 0).filter((key) => key.kind === kind)
    if (keys.length > 0 && random.chance(40)) {
      const key = random.pick(keys)
      return { sql: key.sql, column: { name: key.name, kind, isKey: true } }
    }
    const name = random.pick(['k', 'v', 't', 'o1', 'o2', 'id'])
    return {
      sql: `${this.#expressions.value(scope, kind, depth)} AS ${name}`,
      column: { name, kind, isKey: false },
    }
  }

  #window(scope: Scope): { sql: string; column: Column } {
    const random = this.#random
    const keys = this.#expressions.keys(scope, 0)
    const partition =
      keys.length > 0 && random.chance(70)
        ? `PARTITION BY ${random.pick(keys).sql}`
        : random.pick(['', `PARTITION BY ${this.#expressions.column(scope, 'int')}`])
    const text = random
      .pick(WINDOWS)
      .replaceAll('I', this.#expressions.column(scope, 'int'))
      .replaceAll('T', this.#expressions.column(scope, 'text'))
    const sql = text
      .replace('W', `(${partition})`)
      .replace(
        /\bOVER O\b/,
        `OVER (${partition} ORDER BY ${this.#expressions.column(scope, 'int')})`,
      )
    return { sql: `${sql} AS win`, column: { name: 'win', kind: 'int', isKey: false } }
  }

  #grouped(scope: Scope, rest: string, depth: number): Query {
    const random = this.#random
    const outputs: { sql: string; column: Column }[] = []
    const groups: string[] = []
    for (let left = random.below(3); left > 0; left--) {
      const kind = this.#expressions.kind()
      const output = this.#output(scope, kind, random.chance(20) ? 1 : 0)
      groups.push(
        random.chance(50) ? String(outputs.length + 1) : output.sql.replace(/ AS \w+$/, ''),
      )
      outputs.push(output)
    }
    for (let left = 1 + random.below(2); left > 0; left--)
      outputs.push(this.#aggregate(scope, depth))
    const having = random.chance(20)
      ? ` HAVING ${random.pick(['count(*) > 1', `min(${this.#expressions.column(scope, 'int')}) < 3`, 'count(*) = 0'])}`
      : ''
    const group = groups.length === 0 ? '' : ` GROUP BY ${groups.join(', ')}`
    const columns = outputs.map(({ column }) => column)
    return {
      sql: `SELECT ${outputs.map(({ sql }) => sql).join(', ')}${rest}${group}${having}`,
      columns,
      isOrdered: false,
    }
  }

  #aggregate(scope: Scope, depth: number): { sql: string; column: Column } {
    const random = this.#random
    const kind = this.#expressions.kind()
    const letters: Readonly<Record<string, Kind>> = {
      I: 'int',
      T: 'text',
      N: 'num',
      B: 'bool',
      D: 'date',
    }
    let isBare = false
    const chosen = new Map<string, string>()
    const call = random.pick(AGGREGATES[kind]).replaceAll(/\b[ITNBD]\b|%/g, (letter) => {
      const column = chosen.get(letter) ?? this.#expressions.column(scope, letters[letter] ?? 'int')
      chosen.set(letter, column)
      if (!/[a-z]/.test(column) || column.startsWith("'")) isBare = true
      return column
    })
    const filter =
      !call.includes('>') && random.chance(12)
        ? ` FILTER (WHERE ${this.#expressions.condition(scope, 0)})`
        : ''
    const name = random.pick(['a', 'k', 'v', 'total'])
    const text = isBare && depth >= 0 ? 'count(*)' : `${call}${filter}`
    return {
      sql: `${text} AS ${name}`,
      column: { name, kind: isBare ? 'int' : kind, isKey: false },
    }
  }
}

/** Products of larger things than tables take too long. */
function isTable({ columns }: Source): boolean {
  return Object.values(TABLES).some((table) => table.columns === columns)
}

function uniqueColumns(columns: readonly Column[]): readonly Column[] {
  return columns.map((column, index) => {
    const isFirst = columns.findIndex(({ name }) => name === column.name) === index
    return isFirst ? column : { ...column, name: `${column.name}${index}` }
  })
}
