import type { Shard } from '../catalog/catalog.ts'
import { SHARD_LITERAL, type ShardText } from '../planner/plan.ts'
import { quotedSchema } from './relay/quoted-schema.ts'
import { shardAt } from './relay/splice-writer.ts'

/** The statement for one shard: every hole gets the schema that its table has there. */
export function textForShard(worker: ShardText, { index }: Shard): Buffer {
  const { pieces, holeTables, namesShard = false } = worker
  const parts: Buffer[] = []
  for (const [hole, table] of holeTables.entries()) {
    const piece = pieces[hole]
    if (piece !== undefined) parts.push(piece)
    parts.push(quotedSchema(shardAt({ table }, index)))
  }
  const last = pieces[holeTables.length]
  if (last !== undefined) parts.push(last)
  const text = Buffer.concat(parts)
  return namesShard ? Buffer.from(text.toString().replaceAll(SHARD_LITERAL, `'${index}'`)) : text
}
