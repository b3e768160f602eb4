import type { Replacement } from '../../planner/plan.ts'
import { FrameWriter } from '../../wire/frame-writer.ts'
import { parametersFor } from '../parameter-types.ts'
import type { CommandTag, Execution, StatementContext } from '../ports.ts'
import { relayedRows, waitFor } from '../scatter/relayed-rows.ts'
import { sendStatements } from '../statement-request.ts'
import { mappedReader } from './mapped-reader.ts'
import { PositionMap } from './position-map.ts'
import { writeReplaced } from './splice-writer.ts'

/** Runs a text as it is on a node and passes its answer on. `positions`: how it came from the client's text. */
export async function relayOn(
  nodeId: number,
  access: 'read' | 'write',
  execution: Execution,
  positions: PositionMap | 'drop',
  context: StatementContext,
): Promise<CommandTag> {
  const connection = await context.connection(nodeId, access)
  const { text, resultFormats, sendsRowDescription } = execution
  const mending = { positions }
  const parameters = parametersFor(connection, execution, context)
  const statement = { text, parameters, resultFormats, describes: true, maxRows: 0 }
  const plain = relayedRows(connection, context, sendsRowDescription, mending)
  const reader = mappedReader(plain, connection, resultFormats, context.catalog)
  const answer = sendStatements(connection, [statement], reader, mending)
  if (access === 'write') context.sent?.(connection)
  await waitFor(answer, connection, context.signal)
  return answer.tag
}

/** For a text that is sent as the client wrote it. */
export function unchangedPositions({ text, positionBase }: Execution): PositionMap {
  const positions = new PositionMap()
  positions.reset(text, 0, text.length, positionBase)
  return positions
}

/** The client's text with some names replaced, which `positions` then knows of. */
export function replacedText(
  { text, positionBase }: Execution,
  replacements: readonly Replacement[],
  positions: PositionMap,
): Buffer {
  const out = new FrameWriter(text.length + 64)
  writeReplaced(out, text, 0, text.length, replacements, positions, positionBase)
  return out.take()
}
