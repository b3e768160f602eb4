import type { Aggregates } from './aggregates.ts'
import type { Conditions } from './conditions.ts'
import type { FromLists } from './from.ts'
import { anyKind, type Kind, shownKey } from './kinds.ts'
import type { Maker } from './maker.ts'
import { references, type Scope } from './scope.ts'
import type { Windows } from './windows.ts'

/** One output column. */
export type Output = {
  readonly sql: string
  readonly name: string
  readonly kind: Kind
  readonly isKey: boolean
  /** undefined: nothing of it is left open. */
  readonly freedom: 'none' | 'elements' | 'digits'
  /** It may be compared: json may not. */
  readonly isSortable: boolean
}

/** A SELECT in parts: what may still be put around it depends on them. */
export type Block = {
  readonly head: string
  readonly outputs: readonly Output[]
  readonly rest: string
  readonly scope: Scope
  readonly form: 'plain' | 'grouped' | 'distinct' | 'star'
}

type Parts = {
  readonly maker: Maker
  readonly from: FromLists
  readonly conditions: Conditions
  readonly aggregates: Aggregates
  readonly windows: Windows
}

const NAMES = ['o1', 'o2', 'a', 'b', 'id', 'k', 'total', '"Out"']

/** SELECTs over a FROM list: plain, grouped, made distinct, with windows. */
export class Blocks {
  readonly #parts: Parts
  readonly #maker: Maker

  constructor(parts: Parts) {
    this.#parts = parts
    this.#maker = parts.maker
  }

