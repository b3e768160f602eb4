import type { Shard } from '../../catalog/catalog.ts'
import type { Replacement, Splice } from '../../planner/plan.ts'
import type { PositionMap } from './position-map.ts'
import { quotedSchema } from './quoted-schema.ts'

const EMPTY = Buffer.alloc(0)

/** What is written to: wire's FrameWriter is one. */
export interface ByteSink {
  bytes(buffer: Buffer, start?: number, end?: number): void
}

/** Where the literals of a text end, in text order: offsets into the buffer. sql's LexResult is one. */
export type LiteralSpans = {
  readonly ends: ArrayLike<number>
}

/**
 * Writes the statement text[start, end) for one shard: the pieces between the splices as they are, and in each
 * splice the shard's schema. Nothing is parsed or allocated. `positions` takes what error positions need;
 * `base`: characters of the client's message before this statement.
 */
export function writeSpliced(
  out: ByteSink,
  text: Buffer,
  start: number,
  end: number,
  literals: LiteralSpans,
  splices: readonly Splice[],
  shardIndex: number,
  positions: PositionMap,
  base = 0,
): void {
  positions.reset(text, start, end, base)
  let from = start
  for (const splice of splices) {
    const at = splicePosition(splice, literals, start)
    const schema = quotedSchema(shardAt(splice, shardIndex))
    out.bytes(text, from, at)
    out.bytes(schema)
    out.bytes(splice.suffix)
    positions.add(at - start, splice.length, schema, splice.suffix)
    from = at + splice.length
  }
  out.bytes(text, from, end)
}

/** The byte offset in the text at hand of a splice, which a plan holds relative to the literals. */
export function splicePosition(splice: Splice, literals: LiteralSpans, start: number): number {
  const anchor = splice.literal === 0 ? start : (literals.ends[splice.literal - 1] ?? start)
  return anchor + splice.delta
}

export function shardAt({ table }: Pick<Splice, 'table'>, index: number): Shard {
  const shard = table.shards[index]
  if (shard === undefined) throw new Error(`${table.name} has no shard ${index}`)
  return shard
}

/** Writes text[start, end) with other text in place of some ranges, whose offsets count from `start`. */
export function writeReplaced(
  out: ByteSink,
  text: Buffer,
  start: number,
  end: number,
  replacements: readonly Replacement[],
  positions: PositionMap,
  base = 0,
): void {
  positions.reset(text, start, end, base)
  let from = start
  for (const replacement of replacements) {
    const at = start + replacement.start
    const insert = Buffer.from(replacement.text)
    out.bytes(text, from, at)
    out.bytes(insert)
    positions.add(replacement.start, replacement.end - replacement.start, insert, EMPTY)
    from = start + replacement.end
  }
  out.bytes(text, from, end)
}
