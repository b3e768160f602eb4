import { randomBytes } from 'node:crypto'
import type { BackendConnection } from '../../../backend/backend-connection.ts'
import { type CopyingContext, copyAcross } from '../../copy/copy-across.ts'
import { query } from '../../node-client.ts'
import { quoteIdentifier } from '../../relay/quoted-schema.ts'

/** Every node has it, and every role may create in it. */
const NODE_SCHEMA = 'pgloom_guards'

export type RowsToShip = {
  readonly coordinator: BackendConnection
  /** Quoted columns, and where they are: `… FROM t WHERE … ORDER BY …`. */
  readonly columns: string
  readonly from: string
  /** A query without rows, on the node, whose columns the table takes. */
  readonly shape: string
}

/**
 * Rows of the coordinator in a table of their own on another node, for the transaction at hand. Not a temporary one: those
 * forbid two-phase commit. The caller drops it.
 */
export async function shipRows(
  { coordinator, columns, from, shape }: RowsToShip,
  target: BackendConnection,
  context: CopyingContext,
): Promise<string> {
  const name = `${NODE_SCHEMA}.${quoteIdentifier(`rows_${randomBytes(8).toString('hex')}`)}`
  await query(target, `CREATE UNLOGGED TABLE ${name} AS ${shape} WITH NO DATA`)
  const copy = `COPY ${name} (${columns}) FROM STDIN (FORMAT binary)`
  await copyAcross(coordinator, `${columns} FROM ${from}`, target, copy, context)
  return name
}
