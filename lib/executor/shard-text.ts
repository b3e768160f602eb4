import type { Shard } from '../catalog/catalog.ts'
import type { ShardText } from '../planner/plan.ts'
import { quotedSchema } from './relay/quoted-schema.ts'
import { shardAt } from './relay/splice-writer.ts'

/** The statement for one shard: every hole gets the schema that its table has there. */
export function textForShard({ pieces, holeTables }: ShardText, { index }: Shard): Buffer {
  const parts: Buffer[] = []
  for (const [hole, table] of holeTables.entries()) {
    const piece = pieces[hole]
    if (piece !== undefined) parts.push(piece)
    parts.push(quotedSchema(shardAt({ table }, index)))
  }
  const last = pieces[holeTables.length]
  if (last !== undefined) parts.push(last)
  return Buffer.concat(parts)
}
