import type { BackendConnection } from '../../backend/backend-connection.ts'
import { ServerError } from '../../base/errors.ts'
import { coordinatorOf } from '../../catalog/catalog-lookup.ts'
import type { Plan } from '../../planner/plan.ts'
import { errorFields } from '../../wire/error-messages.ts'
import type { Execution, StatementContext } from '../ports.ts'
import { describeStatement } from '../statement-description.ts'
import { mendError } from './error-rewriting.ts'
import { unchangedPositions } from './relay-on.ts'

/** Those whose texts for the servers are of our own making, so that positions in them mean nothing to the client. */
const REMADE: ReadonlySet<Plan['kind']> = new Set([
  'select',
  'pulled',
  'modify',
  'insert-rows',
  'insert-through-scratch',
  'reference-write',
  'mirrored',
  'explain',
  'declare-cursor',
])
/** Names and types; values of literals. */
const FOUND_WHILE_PARSING = /^(?:42|22)/

/**
 * The error of a statement as the coordinator words it, with its place in the client's text, if it is one that Postgres finds in the
 * text alone; else the error itself. Asks only where a connection can be had at once.
 */
export async function placed(
  error: unknown,
  plan: Plan,
  execution: Execution,
  context: StatementContext,
): Promise<unknown> {
  const isOpen = error instanceof ServerError && FOUND_WHILE_PARSING.test(error.sqlState)
  if (!isOpen || !REMADE.has(plan.kind) || errorFields(error.frame).has('P')) return error
  const { nodeId } = coordinatorOf(context.catalog)
  if (context.signal.aborted) return error
  try {
    const connection = await atOnce(context, nodeId)
    if (connection === undefined) return error
    await describeStatement(connection, execution.text, execution.parameters.types)
  } catch (own) {
    if (!(own instanceof ServerError) || own.sqlState !== error.sqlState) return error
    const positions = unchangedPositions(execution)
    return mendError(own.frame, 0, own.frame.length, { positions })
  }
  return error
}

/** A block has failed whatever its own connection says; and no other one would see the tables that it has made. */
async function atOnce(
  context: StatementContext,
  nodeId: number,
): Promise<BackendConnection | undefined> {
  if (context.isInTransaction) return context.connectionNow?.(nodeId)
  const { spare, signal } = context
  return spare?.has(nodeId) === true ? spare.take(nodeId, signal) : undefined
}
