import type { Random } from '../random.ts'

const TENANTS = 9
const IDS = 40

/** A COPY goes with its rows. */
export type UniqueStatement = { readonly sql: string; readonly rows?: string }

/**
 * Whether a statement hands a key on from one of its rows to another is up to the order of rows in stock Postgres, and never a
 * violation here: none of these does.
 */
export class UniqueStatements {
  readonly #random: Random
  #fresh = 1000

  constructor(random: Random) {
    this.#random = random
  }

  statement(): UniqueStatement {
    const made = this.#random.make<string | UniqueStatement>([
      () => this.#insert(),
      () => this.#insert(),
      () => this.#insertMany(),
      () => this.#insertSelect(),
      () => this.#update(),
      () => this.#update(),
      () => this.#updateMany(),
      () => this.#delete(),
      () => this.#delete(),
      () => this.#upsert(),
      () => this.#merge(),
      () => this.#moved(),
      () => this.#handedOn(),
      () => this.#copy(),
      () => this.#rare(),
    ])
    return typeof made === 'string' ? { sql: made } : made
  }

  #tenant(): number {
    return this.#random.below(TENANTS)
  }

  #id(): number {
    return this.#random.below(IDS)
  }

  #text(prefix: string): string {
    return this.#random.chance(10) ? 'NULL' : `'${prefix}${this.#random.below(25)}'`
  }

  #code(): string {
    return this.#random.chance(8)
      ? 'NULL'
      : `${this.#random.below(25)}${this.#random.pick(['', '.0', '.5'])}`
  }

  #day(): string {
    return `'2026-0${1 + this.#random.below(2)}-01'`
  }

  /** Of us, up or uc: values in the table's order. */
  #row(table: string): string {
    const [t, id] = [this.#tenant(), this.#id()]
    if (table === 'us') return `(${t}, ${id}, ${this.#text('e')}, 'put')`
    if (table === 'up') return `(${t}, ${id}, ${this.#code()}, ${this.#day()}, 'put')`
    const p = this.#random.chance(50) ? 'NULL' : `${this.#random.below(20)}`
    const label = this.#text(this.#random.pick(['l', 'L']))
    return `(${t}, ${id}, ${p}, ${label}, ${this.#random.below(10)}, ${this.#random.below(10)})`
  }

  #table(): string {
    return this.#random.pick(['us', 'up', 'uc'])
  }

  #insert(): string {
    const table = this.#table()
    const returning = this.#random.chance(30) ? ' RETURNING *' : ''
    return `INSERT INTO ${table} VALUES ${this.#row(table)}${returning}`
  }

  #insertMany(): string {
    const table = this.#table()
    const rows = Array.from({ length: 2 + this.#random.below(3) }, () => this.#row(table))
    return `INSERT INTO ${table} VALUES ${rows.join(', ')}`
  }

  #insertSelect(): string {
    const from = this.#id()
    return this.#random.pick([
      `INSERT INTO us SELECT g % 5, g, 'e' || g, 'selected' FROM generate_series(${from}, ${from + 3}) g`,
      `INSERT INTO us SELECT t, id + 20, 'c' || code, note FROM up WHERE t = ${this.#tenant()}`,
      `INSERT INTO up SELECT t, id + 30, ${this.#code()}, day, 'again' FROM up WHERE id = ${from}`,
    ])
  }

  /** One row at most. */
  #update(): string {
    const where = this.#random.chance(50)
      ? `t = ${this.#tenant()} AND id = ${this.#id()}`
      : `(t, id) = (SELECT t, id FROM up ORDER BY t, id LIMIT 1)`
    return this.#random.pick([
      `UPDATE us SET email = ${this.#text('e')} WHERE id = ${this.#id()}`,
      `UPDATE us SET id = ${this.#id()} WHERE id = ${this.#id()} AND t = ${this.#tenant()}`,
      `UPDATE us SET note = 'touched' WHERE id = ${this.#id()}`,
      `UPDATE up SET code = ${this.#code()} WHERE ${where}`,
      `UPDATE uc SET label = upper(label) WHERE t = ${this.#tenant()} AND id = ${this.#id()}`,
      `UPDATE uc SET n = n + 1 WHERE t = ${this.#tenant()} AND id = ${this.#id()}`,
    ])
  }

  /** Nothing that was there comes of it. */
  #updateMany(): string {
    this.#fresh += 1
    const n = this.#fresh
    return this.#random.pick([
      `UPDATE us SET email = email || '-${n}'`,
      `UPDATE up SET code = code + ${n % 7} * 0, note = 'same'`,
      `UPDATE uc SET label = label || '${n}' WHERE length(label) < 9`,
      `UPDATE us SET email = 'all' WHERE t = ${this.#tenant()}`,
      `UPDATE up SET day = '2027-01-01'::date + ${n} WHERE t IN (${this.#tenant()}, ${this.#tenant()})`,
    ])
  }

  #delete(): string {
    return this.#random.pick([
      `DELETE FROM us WHERE id = ${this.#id()} RETURNING email`,
      `DELETE FROM us WHERE t = ${this.#tenant()}`,
      `DELETE FROM up WHERE t = ${this.#tenant()} AND id = ${this.#id()}`,
      `DELETE FROM up WHERE id % 5 = ${this.#random.below(5)}`,
      `DELETE FROM uc WHERE n = ${this.#random.below(10)}`,
      `DELETE FROM ur WHERE k = ${this.#random.below(10)}`,
      `INSERT INTO ur VALUES (${this.#random.below(10)}, 'again')`,
    ])
  }

  #upsert(): string {
    return this.#random.pick([
      `INSERT INTO up VALUES ${this.#row('up')} ON CONFLICT (t, id) DO UPDATE SET code = excluded.code`,
      `INSERT INTO up VALUES ${this.#row('up')} ON CONFLICT (t, id) DO NOTHING`,
      `INSERT INTO up VALUES ${this.#row('up')} ON CONFLICT (code, day) DO UPDATE SET note = 'met ' || excluded.t RETURNING *`,
      `INSERT INTO us VALUES ${this.#row('us')} ON CONFLICT (email) DO UPDATE SET note = excluded.note || us.t`,
      `INSERT INTO us VALUES ${this.#row('us')} ON CONFLICT ON CONSTRAINT us_pkey DO UPDATE SET email = excluded.email`,
      `INSERT INTO us VALUES ${this.#row('us')} ON CONFLICT DO NOTHING RETURNING id`,
      `INSERT INTO uc VALUES ${this.#row('uc')} ON CONFLICT (lower(label)) WHERE n > 5 DO UPDATE SET n = 6`,
    ])
  }

  #merge(): string {
    return `MERGE INTO up USING (VALUES (${this.#tenant()}, ${this.#id()}, ${this.#code()}::numeric)) s (t, id, code)
      ON up.t = s.t AND up.id = s.id WHEN MATCHED THEN UPDATE SET code = s.code, note = 'merged'
      WHEN NOT MATCHED THEN INSERT (t, id, code, day) VALUES (s.t, s.id, s.code, '2026-01-01')`
  }

  #moved(): string {
    return `UPDATE us SET t = t + ${1 + this.#random.below(3)} WHERE id IN (${this.#id()}, ${this.#id()})`
  }

  /** Keys leave with one row and come back with another. */
  #handedOn(): string {
    return `WITH gone AS (DELETE FROM us WHERE t = ${this.#tenant()} RETURNING *) INSERT INTO us SELECT t + 10, id, email, note FROM gone`
  }

  #copy(): UniqueStatement {
    const lines = Array.from({ length: 1 + this.#random.below(4) }, () => {
      const email = this.#random.chance(10) ? '\\N' : `e${this.#random.below(60)}`
      return `${this.#tenant()}\t${this.#random.below(80)}\t${email}\tcopied\n`
    })
    return { sql: 'COPY us FROM STDIN', rows: lines.join('') }
  }

  #rare(): string {
    if (this.#random.chance(70)) return `SELECT count(*) FROM us`
    return this.#random.pick(['TRUNCATE us', 'TRUNCATE up CASCADE', 'TRUNCATE uc'])
  }
}
