import type { Random } from '../random.ts'
import type { Conditions } from './conditions.ts'
import type { Kind } from './kinds.ts'
import type { Maker, Named } from './maker.ts'
import type { Column, Scope, Source } from './scope.ts'
import { jsonTable } from './sql-json.ts'

type Item = {
  readonly sql: string
  readonly source: Source
  readonly rows: number
  readonly isTable: boolean
}

/** Products of products take too long on either side. */
const MAX_ROWS = 2500

/** FROM lists: tables, CTEs, subqueries, VALUES and functions, joined in every way. */
export class FromLists {
  readonly #maker: Maker
  readonly #conditions: Conditions

  constructor(maker: Maker, conditions: Conditions) {
    this.#maker = maker
    this.#conditions = conditions
  }

  /** `sources` in the order that `*` shows them, but for those of USING. */
  make(outer: Scope | undefined, depth: number): { readonly sql: string; readonly scope: Scope } {
    const { random, size, style } = this.#maker
    const around = outer?.rows ?? 1
    const count = around > 300 ? 1 : Math.min(random.pick([1, 1, 2, 2, 2, 3, 3, 4]), size + 1)
    const first = this.#item(outer, { sources: [], outer, rows: around }, depth)
    let scope: Scope = { sources: [first.source], outer, rows: around * Math.max(first.rows, 1) }
    let sql = first.sql
    let isListed = false
    for (let left = count - 1; left > 0; left--) {
      const item = this.#item(outer, scope, depth)
      const rows = scope.rows * Math.max(item.rows, 1)
      if (rows > MAX_ROWS * 20) continue
      const next: Scope = {
        sources: [...scope.sources, item.source],
        outer,
        rows: Math.ceil(rows / 5),
      }
      if (isListed || (rows < MAX_ROWS && style !== 'colocated' && random.chance(8))) {
        isListed = true
        sql += `, ${item.sql}`
        scope = { ...next, rows }
        continue
      }
      const joined = this.#join(next, item, rows)
      sql += joined.sql
      scope = { ...next, sources: [...next.sources, ...joined.sources] }
    }
    return { sql, scope }
  }

