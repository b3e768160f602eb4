import { type Answer, RawClient } from '../support/raw-client.ts'

/** Statements before a client says goodbye, or is cut off, and comes again. */
const STATEMENTS_OF_A_CONNECTION = 200
const OWN_ROWS = 5

/** One of many clients at once: it knows the only right answer to each of its statements. */
export class BusyClient {
  readonly problems: string[] = []
  statements = 0
  /** Changes of `counters` that the server acknowledged. */
  increments = 0
  readonly #url: string
  readonly #index: number
  readonly #counts = new Map<number, number>()
  #client: RawClient | undefined

  constructor(url: string, index: number) {
    this.#url = url
    this.#index = index
  }

  static async createTables(client: RawClient, clients: number): Promise<void> {
    await client.run(
      'CREATE TABLE counters (id int PRIMARY KEY, owner int, n int NOT NULL, word text)',
    )
    await client.run(`SELECT create_distributed_table('counters', 'id')`)
    await client.run('CREATE TABLE owners (owner int PRIMARY KEY, name text)')
    await client.run(`SELECT create_reference_table('owners')`)
    await client.run(
      `INSERT INTO owners SELECT g, 'owner ' || g FROM generate_series(0, ${clients - 1}) g`,
    )
    await client.run(
      `INSERT INTO counters SELECT g, g / ${OWN_ROWS}, 0, 'w' || g FROM generate_series(0, ${clients * OWN_ROWS - 1}) g`,
    )
  }

  async run(deadline: number): Promise<void> {
    try {
      while (Date.now() < deadline) {
        this.#client = await RawClient.connect(this.#url)
        for (let left = STATEMENTS_OF_A_CONNECTION; left > 0 && Date.now() < deadline; left--) {
          await this.#step(Math.floor(Math.random() * STEPS.length))
        }
        this.#client.close()
      }
    } catch (error) {
      this.problems.push(`${this.#index}: ${String(error)}`)
    }
  }

  async #step(kind: number): Promise<void> {
    await STEPS[kind]?.(this)
  }

  /** A row of this client alone. */
  ownRow(): number {
    return this.#index * OWN_ROWS + Math.floor(Math.random() * OWN_ROWS)
  }

  get index(): number {
    return this.#index
  }

  counted(row: number): number {
    return this.#counts.get(row) ?? 0
  }

  increment(row: number): number {
    const count = this.counted(row) + 1
    this.#counts.set(row, count)
    this.increments++
    return count
  }

  async simple(sql: string): Promise<Answer> {
    this.statements++
    if (this.#client === undefined) throw new Error('not connected')
    return await this.#client.simple(sql)
  }

  async extended(sql: string, parameters: readonly string[]): Promise<Answer> {
    this.statements++
    if (this.#client === undefined) throw new Error('not connected')
    return await this.#client.extended(sql, parameters, 'text')
  }

  /** The rows of the last result must be just these. */
  expect(
    answer: Answer,
    rows: readonly (readonly (string | number | null)[])[],
    what: string,
  ): void {
    const got = JSON.stringify(answer.error ?? answer.results.at(-1)?.rows ?? [])
    const wanted = JSON.stringify(rows.map((row) => row.map((value) => value?.toString() ?? null)))
    if (got !== wanted) this.problems.push(`${this.#index} ${what}: ${got} instead of ${wanted}`)
  }

  expectError(answer: Answer, sqlState: string): void {
    if (answer.error?.sqlState === sqlState) return
    this.problems.push(`${this.#index}: ${JSON.stringify(answer)} instead of ${sqlState}`)
  }
}

const STEPS: readonly ((client: BusyClient) => Promise<void>)[] = [
  async (client) => {
    const token = Math.random().toString(36)
    client.expect(
      await client.simple(`SELECT '${token}', ${client.index}`),
      [[token, client.index]],
      'echo',
    )
  },
  async (client) => {
    const row = client.ownRow()
    const answer = await client.extended('SELECT id, owner, n, word FROM counters WHERE id = $1', [
      `${row}`,
    ])
    client.expect(
      answer,
      [[row, client.index, client.counted(row), `w${row}`]],
      'one row, extended',
    )
  },
  async (client) => {
    const row = client.ownRow()
    const answer = await client.simple(`SELECT id, n FROM counters WHERE id = ${row}`)
    client.expect(answer, [[row, client.counted(row)]], 'one row, simple')
  },
  async (client) => {
    const row = client.ownRow()
    const answer = await client.extended(
      'UPDATE counters SET n = n + 1 WHERE id = $1 RETURNING n',
      [`${row}`],
    )
    client.expect(answer, [[client.increment(row)]], 'update')
  },
  async (client) => {
    const row = client.ownRow()
    const sql = `SELECT c.id, o.name FROM counters c JOIN owners o USING (owner) WHERE c.id = ${row}`
    client.expect(await client.simple(sql), [[row, `owner ${client.index}`]], 'join')
  },
  async (client) => {
    const first = client.index * OWN_ROWS
    const rows = Array.from({ length: OWN_ROWS }, (_, at) => [
      first + at,
      client.counted(first + at),
    ])
    const answer = await client.extended(
      'SELECT id, n FROM counters WHERE owner = $1 ORDER BY id',
      [`${client.index}`],
    )
    client.expect(answer, rows, 'all shards')
  },
  async (client) => {
    const sql = `SELECT count(*), min(id) FROM counters WHERE owner = ${client.index}`
    client.expect(await client.simple(sql), [[OWN_ROWS, client.index * OWN_ROWS]], 'aggregate')
  },
  async (client) => {
    const row = client.ownRow()
    await client.simple('BEGIN')
    const answer = await client.simple(
      `UPDATE counters SET n = n + 1000 WHERE id = ${row} RETURNING n`,
    )
    client.expect(answer, [[client.counted(row) + 1000]], 'update in a transaction')
    await client.simple('ROLLBACK')
  },
  async (client) => {
    const first = client.index * OWN_ROWS
    await client.simple('BEGIN')
    await client.extended('UPDATE counters SET n = n + 1 WHERE id = $1', [`${first}`])
    await client.extended('UPDATE counters SET n = n + 1 WHERE id = $1', [`${first + 1}`])
    const { results, error } = await client.simple('COMMIT')
    if (results[0]?.tag !== 'COMMIT') client.expect({ results, error, status: '' }, [], 'commit')
    client.increment(first)
    client.increment(first + 1)
  },
  async (client) => client.expectError(await client.simple('SELECT 1 / 0'), '22012'),
  async (client) => {
    const answer = await client.extended('SELECT 1 / (n - n) FROM counters WHERE id = $1', [
      `${client.ownRow()}`,
    ])
    client.expectError(answer, '22012')
  },
]
