import type { Random } from '../random.ts'

type Table = {
  readonly name: string
  /** Columns of whole numbers; the first is part of the key where there is one. */
  readonly numbers: readonly string[]
  /** What ON CONFLICT may name. */
  readonly key: string | undefined
  /** A new row: of values that are known to be unique by their number. */
  readonly row: (number: string, value: string, text: string) => readonly [string, string][]
  /** The distribution column, and what it becomes when a row is given number `n`. */
  readonly moved: readonly [column: string, value: (n: number) => string]
}

/** Rows have one number each, so that no order of rows says which of two wins. */
const TABLES: readonly Table[] = [
  {
    name: 'wp',
    numbers: ['k', 'v'],
    key: 'k',
    row: (number, value, text) => [
      ['k', number],
      ['v', value],
      ['t', text],
    ],
    moved: ['k', (n) => `k + ${n * 1000}`],
  },
  {
    name: 'wc',
    numbers: ['k', 'id', 'v', 'g'],
    key: 'k, id',
    row: (number, value, text) => [
      ['id', number],
      ['k', `(${number}) % 16`],
      ['v', value],
      ['t', text],
    ],
    moved: ['k', (n) => `(k + ${n}) % 24`],
  },
  {
    name: 'wo',
    numbers: ['id', 'k', 'v'],
    key: 'o, id',
    row: (number, value, text) => [
      ['o', `'o' || (${number}) % 5`],
      ['id', number],
      ['k', `(${number}) % 9`],
      ['v', value],
      ['t', text],
    ],
    moved: ['o', (n) => `o || '${n}'`],
  },
  {
    name: 'wn',
    numbers: ['k', 'v'],
    key: undefined,
    row: (number, value, text) => [
      ['k', number],
      ['v', value],
      ['t', text],
    ],
    moved: ['k', (n) => `k + ${n}`],
  },
  {
    name: 'wr',
    numbers: ['k', 'v'],
    key: 'k',
    row: (number, value, text) => [
      ['k', number],
      ['v', value],
      ['t', text],
    ],
    moved: ['k', (n) => `k + ${n * 1000}`],
  },
  {
    name: 'wl',
    numbers: ['k', 'v'],
    key: 'k',
    row: (number, value, text) => [
      ['k', number],
      ['v', value],
      ['t', text],
    ],
    moved: ['k', (n) => `k + ${n * 1000}`],
  },
]

export const WRITTEN_TABLES = TABLES.map(({ name }) => name)

/** Makes writes whose outcome doesn't depend on the order of rows: each row that is changed has one partner at most. */
export class WriteStatements {
  readonly #random: Random
  #fresh = 0

  constructor(random: Random) {
    this.#random = random
  }

