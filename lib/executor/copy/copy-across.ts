import type { BackendConnection } from '../../backend/backend-connection.ts'
import type { Catalog } from '../../catalog/catalog.ts'
import type { StatementContext } from '../ports.ts'
import { typeOnCoordinator } from '../relay/row-description-mapping.ts'
import { ValueOids } from '../relay/value-oids.ts'
import { describeStatement } from '../statement-description.ts'
import { copyData } from '../write/distribute-rows.ts'
import { COPY_HEADER, COPY_TRAILER, HashedRows } from '../write/hashed-rows.ts'
import { CopyInStream } from './copy-in-stream.ts'

export type CopyingContext = Pick<StatementContext, 'signal'> & {
  readonly catalog: Pick<Catalog, 'nodes' | 'userTypes'>
}

const ANY_HASH = [{ minHash: 0, maxHash: 0 }]

/**
 * Streams the rows of `SELECT ${selected}` on one connection into `copy`, a binary COPY … FROM STDIN, on another. Resolves with
 * their count; when it throws, both connections are ready for the next command.
 */
export async function copyAcross(
  source: BackendConnection,
  selected: string,
  target: BackendConnection,
  copy: string,
  { signal, catalog }: CopyingContext,
): Promise<number> {
  const read = `COPY (SELECT 0::pg_catalog.int4, ${selected}) TO STDOUT (FORMAT binary)`
  const oids = await oidsOf(source, selected, target, catalog)
  const rows = new HashedRows(source, read, ANY_HASH, signal)
  const stream = new CopyInStream(target, copy, { signal })
  try {
    await stream.write(copyData(COPY_HEADER))
    for (let batch = await rows.next(); batch !== undefined; batch = await rows.next()) {
      signal.throwIfAborted()
      oids?.mapMessages(batch.messages, 0, batch.messages.length)
      await stream.write(batch.messages)
    }
    return await stream.finish(copyData(COPY_TRAILER))
  } catch (error) {
    await Promise.all([rows.abandon(), stream.abort('canceled')])
    throw error
  }
}

async function oidsOf(
  source: BackendConnection,
  selected: string,
  target: BackendConnection,
  catalog: CopyingContext['catalog'],
): Promise<ValueOids | undefined> {
  const [from, to] = [source.node.nodeId, target.node.nodeId]
  if (from === to || catalog.userTypes === undefined) return undefined
  const { fields = [] } = await describeStatement(source, Buffer.from(`SELECT ${selected}`), [])
  const types = fields.map(({ typeOid }) => typeOnCoordinator(catalog, from, typeOid) ?? 0)
  return ValueOids.between(from, to, types, catalog)
}
