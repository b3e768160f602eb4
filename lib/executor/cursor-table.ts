import { randomBytes } from 'node:crypto'
import type { BackendConnection } from '../backend/backend-connection.ts'
import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import { columnTypes } from './column-types.ts'
import { CopyInStream } from './copy/copy-in-stream.ts'
import { copyOut, query } from './node-client.ts'
import type { StatementContext } from './ports.ts'
import { type GatheredRows, TEMPORARY_TABLE } from './scatter/gathered-rows.ts'
import { copyData } from './write/distribute-rows.ts'

/**
 * Moves rows gathered on a side connection into a temporary table of the client's transaction, in their order, for a
 * cursor to read: neither synchronized scans nor parallel workers ever touch temporary tables. It lives as long as the
 * transaction; a cursor WITH HOLD has been read to its end by then. Returns its name.
 */
export async function moveToCursorTable(
  gathered: GatheredRows,
  side: BackendConnection,
  connection: BackendConnection,
  context: StatementContext,
): Promise<string> {
  const table = `pg_temp.pgloom_cursor_${randomBytes(6).toString('hex')}`
  const types = await columnTypes(connection, gathered.fields)
  const columns = types.map(({ name }, index) => `c${index + 1} ${name}`)
  await createTable(connection, `${table} (${columns.join(', ')})`)
  const target = new CopyInStream(connection, `COPY ${table} FROM STDIN (FORMAT binary)`, context)
  try {
    const source = copyOut(side, `COPY ${TEMPORARY_TABLE} TO STDOUT (FORMAT binary)`)
    for await (const body of source) {
      context.signal.throwIfAborted()
      await target.write(copyData(body))
    }
  } catch (error) {
    await target.abort('canceled')
    throw error
  }
  await target.finish()
  return table
}

async function createTable(connection: BackendConnection, definition: string): Promise<void> {
  try {
    await query(connection, `CREATE TEMPORARY TABLE ${definition} ON COMMIT DROP`)
  } catch (error) {
    if (!(error instanceof RouterError) || error.sqlState !== READ_ONLY) throw error
    throw needsReadWrite(error)
  }
}

/** read_only_sql_transaction: CREATE is refused there, even of temporary tables. */
const READ_ONLY = '25006'

function needsReadWrite(cause: unknown): RouterError {
  return new RouterError(
    SqlState.featureNotSupported,
    'a cursor over more than 1 MB of rows of several shards needs a read-write transaction',
    { hint: 'Use a READ WRITE transaction, or LIMIT.', cause },
  )
}
