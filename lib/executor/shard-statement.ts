import type { Shard } from '../catalog/catalog.ts'
import type { Splice, TextRange } from '../planner/plan.ts'
import { LexResult, lexStatement } from '../sql/lexer.ts'
import { FrameWriter } from '../wire/frame-writer.ts'
import type { PositionMap } from './relay/position-map.ts'
import { quotedSchema } from './relay/quoted-schema.ts'
import { shardAt, splicePosition, writeSpliced } from './relay/splice-writer.ts'

/** A client's statement and where its tables' names stand, to be written for one shard or another. */
export class ShardStatement {
  readonly #text: Buffer
  readonly #splices: readonly Splice[]
  readonly #literals = new LexResult()

  constructor(text: Buffer, splices: readonly Splice[]) {
    this.#text = text
    this.#splices = splices
    if (!lexStatement(text, 0, text.length, this.#literals)) this.#literals.count = 0
  }

  /** The whole text for a shard. */
  textFor(shardIndex: number, positions: PositionMap, base = 0): Buffer {
    const out = new FrameWriter(this.#text.length + 64 * this.#splices.length)
    const { length } = this.#text
    writeSpliced(
      out,
      this.#text,
      0,
      length,
      this.#literals,
      this.#splices,
      shardIndex,
      positions,
      base,
    )
    return out.take()
  }

  /** A part of the text for a shard; no splice may cross its ends. */
  partFor({ index }: Shard, { start, end }: TextRange): Buffer {
    const parts: Buffer[] = []
    let from = start
    for (const splice of this.#splices) {
      const at = splicePosition(splice, this.#literals, 0)
      if (at < start || at + splice.length > end) continue
      parts.push(this.#text.subarray(from, at), quotedSchema(shardAt(splice, index)), splice.suffix)
      from = at + splice.length
    }
    parts.push(this.#text.subarray(from, end))
    return Buffer.concat(parts)
  }
}
