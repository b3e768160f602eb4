import type { Random } from '../random.ts'
import { shownKey } from './kinds.ts'
import type { Named } from './maker.ts'
import type { Table } from './schema.ts'

export type View = Named & { readonly definition: string }

/** Views over some of the tables, one over another view: the same rows, some of the rows, rows by key. */
export function makeViews(random: Random, tables: readonly Table[]): readonly View[] {
  return tables.flatMap((table, at) => {
    if (table.group === 'local' || random.chance(40)) return []
    const rows = view(`v${at}`, table, random)
    const above = { ...rows, name: `v${at}b`, definition: `TABLE ${rows.name}` }
    return random.chance(30) ? [rows, above] : [rows]
  })
}

function view(name: string, table: Table, random: Random): View {
  const { group, columns } = table
  const key = columns.find(({ isKey }) => isKey)
  const isPlain = key !== undefined && shownKey('k', key.kind) === 'k'
  if (isPlain && random.chance(35)) {
    const definition = `SELECT ${key.name}, count(*) AS id, max(id) AS top FROM ${table.name} GROUP BY ${key.name}`
    const numbers = ['id', 'top'].map(
      (each) => ({ name: each, kind: 'int', isKey: false }) as const,
    )
    return { name, group, columns: [key, ...numbers], identity: [key.name], rows: 6, definition }
  }
  const names = columns.map((column) => column.name).join(', ')
  const where = random.pick(['', ' WHERE id % 4 <> 1', ' WHERE id IS NOT NULL'])
  const definition = `SELECT ${names} FROM ${table.name}${where}`
  return { name, group, columns, identity: ['id'], rows: table.rows.length, definition }
}
