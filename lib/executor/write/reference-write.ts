import { RouterError } from '../../base/errors.ts'
import { SqlState } from '../../base/sqlstate.ts'
import type { ReferenceWritePlan } from '../../planner/write/write-plans.ts'
import { parametersFor } from '../parameter-types.ts'
import type { CommandTag, Execution, StatementContext } from '../ports.ts'
import { unchangedPositions } from '../relay/relay-on.ts'
import { relayedRows, waitFor } from '../scatter/relayed-rows.ts'
import type { AnswerReader } from '../server-answer.ts'
import { sendStatements } from '../statement-request.ts'
import { withReferenceWrites } from './reference-guard.ts'

/**
 * The client's own text on every node, on the coordinator first, so that two such writes wait for each other there and not
 * in a circle. The answer is the coordinator's; the others must have done as much.
 */
export function runReferenceWrite(
  plan: ReferenceWritePlan,
  execution: Execution,
  context: StatementContext,
): Promise<CommandTag> {
  return context.atomically(async () => {
    const [coordinator, ...others] = context.catalog.nodes
    if (coordinator === undefined) throw new Error('the catalog has no coordinator')
    const tag = await writeOn(coordinator.nodeId, true, execution, context)
    const results = await Promise.allSettled(
      others.map(({ nodeId }) => writeOn(nodeId, false, execution, context)),
    )
    for (const result of results) {
      if (result.status === 'rejected') throw result.reason
      if (result.value !== tag) throw differ(plan, tag, result.value)
    }
    return tag
  })
}

async function writeOn(
  nodeId: number,
  answersClient: boolean,
  execution: Execution,
  context: StatementContext,
): Promise<CommandTag> {
  const connection = await context.connection(nodeId, 'write')
  return withReferenceWrites(
    connection,
    async () => {
      const { text, resultFormats, sendsRowDescription } = execution
      const parameters = parametersFor(connection, execution, context)
      const statement = { text, parameters, resultFormats, describes: true, maxRows: 0 }
      const mending = { positions: unchangedPositions(execution) }
      const reader: AnswerReader = answersClient
        ? relayedRows(connection, context, sendsRowDescription, mending)
        : {}
      const answer = sendStatements(connection, [statement], reader, mending)
      await waitFor(answer, connection, context.signal)
      return answer.tag
    },
    context.catalog.nodes.length,
  )
}

function differ({ table }: ReferenceWritePlan, expected: string, actual: string): RouterError {
  return new RouterError(
    SqlState.internalError,
    `the copies of reference table "${table.name}" differ: ${expected} on the coordinator, ${actual} on another node`,
    { hint: 'Nothing was changed. Compare the copies of the table on the nodes.' },
  )
}