  #join(
    scope: Scope,
    item: Item,
    rows: number,
  ): { readonly sql: string; readonly sources: readonly Source[] } {
    const { random } = this.#maker
    const type = random.pick([
      'JOIN',
      'JOIN',
      'JOIN',
      'LEFT JOIN',
      'LEFT JOIN',
      'RIGHT JOIN',
      'FULL JOIN',
      'CROSS JOIN',
    ])
    const isLateral = item.sql.startsWith('LATERAL') || item.sql.includes('$lateral$')
    const kind = isLateral && /RIGHT|FULL/.test(type) ? 'LEFT JOIN' : type
    const text = item.sql
    if (
      kind === 'CROSS JOIN' &&
      rows < MAX_ROWS &&
      (this.#maker.style === 'wild' || random.chance(30))
    )
      return { sql: ` CROSS JOIN ${text}`, sources: [] }
    const inner = kind === 'CROSS JOIN' ? 'JOIN' : kind
    if (item.isTable && random.chance(4) && this.#isNatural(scope, item)) {
      return { sql: ` NATURAL ${inner} ${text}`, sources: [] }
    }
    const using = this.#using(scope, item)
    if (using !== undefined && random.chance(25)) return this.#joinUsing(` ${inner} ${text}`, using)
    return {
      sql: ` ${inner} ${text} ON ${this.#on(scope, kind === 'FULL JOIN', rows)}`,
      sources: [],
    }
  }

  #joinUsing(join: string, column: Column): { sql: string; sources: readonly Source[] } {
    const alias = this.#maker.alias()
    const isNamed = this.#maker.random.chance(60)
    return {
      sql: `${join} USING (${column.name})${isNamed ? ` AS ${alias}` : ''}`,
      sources: isNamed ? [{ alias, columns: [column], identity: [] }] : [],
    }
  }

  /** FULL JOIN takes nothing but equality. */
  #on(scope: Scope, isFull: boolean, rows: number): string {
    const { random, style } = this.#maker
    const equality = this.#conditions.join(scope)
    if (isFull) return equality
    const seen = random.chance(50) ? scope : { ...scope, outer: undefined }
    if (rows < MAX_ROWS && random.chance(style === 'wild' ? 20 : 6))
      return this.#conditions.condition(scope, 1)
    return random.chance(30) ? `${equality} AND ${this.#conditions.condition(seen, 1)}` : equality
  }

  /** All names that both sides have mean columns of one kind, once. */
  #isNatural(scope: Scope, item: Item): boolean {
    const before = scope.sources.filter(({ alias }) => alias !== item.source.alias)
    const columns = before.flatMap((source) => source.columns)
    return item.source.columns.every(({ name, kind }) => {
      const same = columns.filter((column) => column.name === name)
      return same.length === 0 || (same.length === 1 && same[0]?.kind === kind)
    })
  }

  /** A column that both sides have once. */
  #using(scope: Scope, item: Item): Column | undefined {
    const before = scope.sources.filter(({ alias }) => alias !== item.source.alias)
    const names = before.flatMap(({ columns }) => columns)
    const found = item.source.columns.filter((column) => {
      const same = names.filter(({ name }) => name === column.name)
      const own = item.source.columns.filter(({ name }) => name === column.name)
      return same.length === 1 && own.length === 1 && same[0]?.kind === column.kind
    })
    return found.length === 0
      ? undefined
      : this.#maker.random.pick([...found, ...found.filter(({ isKey }) => isKey)])
  }

  #item(outer: Scope | undefined, before: Scope, depth: number): Item {
    const { random, ctes } = this.#maker
    const roll = random.below(100)
    if (ctes.length > 0 && roll < 35) return this.#named(random.pick(ctes), false)
    if (depth > 0 && roll < 52 && roll >= 36) return this.#subquery(outer, before, depth)
    if (roll >= 95) return this.#values()
    if (roll >= 91) return this.#function(before.sources.length === 0 ? undefined : before)
    return this.#named(this.#table(), true)
  }

  #table(): Named {
    const { random, schema, group, style } = this.#maker
    const roll = random.below(100)
    const isWild = roll >= 92 && style !== 'colocated'
    const chosen = roll < 78 ? group : 'reference'
    const views = schema.views.filter((item) => item.group === chosen)
    if (views.length > 0 && random.chance(8)) return random.pick(views)
    const table = random.pick(schema.tables.filter((item) => isWild || item.group === chosen))
    return { ...table, identity: ['id'], rows: table.rows.length }
  }

  #named(item: Named, isTable: boolean): Item {
    const { random } = this.#maker
    const alias = this.#maker.alias()
    const isRenamed = item.columns.length > 1 && random.chance(8)
    const columns = isRenamed
      ? item.columns.map((column, at) => (at < 2 ? { ...column, name: `r${at}` } : column))
      : item.columns
    const renamed = (name: string) =>
      columns[item.columns.findIndex((column) => column.name === name)]?.name ?? name
    const list = isRenamed ? ' (r0, r1)' : ''
    const qualifier = isTable && !item.name.includes('.') && random.chance(8) ? 'public.' : ''
    const sql = `${qualifier}${item.name} ${random.pick(['', 'AS '])}${alias}${list}`
    return {
      sql,
      source: { alias, columns, identity: item.identity.map(renamed) },
      rows: item.rows,
      isTable,
    }
  }

  #subquery(outer: Scope | undefined, before: Scope, depth: number): Item {
    const { random } = this.#maker
    const isLateral = before.sources.length > 0 && random.chance(45)
    const query = this.#maker.query(isLateral ? before : outer, undefined, depth - 1)
    const alias = this.#maker.alias()
    const columns = query.columns.map((column, at) => ({ ...column, name: `o${at + 1}` }))
    const names = columns.map(({ name }) => name)
    const sql = `${isLateral ? 'LATERAL ' : ''}(${query.sql}) AS ${alias} (${names.join(', ')})`
    return { sql, source: { alias, columns, identity: names }, rows: query.rows, isTable: false }
  }

  #values(): Item {
    const { random, literals } = this.#maker
    const alias = this.#maker.alias()
    const kinds: Kind[] = [
      random.pick(['int', 'text'] as const),
      random.pick(['text', 'date', 'num'] as const),
    ]
    const rows = Array.from(
      { length: 1 + random.below(3) },
      () => `(${kinds.map((kind) => literals.constant(kind)).join(', ')})`,
    )
    const columns = kinds.map((kind, at): Column => ({ name: `v${at + 1}`, kind, isKey: false }))
    const names = columns.map(({ name }) => name)
    const sql = `(VALUES ${rows.join(', ')}) AS ${alias} (${names.join(', ')})`
    return { sql, source: { alias, columns, identity: names }, rows: rows.length, isTable: false }
  }

  #function(before: Scope | undefined): Item {
    const { random } = this.#maker
    const alias = this.#maker.alias()
    const inner = (kind: Kind) =>
      before === undefined
        ? this.#maker.literals.constant(kind)
        : this.#maker.value(before, kind, 1)
    const [call, kind] = functionCall(random, inner)
    const mark = before === undefined ? '' : '/*$lateral$*/ '
    const number: Column = { name: 'n', kind: 'int', isKey: false }
    const value: Column = { name: 'u', kind, isKey: false }
    const isNumbered = random.chance(40) && !call.startsWith('JSON_TABLE')
    const columns = isNumbered ? [value, number] : [value]
    const names = columns.map(({ name }) => name)
    const sql = `${mark}${call}${isNumbered ? ' WITH ORDINALITY' : ''} AS ${alias} (${names.join(', ')})`
    return { sql, source: { alias, columns, identity: names }, rows: 3, isTable: false }
  }
}

function functionCall(random: Random, inner: (kind: Kind) => string): readonly [string, Kind] {
  return random.make<readonly [string, Kind]>([
    () => ['generate_series(1, 3)', 'int'],
    () => [`generate_series(1, least(${inner('int')}, 4))`, 'int'],
    () => [`unnest(${inner('ints')})`, 'int'],
    () => [`unnest(${inner('texts')})`, 'text'],
    () => [`regexp_split_to_table(${inner('text')}, '')`, 'text'],
    () => jsonTable(random, inner),
    () => [`jsonb_array_elements(jsonb_build_array(${inner('int')}, ${inner('text')}))`, 'json'],
    () => [`jsonb_object_keys(jsonb_build_object('a', ${inner('int')}, 'b', 1))`, 'text'],
  ])
}
