import type { Random } from '../random.ts'
import { anyKind, KINDS, type Kind } from './kinds.ts'
import type { Column } from './scope.ts'
import { makeViews, type View } from './views.ts'

type TableColumn = Column & {
  readonly type: string
  readonly nulls: number
  /** Computed from the id. */
  readonly isGenerated?: boolean
}

export type Table = {
  readonly name: string
  readonly group: string
  readonly columns: readonly TableColumn[]
  readonly rows: readonly (readonly (string | null)[])[]
  /** A column was dropped after it was distributed. */
  readonly hasGone: boolean
}

const NAMES = ['a', 'b', 'c', 'd', 'e', 'f', 'g', '"order"', '"X y"', 'val']
/** Those that may distribute a table. */
const KEY_TYPES: readonly (readonly [Kind, string])[] = [
  ['int', 'int'],
  ['int', 'bigint'],
  ['int', 'smallint'],
  ['text', 'text'],
  ['text', 'varchar(20)'],
  ['uuid', 'uuid'],
  ['date', 'date'],
  ['time', 'timestamptz'],
  ['ctext', 'text COLLATE "C"'],
  ['num', 'numeric(8,2)'],
  ['char', 'char(3)'],
  ['bytes', 'bytea'],
  ['stamp', 'timestamp'],
  ['loose', 'numeric'],
  ['signed', 'double precision'],
  ['interval', 'interval'],
  ['inet', 'inet'],
]

/** Two colocation groups, reference tables and a local one, with columns and rows by chance. */
export class Schema {
  readonly tables: readonly Table[]
  readonly views: readonly View[]
  /** One statement a line; the stock side leaves those out that only a cluster knows. */
  readonly script: string

  constructor(random: Random) {
    const int = random.pick<readonly [Kind, string]>([
      ['int', 'int'],
      ['int', 'int'],
      ['int', 'bigint'],
    ])
    const other = random.pick(KEY_TYPES)
    this.tables = [
      makeTable(random, 'wa', 'one', int),
      makeTable(random, 'wb', 'one', int),
      makeTable(random, 'wc', 'one', int),
      makeTable(random, 'wd', 'two', other),
      makeTable(random, random.pick(['we', 's2.we', '"W e"']), 'two', other),
      makeTable(random, 'wr', 'reference', undefined),
      makeTable(random, 'wq', 'reference', undefined),
      makeTable(random, 'wl', 'local', undefined),
    ]
    this.views = makeViews(random, this.tables)
    const shards = [random.pick([4, 6, 8]), random.pick([3, 5, 8])]
    this.script = [
      'CREATE SCHEMA IF NOT EXISTS s2;',
      ...dropViews(this.tables.length),
      ...this.tables.map(({ name }) => `DROP TABLE IF EXISTS ${name};`),
      ...this.tables.map((table) => `${create(table, random)};`),
      ...distribution(this.tables, shards),
      ...this.tables
        .filter(({ hasGone }) => hasGone)
        .map(({ name }) => `ALTER TABLE ${name} DROP COLUMN gone;`),
      ...this.tables
        .filter(({ rows }) => rows.length > 0)
        .map((table) => `${insert(table, table.rows)};`),
      ...this.views.map(({ name, definition }) => `CREATE VIEW ${name} AS ${definition};`),
    ].join('\n')
  }
}

function makeTable(
  random: Random,
  name: string,
  group: string,
  key: readonly [Kind, string] | undefined,
): Table {
  const free = [...NAMES]
  const take = () => free.splice(random.below(free.length), 1)[0] ?? 'z'
  const columns: Table['columns'][number][] = []
  const id = { name: 'id', kind: 'int', isKey: false, type: 'int', nulls: 0 } as const
  if (random.chance(50)) columns.push(id)
  if (key !== undefined) {
    const [kind, type] = key
    columns.push({ name: random.chance(70) ? 'k' : take(), kind, isKey: true, type, nulls: 0 })
  }
  for (let left = 4 + random.below(5); left > 0; left--) {
    const kind = anyKind(random)
    const nulls = random.pick([0, 10, 25, 60])
    columns.push({ name: take(), kind, isKey: false, type: random.pick(KINDS[kind].types), nulls })
  }
  if (columns[0] !== id) columns.push(id)
  if (random.chance(20)) {
    const type = `int GENERATED ALWAYS AS (id % 3) ${random.pick(['STORED', 'VIRTUAL'])}`
    columns.push({ name: 'gen', kind: 'int', isKey: false, type, nulls: 0, isGenerated: true })
  }
  const size = group === 'reference' ? random.pick([3, 6]) : random.pick([0, 6, 15, 20, 25])
  const rows = Array.from({ length: size }, (_, at) => makeRow(random, columns, at + 1))
  return { name, group, columns, rows, hasGone: random.chance(40) }
}

export function makeRow(
  random: Random,
  columns: Table['columns'],
  id: number,
): readonly (string | null)[] {
  return columns.map(({ name, kind, nulls, isKey }) => {
    if (name === 'id') return String(id)
    if (random.chance(nulls)) return null
    const { values } = KINDS[kind]
    // skew: much for the one key
    return isKey && random.chance(35) ? (values[4] ?? values[0] ?? '') : random.pick(values)
  })
}

function create({ name, columns, group, hasGone }: Table, random: Random): string {
  const key = columns.find(({ isKey }) => isKey)?.name
  const primary = key === undefined ? 'id' : `${key}, id`
  const hasPrimary = random.chance(group === 'local' ? 30 : 60)
  const parts = columns.map((column) => `${column.name} ${column.type}`)
  if (hasGone) parts.splice(random.below(parts.length), 0, 'gone int')
  return `CREATE TABLE ${name} (${[...parts, ...(hasPrimary ? [`PRIMARY KEY (${primary})`] : [])].join(', ')})`
}

function distribution(tables: readonly Table[], shards: readonly number[]): readonly string[] {
  const first = new Map<string, string>()
  return tables.flatMap(({ name, group, columns }) => {
    if (group === 'local') return []
    if (group === 'reference') return [`SELECT create_reference_table('${name}');`]
    const key = (columns.find(({ isKey }) => isKey)?.name ?? '').replaceAll('"', '')
    const other = first.get(group)
    first.set(group, other ?? name)
    const where =
      other === undefined
        ? `shard_count => ${shards[first.size - 1]}, colocate_with => 'none'`
        : `colocate_with => '${other}'`
    return [`SELECT create_distributed_table('${name}', '${key}', ${where});`]
  })
}

function dropViews(count: number): readonly string[] {
  const numbers = Array.from({ length: count }, (_, at) => at)
  return numbers.map((at) => `DROP VIEW IF EXISTS v${at}b; DROP VIEW IF EXISTS v${at};`)
}

export function insert({ name, columns }: Table, rows: Table['rows']): string {
  const given = columns.filter(({ isGenerated }) => isGenerated !== true)
  const lines = rows.map((row) => {
    const values = given.map((column) => {
      const value = row[columns.indexOf(column)] ?? null
      return value === null ? 'NULL' : KINDS[column.kind].literal(value)
    })
    return `(${values.join(', ')})`
  })
  return `INSERT INTO ${name} (${given.map((column) => column.name).join(', ')}) VALUES ${lines.join(', ')}`
}