  /** `kinds`: the outputs that are asked for. `isTop`: its outputs are the statement's. */
  make(
    outer: Scope | undefined,
    kinds: readonly Kind[] | undefined,
    depth: number,
    isTop: boolean,
  ): Block {
    const { random } = this.#maker
    const { sql, scope } = this.#parts.from.make(outer, depth)
    const where = this.#where(scope, depth)
    const rest = ` FROM ${sql}${where}`
    if (random.chance(isTop ? 38 : 25)) return this.#grouped(scope, kinds, rest, isTop)
    const wanted = kinds ?? Array.from({ length: 1 + random.below(4) }, () => anyKind(random))
    const outputs: Output[] = wanted.map((kind) => this.#output(scope, kind, depth))
    if (isTop && random.chance(7)) return this.#star(scope, rest)
    const isDistinct = random.chance(14)
    if (kinds === undefined) outputs.push(...this.#extras(scope, isTop))
    return {
      head: isDistinct ? 'SELECT DISTINCT ' : 'SELECT ',
      outputs,
      rest,
      scope,
      form: isDistinct ? 'distinct' : 'plain',
    }
  }

  /** Every column of one relation. */
  #star(scope: Scope, rest: string): Block {
    const { alias, columns } = this.#maker.random.pick(scope.sources)
    const head = `SELECT ${alias}.*`
    const outputs = columns.map(
      ({ name, kind, isKey }): Output => ({
        sql: '',
        name,
        kind,
        isKey,
        freedom: 'none',
        isSortable: true,
      }),
    )
    return { head, outputs, rest, scope, form: 'star' }
  }

  #where(scope: Scope, depth: number): string {
    const { random } = this.#maker
    const parts: string[] = []
    const { conditions } = this.#parts
    const isColocated = this.#maker.style === 'colocated'
    if (this.#maker.style === 'pinned') parts.push(...conditions.pins(scope))
    if (scope.outer !== undefined && random.chance(isColocated ? 92 : 65))
      parts.push(conditions.link(scope))
    if (random.chance(55)) parts.push(this.#parts.conditions.condition(scope, depth))
    if (random.chance(20)) parts.push(this.#parts.conditions.pin(scope))
    return parts.length === 0 ? '' : ` WHERE ${parts.join(' AND ')}`
  }

  #output(scope: Scope, kind: Kind, depth: number): Output {
    const { random } = this.#maker
    const keys = references(scope, random).filter(
      (item) => item.isKey && item.level === 0 && item.kind === kind,
    )
    const isKey = keys.length > 0 && random.chance(40)
    const sql = isKey
      ? shownKey(random.pick(keys).sql, kind)
      : this.#maker.value(scope, kind, random.chance(60) ? 1 : depth)
    return { sql, name: random.pick(NAMES), kind, isKey, freedom: 'none', isSortable: true }
  }

  #extras(scope: Scope, isTop: boolean): readonly Output[] {
    const { random } = this.#maker
    const free = { isKey: false, freedom: 'none', isSortable: true } as const
    if (random.chance(16)) return [{ ...this.#parts.windows.make(scope), name: 'win', ...free }]
    if (isTop && random.chance(5)) {
      const sql = random.pick([
        `generate_series(1, 2)`,
        `unnest(${this.#maker.value(scope, 'ints', 0)})`,
      ])
      return [{ sql, name: 'srf', kind: 'int', ...free }]
    }
    return []
  }

  #grouped(scope: Scope, kinds: readonly Kind[] | undefined, rest: string, isTop: boolean): Block {
    const { random } = this.#maker
    const isKeyed = random.chance(this.#maker.style === 'colocated' ? 60 : 35)
    const keys = references(scope, random).filter(({ isKey, level }) => isKey && level === 0)
    const groups: Output[] = []
    const plain = (sql: string, kind: Kind, isKey: boolean): Output => ({
      sql,
      name: random.pick(NAMES),
      kind,
      isKey,
      freedom: 'none',
      isSortable: true,
    })
    if (isKeyed && keys.length > 0) {
      const key = random.pick(keys)
      groups.push(plain(key.sql, key.kind, true))
    }
    for (let left = random.below(3); left > 0; left--) {
      const kind = random.chance(70)
        ? random.pick(['int', 'text', 'date'] as const)
        : anyKind(random)
      const sql = this.#maker.value(scope, kind, random.pick([0, 0, 1]))
      if (isColumnar(sql)) groups.push(plain(sql, kind, false))
    }
    const outputs =
      kinds === undefined
        ? this.#groupedOutputs(scope, groups, isTop)
        : kinds.map((kind) => this.#wanted(scope, groups, kind))
    const clause = this.#groupClause(groups)
    const having = random.chance(25) ? ` HAVING ${this.#having(scope)}` : ''
    return { head: 'SELECT ', outputs, rest: `${rest}${clause}${having}`, scope, form: 'grouped' }
  }

  #wanted(scope: Scope, groups: readonly Output[], kind: Kind): Output {
    const found = groups.find((group) => group.kind === kind)
    if (found !== undefined && this.#maker.random.chance(70)) return shown(found)
    return {
      sql: this.#parts.aggregates.ofKind(scope, kind),
      name: 'agg',
      kind,
      isKey: false,
      freedom: 'none',
      isSortable: true,
    }
  }

  #groupedOutputs(scope: Scope, groups: readonly Output[], isTop: boolean): readonly Output[] {
    const { random } = this.#maker
    const outputs = groups.filter(() => random.chance(85)).map(shown)
    for (let left = 1 + random.below(3); left > 0; left--) {
      const { sql, kind, freedom } = this.#parts.aggregates.make(scope, !isTop)
      const isSortable = !/^(json_|percentile_disc\(ARRAY)/.test(sql)
      outputs.push({ sql, name: random.pick(NAMES), kind, isKey: false, freedom, isSortable })
    }
    if (isTop && random.chance(10)) {
      const order = groups.length === 0 ? '' : `ORDER BY ${groups.map(({ sql }) => sql).join(', ')}`
      outputs.push({
        sql: `sum(count(*)) OVER (${order})`,
        name: 'win',
        kind: 'bool',
        isKey: false,
        freedom: 'none',
        isSortable: true,
      })
    }
    return outputs
  }

  #groupClause(groups: readonly Output[]): string {
    const { random } = this.#maker
    const items = groups.map(({ sql }) => sql)
    if (items.length === 0) return random.chance(10) ? ' GROUP BY ()' : ''
    const list = items.join(', ')
    if (random.chance(75)) return ` GROUP BY ${random.chance(10) ? 'DISTINCT ' : ''}${list}`
    return random.pick([
      ` GROUP BY ROLLUP (${list})`,
      ` GROUP BY CUBE (${list})`,
      ` GROUP BY GROUPING SETS ((${list}), ())`,
      ` GROUP BY GROUPING SETS (${[...items.map((item) => `(${item})`), '()'].join(', ')})`,
      ` GROUP BY ${items[0]}, ROLLUP (${list})`,
    ])
  }

  #having(scope: Scope): string {
    const { random } = this.#maker
    return random.make([
      () => 'count(*) > 1',
      () => `${this.#parts.aggregates.count(scope)} ${random.pick(['<', '>=', '='])} 2`,
      () => `${this.#parts.aggregates.ofKind(scope, 'int')} IS NOT NULL`,
      () => `${this.#parts.aggregates.ofKind(scope, 'text')} > 'B'`,
      () => `count(*) > (${this.#maker.scalar({ sources: [], outer: undefined, rows: 1 }, 'int')})`,
    ])
  }
}

function shown(output: Output): Output {
  return { ...output, sql: shownKey(output.sql, output.kind) }
}

/** GROUP BY takes no constants. */
export function isColumnar(sql: string): boolean {
  return /^["\w]+(\.["\w ]+)?$/.test(sql)
    ? !/^(\d|NULL|true|false)/.test(sql)
    : /^[a-z]\w+\(.*["a-z]/.test(sql)
}

export function blockText({ head, outputs, rest, form }: Block): string {
  if (form === 'star') return `${head}${rest}`
  return `${head}${outputs.map(({ sql, name }) => `${sql} AS ${name}`).join(', ')}${rest}`
}
