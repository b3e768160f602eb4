import type { Random } from './random.ts'
import { type Scope, TABLES } from './scope.ts'
import type { Selects } from './selects.ts'

/** Values for whole rows of the tables that are changed, so that any of them may be inserted anywhere. */
const TARGETS = ['fa', 'fa', 'fb', 'fb', 'fc', 'fs', 'fs', 'fu', 'fr', 'fl']
/** By which rows are told apart. */
const PRIMARY_KEYS: Readonly<Record<string, readonly string[]>> = {
  fa: ['k', 'id'],
  fb: ['k', 'id'],
  fs: ['s', 'id'],
  fr: ['k'],
}
const RETURNING = ['', '', ' RETURNING *', ' RETURNING v, v + 1 AS next']

/** Makes INSERT, UPDATE and DELETE on the tables of the fixture. */
export class Modifications {
  readonly #random: Random
  readonly #selects: Selects
  #nextId = 1000

  constructor(random: Random, selects: Selects) {
    this.#random = random
    this.#selects = selects
  }

  statement(): string {
    const random = this.#random
    const target = random.pick(TARGETS)
    this.#selects.begin(
      random.pick(['colocated', 'colocated', 'pinned', 'wild']),
      TABLES[target]?.group ?? 'int',
    )
    return random.make([
      () => this.#insert(target),
      () => this.#insert(target),
      () => this.#insertSelect(target),
      () => this.#update(target),
      () => this.#update(target),
      () => this.#delete(target),
    ])
  }

  #value(name: string): string {
    const random = this.#random
    if (name === 'id') {
      this.#nextId += 1
      return String(random.chance(80) ? this.#nextId : 1 + random.below(20))
    }
    if (name === 'k')
      return random.chance(15)
        ? this.#selects.expressions.keyConstant('int')
        : String(random.below(12))
    if (name === 's') return this.#selects.expressions.keyConstant('text')
    if (name === 'v') return random.pick(['1', '2', 'NULL', '3', '1 + 1', 'DEFAULT'])
    return random.pick(['NULL', 'DEFAULT'])
  }

  #columns(target: string): readonly string[] {
    const names = (TABLES[target]?.columns ?? []).map(({ name }) => name)
    return this.#random.chance(50)
      ? names
      : names.filter((name) => /^(k|s|id|v)$/.test(name)).reverse()
  }

  #insert(target: string): string {
    const random = this.#random
    const columns = this.#columns(target)
    const rows = Array.from(
      { length: random.pick([1, 1, 2, 3]) },
      () => `(${columns.map((name) => this.#value(name)).join(', ')})`,
    )
    return `INSERT INTO ${target} (${columns.join(', ')}) VALUES ${rows.join(', ')}${this.#conflict(target)}${random.pick(RETURNING)}`
  }

  #conflict(target: string): string {
    const random = this.#random
    const key = PRIMARY_KEYS[target]?.join(', ')
    if (key === undefined || random.chance(60)) return ''
    return random.pick([
      ' ON CONFLICT DO NOTHING',
      ` ON CONFLICT (${key}) DO NOTHING`,
      ` ON CONFLICT (${key}) DO UPDATE SET v = excluded.v`,
      ` ON CONFLICT (${key}) DO UPDATE SET v = ${target}.v + 1 WHERE ${target}.v < 3`,
    ])
  }

  #insertSelect(target: string): string {
    const random = this.#random
    const sources = Object.keys(TABLES).filter((name) => name !== 'fr' || target === 'fr')
    const source = random.chance(60)
      ? random.pick(sources.filter((name) => TABLES[name]?.group === TABLES[target]?.group))
      : random.pick(sources)
    const has = (name: string) =>
      TABLES[source]?.columns.some((column) => column.name === name) === true
    const values = this.#columns(target).map((name) => ({ name, sql: this.#copied(name, has) }))
    const scope: Scope = [[{ alias: source, columns: TABLES[source]?.columns ?? [] }]]
    const where = random.chance(60) ? ` WHERE ${this.#selects.expressions.pin(scope)}` : ''
    const names = values.map(({ name }) => name).join(', ')
    // of rows that conflict with each other the first wins, and no order says which that is
    const isCopied = (name: string) =>
      values.some((value) => value.name === name && value.sql.startsWith(name))
    const keys = [PRIMARY_KEYS[target], PRIMARY_KEYS[source]]
    const isOpen = keys.some((key) => key === undefined || !key.every(isCopied))
    const conflict = isOpen ? '' : this.#conflict(target)
    return `INSERT INTO ${target} (${names}) SELECT ${values.map(({ sql }) => sql).join(', ')} FROM ${source}${where}${conflict}${random.pick(RETURNING)}`
  }

  /** What INSERT … SELECT puts into a column. */
  #copied(name: string, has: (column: string) => boolean): string {
    const random = this.#random
    const isCopied = has(name) && random.chance(85)
    switch (name) {
      case 'id':
        return `${isCopied ? 'id' : '0'} + ${1 + random.below(100_000)}`
      case 'k':
        return isCopied ? 'k' : '5'
      case 's':
        return isCopied ? 's' : "'a'"
      default:
        return isCopied && name === 'v' ? 'v' : 'NULL'
    }
  }

  #update(target: string): string {
    const random = this.#random
    const columns = TABLES[target]?.columns ?? []
    const scope: Scope = [[{ alias: target, columns }]]
    const { expressions } = this.#selects
    const value = random.make([
      () => 'v + 1',
      () => String(random.below(5)),
      () => 'NULL',
      () => `CASE WHEN ${expressions.condition(scope, 1)} THEN 1 ELSE v END`,
    ])
    const others = columns.filter(({ name, kind }) => kind === 'text' && name === 't')
    const second =
      others.length > 0 && random.chance(25) ? `, t = ${random.pick(["'a'", 'NULL', "'upd'"])}` : ''
    const isFrom = random.chance(20)
    if (isFrom) return this.#updateFrom(target, `v = ${random.pick(['1', 'o.v'])}${second}`)
    return `UPDATE ${target} SET v = ${value}${second} WHERE ${this.#filter(scope)}${random.pick(RETURNING)}`
  }

  /** Joined on whole keys, so that no row is met twice. */
  #updateFrom(target: string, set: string): string {
    const group = TABLES[target]?.group
    if (group === 'text') return `UPDATE fs SET ${set} FROM fr o WHERE o.k = fs.k`
    const key = target === 'fr' || target === 'fl' ? 'fr' : this.#random.pick(['fr', 'fa', 'fb'])
    const extra = key === 'fr' ? '' : ' AND o.id = 3'
    return `UPDATE ${target} SET ${set} FROM ${key} o WHERE o.k = ${target}.k${extra}`
  }

  #filter(scope: Scope): string {
    const { expressions } = this.#selects
    const random = this.#random
    const pin = expressions.pin(scope)
    return random.make([
      () => pin,
      () => `${pin} AND ${expressions.condition(scope, 1)}`,
      () => expressions.condition(scope, 1),
    ])
  }

  #delete(target: string): string {
    const scope: Scope = [[{ alias: target, columns: TABLES[target]?.columns ?? [] }]]
    return `DELETE FROM ${target} WHERE ${this.#filter(scope)} AND v = ${this.#random.below(5)}${this.#random.pick(RETURNING)}`
  }
}
