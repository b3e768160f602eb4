import { preparedKey } from '../../backend/prepared-cache.ts'
import type { Settings } from '../../backend/session-state.ts'
import { PositionMap } from '../../executor/relay/position-map.ts'
import { writeSpliced } from '../../executor/relay/splice-writer.ts'
import type { Splice } from '../../planner/plan.ts'
import { FrameWriter } from '../../wire/frame-writer.ts'
import type { PreparedStatement } from '../extended/prepared-statements.ts'
import type { PlannedStatement } from '../statement-planner.ts'

/** The text and key of a statement on one shard: the same for all its runs under the same settings. */
export type ServerText = {
  readonly planned: PlannedStatement
  readonly settings: Settings
  readonly key: string
  readonly text: Buffer
  /** From the text to the client's. */
  readonly positions: PositionMap
}

/** Where it is sent. */
type Aimed = { readonly shardIndex: number | undefined; readonly splices: readonly Splice[] }

const scratch = new FrameWriter()

/** Made once, kept with the statement. */
export function serverText(
  statement: PreparedStatement,
  planned: PlannedStatement,
  aimed: Aimed,
  settings: Settings,
): ServerText {
  const at = aimed.shardIndex === undefined ? 0 : aimed.shardIndex + 1
  const known = statement.serverTexts?.[at]
  if (known?.settings === settings && known.planned === planned) return known
  const made = makeText(statement.types, planned, aimed, settings)
  statement.serverTexts ??= []
  statement.serverTexts[at] = made
  return made
}

function makeText(
  types: readonly number[],
  planned: PlannedStatement,
  { shardIndex, splices }: Aimed,
  settings: Settings,
): ServerText {
  const positions = new PositionMap()
  scratch.reset()
  if (shardIndex === undefined) {
    positions.refer(planned.text)
    scratch.bytes(planned.text)
  } else {
    const { text, literals } = planned
    writeSpliced(scratch, text, 0, text.length, literals, splices, shardIndex, positions)
    positions.share(text)
  }
  const text = Buffer.from(scratch.buffer.subarray(0, scratch.length))
  return { planned, settings, text, key: preparedKey(text, types, settings), positions }
}
