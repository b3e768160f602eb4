import type { BackendConnection } from '../../../backend/backend-connection.ts'
import type { Alias } from '../../relay/error-rewriting.ts'
import type { PositionMap } from '../../relay/position-map.ts'
import type { RowBatch } from './row-batch.ts'

/** A table that takes some of the rows: a shard, or the scratch table for those whose keys only Postgres can read. */
export type CopyTarget = {
  readonly nodeId: number
  /** Once, before its first COPY, on its node's connection. */
  readonly prepare: ((connection: BackendConnection) => Promise<void>) | undefined
  /** The client's statement, for this table. */
  text(): { readonly text: Buffer; readonly positions: PositionMap | 'drop' }
  alias(): Alias | undefined
  /** Rows that wait to be sent; undefined: none. */
  batch: RowBatch | undefined
  /** It is sent when it is as long. */
  batchBytes: number
  /** Rows that one of its COPYs says it took. */
  readonly taken?: (count: number) => void
}