  statement(): string {
    const target = this.#random.pick(TABLES)
    return this.#random.make([
      () => this.#update(target),
      () => this.#update(target),
      () => this.#move(target),
      () => this.#delete(target),
      () => this.#insert(target),
      () => this.#insert(target),
      () => this.#merge(target),
      () => this.#merge(target),
      () => this.#several(),
      () => this.#several(),
    ])
  }

  #number(table: Table): string {
    return this.#random.pick(table.numbers)
  }

  /** Rows of a table, or what some of them make: one for each value of `k`. */
  #source(): string {
    const random = this.#random
    const { name } = random.pick(TABLES)
    const where = random.make([
      () => '',
      () => ` WHERE v < ${1 + random.below(5)}`,
      () => ` WHERE k IN (SELECT ${random.pick(['k', 'v'])} FROM ${random.pick(TABLES).name})`,
    ])
    return random.make([
      () => `(SELECT k, max(v) AS v, min(t) AS t FROM ${name}${where} GROUP BY k)`,
      () => `(SELECT k, max(v) AS v, min(t) AS t FROM ${name}${where} GROUP BY k)`,
      () =>
        `(SELECT a.k, max(b.v) AS v, max(a.t) AS t FROM ${name} a JOIN ${random.pick(TABLES).name} b ON a.k = b.${random.pick(['k', 'v'])} GROUP BY a.k)`,
      () => `(SELECT k, v, t FROM ${random.pick(['wr', 'wl', 'wp'])}${where})`,
      () =>
        `(SELECT g AS k, g % 3 AS v, 'g' || g AS t FROM generate_series(${random.below(5)}, ${4 + random.below(9)}) g)`,
      () => `(SELECT DISTINCT ON (k) k, v, t FROM ${name}${where} ORDER BY k, v, t)`,
    ])
  }

  #condition(table: Table, alias: string): string {
    const random = this.#random
    const column = `${alias}.${this.#number(table)}`
    const other = random.pick(TABLES)
    return random.make([
      () => `${column} = ${random.below(10)}`,
      () => `${column} < ${1 + random.below(9)}`,
      () => `${column} % 3 = ${random.below(3)}`,
      () => `${alias}.t IN ('a', 'ä')`,
      () => `${column} IN (${random.below(5)}, ${5 + random.below(5)})`,
      () => `${column} IN (SELECT ${this.#number(other)} FROM ${other.name})`,
      () => `${column} > (SELECT min(k) + ${random.below(6)} FROM ${other.name})`,
      () => `EXISTS (SELECT 1 FROM ${other.name} e WHERE e.${this.#number(other)} = ${column})`,
      () => `NOT EXISTS (SELECT 1 FROM ${other.name} e WHERE e.k = ${column} AND e.v < 3)`,
      () => `${column} < 9 AND random() < 2`,
      () => `${column} > 2 AND nextval('ws') > 0`,
      () => `${column} > 4 AND now() = (SELECT now())`,
    ])
  }

  /** `source`: a row of k, v and t is at hand under that name. */
  #value(table: Table, alias: string, source: string | undefined): string {
    const random = this.#random
    const own = `${alias}.v`
    const other = random.pick(TABLES).name
    return random.make([
      () => `${own} + 1`,
      () => String(random.below(9)),
      () => (source === undefined ? 'DEFAULT' : `coalesce(${source}.v, 1)`),
      () => (source === undefined ? `${own} * 1` : `${source}.k % 7`),
      () => `(SELECT max(v) FROM ${other} WHERE ${other}.k = ${alias}.${this.#number(table)})`,
      () => `${own} + (0 * random())::int`,
      () => `4 * sign(nextval('ws'))::int`,
      () => `${own} + length(gen_random_uuid()::text) % 2`,
      () => `CASE WHEN now() > '2020-01-01' THEN 5 END`,
      () => `(SELECT count(*) FROM ${other})`,
    ])
  }

  #returning(alias: string, source: string | undefined): string {
    const more = source === undefined ? 'upper(x.t) AS up' : `${source}.v AS theirs`
    return this.#random
      .pick(['', '', ' RETURNING *', ' RETURNING x.*', ` RETURNING x.k, x.v + 1 AS next, ${more}`])
      .replaceAll('x.', `${alias}.`)
  }

  #update(target: Table): string {
    const random = this.#random
    const isJoined = random.chance(50)
    const source = isJoined ? 's' : undefined
    const text = isJoined ? random.pick(["s.t || 'x'", "'u'"]) : "'u'"
    const set = random.make([
      () => `v = ${this.#value(target, 'x', source)}`,
      () => `v = ${this.#value(target, 'x', source)}, t = left(${text}, 8)`,
      () => `(v, t) = (SELECT ${random.below(9)}, 'row')`,
    ])
    const from = isJoined
      ? ` FROM ${this.#source()} s WHERE s.k = x.${this.#number(target)} AND`
      : ' WHERE'
    return `UPDATE ${target.name} x SET ${set}${from} ${this.#condition(target, 'x')}${this.#returning('x', source)}`
  }

  /** To keys that no row has, or surely to one that another has. */
  #move(target: Table): string {
    const random = this.#random
    this.#fresh += 1
    const [column, value] = target.moved
    const range = target.numbers.includes(column)
      ? `x.${column} BETWEEN 0 AND 20`
      : `x.${column} <> 'none'`
    const isWild = column === 'k' && target.name === 'wc'
    const key = isWild ? `k + ${this.#fresh * 1000}` : value(this.#fresh)
    const more = random.chance(50) ? `, v = ${this.#value(target, 'x', undefined)}` : ''
    return `UPDATE ${target.name} x SET ${column} = x.${key}${more} WHERE ${range} AND ${this.#condition(target, 'x')}${this.#returning('x', undefined)}`
  }

  #delete(target: Table): string {
    const random = this.#random
    const some = `x.${this.#number(target)} % 4 = ${random.below(4)}`
    const from = random.chance(40)
      ? ` USING ${this.#source()} s WHERE s.k = x.${this.#number(target)} AND`
      : ' WHERE'
    const source = from.startsWith(' USING') ? 's' : undefined
    return `DELETE FROM ${target.name} x${from} ${this.#condition(target, 'x')} AND ${some}${this.#returning('x', source)}`
  }

  #insert(target: Table): string {
    const random = this.#random
    const start = random.chance(50) ? '0' : String(100 * random.below(20))
    const value = random.pick(['s.v', '1', 's.k % 5', 'length(gen_random_uuid()::text)'])
    const row = target.row(`s.k + ${start}`, target.name === 'wo' ? '2' : value, "'i'")
    const given = random.chance(25) ? row.filter(([name]) => name !== 'v') : row
    const names = given.map(([name]) => name).join(', ')
    const values = given.map(([, sql]) => sql).join(', ')
    return `INSERT INTO ${target.name} AS x (${names}) SELECT ${values} FROM ${this.#source()} s WHERE s.k IS NOT NULL${this.#conflict(target)}${this.#returning('x', undefined)}`
  }

  #conflict({ key }: Table): string {
    const random = this.#random
    if (key === undefined || random.chance(25)) return ''
    const other = random.pick(TABLES).name
    this.#fresh += 1
    const moved = key === 'k' ? `k = x.k + ${this.#fresh * 1000}, ` : ''
    return random.make([
      () => ' ON CONFLICT DO NOTHING',
      () => ` ON CONFLICT (${key}) DO NOTHING`,
      () => ` ON CONFLICT (${key}) DO UPDATE SET v = coalesce(excluded.v, 0) + coalesce(x.v, 0)`,
      () => ` ON CONFLICT (${key}) DO UPDATE SET t = 'c', v = ${random.below(9)} WHERE x.v < 5`,
      () => ` ON CONFLICT (${key}) DO UPDATE SET t = (SELECT max(t) FROM wr), v = excluded.v`,
      () =>
        ` ON CONFLICT (${key}) DO UPDATE SET v = (SELECT max(v) FROM ${other} WHERE ${other}.k = x.k), t = 'q'`,
      () =>
        ` ON CONFLICT (${key}) DO UPDATE SET v = 1 + (0 * random())::int WHERE x.k IN (SELECT k FROM ${other})`,
      () => ` ON CONFLICT (${key}) DO UPDATE SET ${moved}t = 'p'`,
    ])
  }

  #merge(target: Table): string {
    const random = this.#random
    if (random.chance(25)) return this.#colocatedMerge()
    const match = random.chance(70) ? '' : ` AND x.v < ${random.below(7)}`
    const clauses = [
      () => `WHEN MATCHED AND x.v = ${random.below(5)} THEN DELETE`,
      () =>
        `WHEN MATCHED AND s.v > 1 THEN UPDATE SET v = ${this.#value(target, 'x', 's').replace('DEFAULT', '1')}`,
      () => `WHEN MATCHED AND x.t IS NULL THEN DO NOTHING`,
      () => `WHEN MATCHED THEN UPDATE SET t = 'm', v = s.k % 4`,
    ].filter(() => random.chance(50))
    const chosen = clauses.map((make) => make())
    if (chosen.length === 0 || random.chance(60)) chosen.push(this.#mergeInsert(target))
    return `MERGE INTO ${target.name} x USING ${this.#source()} s ON s.k = x.${this.#number(target)}${match} ${chosen.join(' ')}`
  }

  /** Of the parent's rows into the child's shards. */
  #colocatedMerge(): string {
    const random = this.#random
    const source = random.make([
      () => 'wp',
      () => '(SELECT k, max(v) AS v, min(t) AS t FROM wc GROUP BY k)',
      () => `(SELECT k, v, t FROM wp WHERE k IN (SELECT k FROM wc WHERE v < ${random.below(6)}))`,
    ])
    this.#fresh += 1
    const key = random.pick(['s.k', 's.k', 's.k', '3', 's.v'])
    const insert = `WHEN NOT MATCHED THEN INSERT (k, id, v) VALUES (${key}, ${this.#fresh * 100}${key === 's.k' ? '' : ' + s.k'}, s.v)`
    return `MERGE INTO wc x USING ${source} s ON s.k = x.k AND x.id % 5 = ${random.below(5)} WHEN MATCHED AND s.v = ${random.below(5)} THEN DELETE WHEN MATCHED THEN UPDATE SET t = 'm', v = coalesce(s.v, 0) % 5 ${random.pick([insert, ''])}`
  }

  #mergeInsert(target: Table): string {
    this.#fresh += 1
    const row = target.row(`s.k + ${this.#fresh * 100}`, 'coalesce(s.v, 1)', "'n'")
    const names = row.map(([name]) => name).join(', ')
    return `WHEN NOT MATCHED AND s.k IS NOT NULL THEN INSERT (${names}) VALUES (${row.map(([, sql]) => sql).join(', ')})`
  }

  /** Several tables in one statement, each of them once. */
  #several(): string {
    const random = this.#random
    const first = random.pick(TABLES)
    const second = random.pick(TABLES.filter((table) => table !== first))
    const inner = random.make([
      () =>
        `UPDATE ${first.name} x SET v = ${this.#value(first, 'x', undefined)} WHERE ${this.#condition(first, 'x')}`,
      () =>
        `DELETE FROM ${first.name} x WHERE ${this.#condition(first, 'x')} AND x.v = ${random.below(5)}`,
      () => this.#rows(first),
      () => this.#met(first),
    ])
    const changed = `WITH c AS (${inner} RETURNING x.k, x.v, x.t)`
    const rows = '(SELECT k, max(v) AS v, max(t) AS t FROM c GROUP BY k)'
    this.#fresh += 1
    const number = `s.k + ${random.chance(50) ? 0 : this.#fresh * 1000}`
    const row = second.row(number, 'coalesce(s.v, 1)', "'w'")
    return random.make([
      () => `${changed} SELECT k, count(*), sum(v) FROM c GROUP BY k`,
      () =>
        `${changed} INSERT INTO ${second.name} AS x (${row.map(([name]) => name).join(', ')}) SELECT ${row.map(([, sql]) => sql).join(', ')} FROM ${rows} s WHERE s.k IS NOT NULL${this.#conflict(second)}${this.#returning('x', undefined)}`,
      () =>
        `${changed} UPDATE ${second.name} x SET v = ${this.#value(second, 'x', 's')} FROM ${rows} s WHERE s.k = x.${this.#number(second)}${this.#returning('x', 's')}`,
      () =>
        `${changed} DELETE FROM ${second.name} x USING ${rows} s WHERE s.k = x.${this.#number(second)} AND ${this.#condition(second, 'x')}${this.#returning('x', 's')}`,
      () =>
        `${changed}, d AS (DELETE FROM ${second.name} x WHERE x.k IN (SELECT k FROM c) RETURNING x.k) SELECT (SELECT count(*) FROM c) AS c, (SELECT count(*) FROM d) AS d, (SELECT count(*) FROM ${second.name}) AS before`,
    ])
  }

  /** Some are there already. */
  #met(table: Table): string {
    const row = table.row('s.k', 'coalesce(s.v, 1)', "'m'")
    const names = row.map(([name]) => name).join(', ')
    return `INSERT INTO ${table.name} AS x (${names}) SELECT ${row.map(([, sql]) => sql).join(', ')} FROM ${this.#source()} s WHERE s.k IS NOT NULL${this.#conflict(table)}`
  }

  #rows(table: Table): string {
    this.#fresh += 1
    const numbers = [0, 1, 2].slice(0, 1 + this.#random.below(3))
    const rows = numbers.map((n) => table.row(String(this.#fresh * 100 + n), String(n), "'r'"))
    const names = (rows[0] ?? []).map(([name]) => name).join(', ')
    const lists = rows.map((row) => `(${row.map(([, sql]) => sql).join(', ')})`)
    return `INSERT INTO ${table.name} AS x (${names}) VALUES ${lists.join(', ')}`
  }
}
