import { anyKind, type Kind } from './kinds.ts'
import type { Maker } from './maker.ts'
import { type Reference, references, type Scope } from './scope.ts'

type Makers = readonly (() => string)[]

const COMPARISONS = ['=', '=', '<', '>=', '<>', '<=', '>']

/** Conditions, many of them on keys. */
export class Conditions {
  readonly #maker: Maker

  constructor(maker: Maker) {
    this.#maker = maker
  }

  /** Percent of the links between relations that are by key where they can be. */
  get #keyShare(): number {
    return { colocated: 95, pinned: 60, wild: 40 }[this.#maker.style]
  }

  condition(scope: Scope, depth: number): string {
    const { random } = this.#maker
    if (depth <= 0 || random.chance(50)) return random.make(this.#simple(scope, depth))
    const inner = () => this.condition(scope, depth - 1)
    return random.make<string>([
      ...this.#simple(scope, depth),
      () => `(${inner()} OR ${inner()})`,
      () => `(${inner()} OR ${inner()})`,
      () => `(${inner()} AND ${inner()})`,
      () => `NOT (${inner()})`,
      () => `(${inner()}) IS ${random.pick(['TRUE', 'NOT TRUE', 'FALSE', 'UNKNOWN', 'NOT FALSE'])}`,
      ...this.#subqueries(scope),
      ...this.#subqueries(scope),
    ])
  }

  #simple(scope: Scope, depth: number): Makers {
    const { random, literals } = this.#maker
    const kind = anyKind(random)
    const left = () => this.#maker.value(scope, kind, depth - 1)
    const right = () =>
      random.chance(50) ? literals.constant(kind) : this.#maker.value(scope, kind, depth - 1)
    return [
      () => this.pin(scope),
      () => `${left()} ${random.pick(COMPARISONS)} ${right()}`,
      () => `${left()} ${random.pick(COMPARISONS)} ${right()}`,
      () => `${left()} IS ${random.pick(['', 'NOT '])}NULL`,
      () => `${left()} IS ${random.pick(['', 'NOT '])}DISTINCT FROM ${right()}`,
      () => `${left()} ${random.pick(['', 'NOT '])}IN (${right()}, ${literals.constant(kind)})`,
      () =>
        `${left()} BETWEEN ${random.pick(['', 'SYMMETRIC '])}${literals.constant(kind)} AND ${right()}`,
      ...this.#typed(scope),
    ]
  }

