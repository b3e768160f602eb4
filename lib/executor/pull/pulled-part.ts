import type { BackendConnection } from '../../backend/backend-connection.ts'
import type { PulledPart, ScatterSelect } from '../../planner/plan.ts'
import { refusalError } from '../../planner/refusals.ts'
import { query } from '../node-client.ts'
import { quoteIdentifier, quoteLiteral } from '../relay/quoted-schema.ts'
import { plainRows } from '../scatter/plain-rows.ts'
import { type PulledTable, pulledName } from './pulled-table.ts'

/** A table for the worker rows of a part, and what then stands in the part's place. */
export type PartTable = PulledTable & {
  readonly scatter: ScatterSelect
  readonly columns: readonly string[]
  readonly text: string
}

/** Postgres itself says which types the worker query's columns have, by the shells; no row is asked for. */
export async function createPartTable(
  connection: BackendConnection,
  part: PulledPart,
): Promise<PartTable> {
  const table = await create(connection, part, part.scatter)
  const { combine } = part.scatter
  const isInexact = combine?.inexactTypes.some(({ column, typeOids }) =>
    typeOids.includes(table.typeOids[column] ?? 0),
  )
  if (isInexact !== true) return table
  const exact = combine?.gathered?.()
  if (exact?.kind === 'refusal') throw refusalError(exact)
  if (exact?.kind !== 'scatter') throw new Error('a part has no exact alternative')
  await query(connection, `DROP TABLE ${table.name}`)
  return create(connection, part, { ...exact, pins: part.scatter.pins })
}

async function create(connection: BackendConnection, part: PulledPart, scatter: ScatterSelect) {
  const name = pulledName()
  const width = part.width(scatter)
  const columns = Array.from({ length: width }, (_, index) => `c${index + 1}`)
  await query(
    connection,
    `CREATE TEMPORARY TABLE ${name} (${columns.join(', ')}) ON COMMIT DROP AS ${shellText(scatter)} WITH NO DATA`,
  )
  const { rows } = await query(
    connection,
    `SELECT attrelid, atttypid FROM pg_catalog.pg_attribute WHERE attrelid = ${quoteLiteral(name)}::regclass AND attnum > 0 ORDER BY attnum`,
  )
  const typeOids = rows.map(([, typeOid]) => Number(typeOid))
  const combine = scatter.combine ?? plainRows(scatter)
  const text = combine.text(`${name} AS s`, typeOids, part.names)
  return { name, oid: Number(rows[0]?.[0]), byteLength: 0, scatter, columns, text, typeOids }
}

/** The worker query as the coordinator could run it, over the tables' shells. */
function shellText({ worker: { pieces, holeTables } }: ScatterSelect): string {
  return pieces
    .map((piece, index) => {
      const table = holeTables[index]
      return piece.toString() + (table === undefined ? '' : quoteIdentifier(table.schema))
    })
    .join('')
}
