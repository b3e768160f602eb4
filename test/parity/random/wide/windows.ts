import type { Kind } from './kinds.ts'
import type { Maker } from './maker.ts'
import { identityOf, references, type Scope } from './scope.ts'

/** Calls of window functions whose result the order of ties can't change. */
export class Windows {
  readonly #maker: Maker

  constructor(maker: Maker) {
    this.#maker = maker
  }

  make(scope: Scope): { readonly sql: string; readonly kind: Kind } {
    const { random } = this.#maker
    const kind = random.pick<Kind>(['int', 'text', 'date', 'num'])
    const value = this.#maker.value(scope, kind, 1)
    const partition = this.#partition(scope)
    const peers = `${partition} ORDER BY ${this.#maker.column(scope, random.pick(['int', 'text', 'date', 'num'] as const))}`
    const total = `${peers}${random.pick(['', ' DESC', ' NULLS FIRST'])}, ${identityOf(scope).join(', ')}`
    const frame = random.pick([
      '',
      ' ROWS BETWEEN 1 PRECEDING AND CURRENT ROW',
      ' ROWS BETWEEN UNBOUNDED PRECEDING AND 1 FOLLOWING',
      ' GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW',
      ' ROWS BETWEEN 2 FOLLOWING AND UNBOUNDED FOLLOWING',
    ])
    const filter = random.chance(15) ? ` FILTER (WHERE ${this.#maker.condition(scope, 0)})` : ''
    const int = (sql: string) => ({ sql, kind: 'int' as Kind })
    return random.make([
      () => int(`row_number() OVER (${total})`),
      () => int(`${random.pick(['rank', 'dense_rank'])}() OVER (${peers})`),
      () => ({
        sql: `round((${random.pick(['percent_rank', 'cume_dist'])}() OVER (${peers}))::numeric, 2)`,
        kind: 'num' as Kind,
      }),
      () => int(`ntile(3) OVER (${total})`),
      () => ({ sql: `${random.pick(['lag', 'lead'])}(${value}) OVER (${total})`, kind }),
      () => ({ sql: `lag(${value}, 2) OVER (${total})`, kind }),
      () => ({
        sql: `${random.pick(['first_value', 'last_value'])}(${value}) OVER (${total}${frame})`,
        kind,
      }),
      () => ({ sql: `nth_value(${value}, 2) OVER (${total}${frame})`, kind }),
      () => int(`count(${value})${filter} OVER (${partition})`),
      () => int(`count(*)${filter} OVER (${peers})`),
      () => ({
        sql: `${random.pick(['min', 'max'])}(${value})${filter} OVER (${total}${frame})`,
        kind,
      }),
      () =>
        int(
          `(sum(${this.#maker.column(scope, 'int')}) OVER (${peers} RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW))::int`,
        ),
      () => int(`(sum(${this.#maker.column(scope, 'int')}) OVER (${total}${frame}))::int`),
      () => ({
        sql: `JSON_ARRAYAGG(${this.#maker.column(scope, 'int')} RETURNING jsonb) OVER (${total})`,
        kind: 'json' as Kind,
      }),
    ])
  }

  #partition(scope: Scope): string {
    const { random } = this.#maker
    const keys = references(scope, random).filter(({ isKey, level }) => isKey && level === 0)
    if (keys.length > 0 && random.chance(60)) return `PARTITION BY ${random.pick(keys).sql}`
    if (random.chance(40)) return ''
    return `PARTITION BY ${this.#maker.value(scope, random.pick(['int', 'text', 'bool'] as const), 1)}`
  }
}