  #typed(scope: Scope): Makers {
    const { random, literals } = this.#maker
    const column = (kind: Kind) => this.#maker.column(scope, kind)
    return [
      () =>
        `${column('text')} ${random.pick(['LIKE', 'ILIKE', 'NOT LIKE'])} ${random.pick(["'%a%'", "'a_%'", "'B%'"])}`,
      () => `${column('text')} ${random.pick(['~', '!~', '~*', 'SIMILAR TO'])} '[ab]+'`,
      () => column('bool'),
      () => `${column('int')} = ANY (${column('ints')})`,
      () => `${column('date')} < current_date`,
      () => `${column('time')} ${random.pick(['<', '>='])} now() - interval '300 days'`,
      () => `${column('text')} COLLATE "C" < ${literals.constant('text')}`,
      () => `${column('text')} <> ALL (${column('texts')})`,
      () => `${column('json')} ? 'a'`,
      () => `${column('json')} @> '{"a": 1}'`,
      () => `${column('ints')} ${random.pick(['&&', '@>', '<@'])} ${literals.constant('ints')}`,
      () =>
        `(${column('int')}, ${column('text')}) ${random.pick(COMPARISONS)} (${literals.constant('int')}, ${column('text')})`,
      () =>
        `(${column('int')}, ${column('date')}) IN ((1, ${literals.constant('date')}), (${column('int')}, ${column('date')}))`,
    ]
  }

  #keys(scope: Scope, level: number): readonly Reference[] {
    return references(scope, this.#maker.random).filter(
      (item) => item.isKey && item.level === level,
    )
  }

  /** What pins a key, or looks as if it did. */
  pin(scope: Scope): string {
    const { random, literals } = this.#maker
    const keys = this.#keys(scope, 0)
    if (keys.length === 0)
      return `${this.#maker.column(scope, 'int')} = ${literals.constant('int')}`
    const key = random.pick(keys)
    const plain = () => literals.constant(key.kind)
    return random.make([
      () => `${key.sql} = ${plain()}`,
      () => `${key.sql} = ${plain()}`,
      () => `${plain()} = ${key.sql}`,
      () => `${key.sql} IN (${plain()}, ${plain()}, ${plain()})`,
      () => `${key.sql} = ANY (ARRAY[${plain()}, ${plain()}])`,
      () => `(${key.sql} = ${plain()} OR ${key.sql} = ${plain()})`,
      () => `(${key.sql} = ${plain()} OR ${this.#maker.column(scope, 'bool')})`,
      () => `${key.sql} IS NOT DISTINCT FROM ${plain()}`,
      () => `(${key.sql}, ${this.#maker.column(scope, 'int')}) = (${plain()}, 2)`,
      () => `${key.sql} BETWEEN ${plain()} AND ${plain()}`,
    ])
  }

  #subqueries(scope: Scope): Makers {
    const { random } = this.#maker
    const exists = () => this.#maker.query(scope, undefined, 0).sql
    return [
      () => `${random.pick(['', 'NOT '])}EXISTS (${exists()})`,
      () => this.#membership(scope),
      () => this.#membership(scope),
      () =>
        `${this.#maker.value(scope, 'int', 0)} ${random.pick(COMPARISONS)} (${this.#maker.scalar(scope, 'int')})`,
    ]
  }

  #membership(scope: Scope): string {
    const { random } = this.#maker
    const keys = this.#keys(scope, 0)
    const key = keys.length > 0 && random.chance(this.#keyShare) ? random.pick(keys) : undefined
    const kind = key?.kind ?? anyKind(random)
    const left = key?.sql ?? this.#maker.column(scope, kind)
    const operator = random.pick(['IN', 'IN', 'NOT IN', '= ANY', '<> ALL', '>= ALL', '< ANY'])
    return `${left} ${operator} (${this.#maker.list(scope, kind)})`
  }

  /** A subquery's rows by those of the query around it; mostly the keys are equal. */
  link(scope: Scope): string {
    const { random } = this.#maker
    const all = references(scope, random)
    const own = all.filter(({ level }) => level === 0)
    const outer = all.filter(({ level }) => level === 1)
    const pairs = own.flatMap((mine) =>
      outer.filter(({ kind }) => kind === mine.kind).map((other) => ({ mine, other })),
    )
    const keyed = pairs.filter(({ mine, other }) => mine.isKey && other.isKey)
    const isKeyed = keyed.length > 0 && random.chance(this.#keyShare)
    const pair = random.pickAny(isKeyed ? keyed : pairs)
    if (pair === undefined) return 'true'
    const operator = isKeyed
      ? random.pick(['=', '=', '=', '=', '=', '<'])
      : random.pick(['=', '<', '>='])
    return `${pair.mine.sql} ${operator} ${pair.other.sql}`
  }

  /** The keys of the innermost relations, each equal to the statement's one value. */
  pins(scope: Scope): readonly string[] {
    const { random, pin } = this.#maker
    return this.#keys(scope, 0)
      .filter(() => random.chance(85))
      .map(({ sql }) => `${sql} = ${pin}`)
  }

  /** Whether rows of the last source belong to those of the others: mostly by their keys. */
  join(scope: Scope): string {
    const { random } = this.#maker
    const added = scope.sources.at(-1)
    const all = references({ ...scope, outer: undefined }, random)
    const isAdded = (sql: string) =>
      added?.columns.some(({ name }) => sql === name || sql === `${added.alias}.${name}`) === true
    const mine = all.filter(({ sql }) => isAdded(sql))
    const before = all.filter(({ sql }) => !isAdded(sql))
    const pairs = mine.flatMap((own) =>
      before.filter(({ kind }) => kind === own.kind).map((other) => ({ own, other })),
    )
    const keyed = pairs.filter(({ own, other }) => own.isKey && other.isKey)
    const isKeyed = keyed.length > 0 && random.chance(this.#keyShare)
    const pair = random.pickAny(isKeyed ? keyed : pairs)
    if (pair === undefined) return 'true'
    const { own, other } = random.chance(50) ? pair : { own: pair.other, other: pair.own }
    return `${own.sql} = ${other.sql}`
  }
}
