import type { BackendConnection } from '../../backend/backend-connection.ts'
import { RouterError, ServerError } from '../../base/errors.ts'
import { SqlState } from '../../base/sqlstate.ts'
import { coordinatorOf } from '../../catalog/catalog-lookup.ts'
import type { Plan, RefusalPlan } from '../../planner/plan.ts'
import { refusalError } from '../../planner/refusals.ts'
import { errorFields } from '../../wire/error-messages.ts'
import { query } from '../node-client.ts'
import type { Execution, StatementContext } from '../ports.ts'
import { describeStatement } from '../statement-description.ts'
import { mendError } from './error-rewriting.ts'
import { characterCount } from './position-map.ts'
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
  'copy-query',
])
/** Names and types; values of literals; clauses that don't go together. */
const FOUND_WHILE_PARSING = /^(?:42|22|0A)/
/** What is refused there are names of ours, which the coordinator doesn't know or takes for something else. */
const OWN_NAMES: ReadonlySet<string> = new Set([
  'cluster-function-context',
  'metadata-with-distributed',
  'explain',
  'set-from-current',
  'update-settings',
])
const FAILED = 0x45

type Asked = Pick<Execution, 'text' | 'parameters' | 'positionBase'>

/**
 * The error of a statement as the coordinator words it, with its place in the client's text, if it is one that Postgres finds in the
 * text alone; else the error itself. So what we refuse and Postgres would not understand is told as Postgres does. Asks about servers'
 * errors only where a connection can be had at once.
 */
export async function placed(
  error: unknown,
  plan: Plan,
  execution: Execution,
  context: StatementContext,
): Promise<unknown> {
  if (context.signal.aborted) return error
  const isRefusal = isRefused(error, plan)
  if (!isRefusal && !isOpen(error, plan)) return error
  try {
    const { nodeId } = coordinatorOf(context.catalog)
    const asked = askedOf(plan, execution)
    const found = isRefusal
      ? await ownError(await context.connection(nodeId, 'read'), plan, asked)
      : await errorAtOnce(error as ServerError, plan, asked, context)
    if (found === undefined) return error
    const positions = unchangedPositions({ ...execution, ...asked })
    return mendError(found.frame, 0, found.frame.length, { positions })
  } catch {
    return error
  }
}

function isRefused(error: unknown, plan: Plan): boolean {
  const isOurs = error instanceof RouterError && !(error instanceof ServerError)
  if (!isOurs || error.sqlState !== SqlState.featureNotSupported) return false
  return !namesOurs(plan) && (plan.kind === 'refusal' || REMADE.has(plan.kind))
}

function namesOurs(plan: Plan): boolean {
  if (plan.kind === 'explain') return namesOurs(plan.statement)
  if (plan.kind === 'refusal') return OWN_NAMES.has(plan.id)
  return plan.kind === 'function' || plan.kind === 'function-query'
}

function isOpen(error: unknown, plan: Plan): boolean {
  const isFound = error instanceof ServerError && FOUND_WHILE_PARSING.test(error.sqlState)
  return isFound && REMADE.has(plan.kind) && !errorFields(error.frame).has('P')
}

/** What can be described. */
function askedOf(plan: Plan, { text, parameters, positionBase = 0 }: Execution): Asked {
  if (plan.kind !== 'copy-query') return { text, parameters, positionBase }
  const { start, end } = plan.queryText
  return {
    text: text.subarray(start, end),
    parameters,
    positionBase: positionBase + characterCount(text, 0, start),
  }
}

/** A block has failed whatever its own connection says; another one may not see the tables that it has made. */
async function errorAtOnce(
  error: ServerError,
  plan: Plan,
  asked: Asked,
  context: StatementContext,
): Promise<ServerError | undefined> {
  const { nodeId } = coordinatorOf(context.catalog)
  const own = context.isInTransaction ? context.connectionNow?.(nodeId) : undefined
  if (own !== undefined && own.transactionStatus !== FAILED) return ownError(own, plan, asked)
  const beside = await context.beside?.(nodeId)
  const found = beside === undefined ? undefined : await ownError(beside, plan, asked)
  const isSame = found?.sqlState === error.sqlState && found.message === error.message
  return isSame || !context.isInTransaction ? found : undefined
}

async function ownError(
  connection: BackendConnection,
  plan: Plan,
  { text, parameters }: Asked,
): Promise<ServerError | undefined> {
  try {
    await describeStatement(connection, text, parameters.types)
    // its options are not looked at before it runs
    if (plan.kind === 'explain') {
      const head = text.toString('utf8', 0, plan.statementText.start)
      await query(connection, `${head} SELECT`)
    }
    return undefined
  } catch (error) {
    const isFound = error instanceof ServerError && FOUND_WHILE_PARSING.test(error.sqlState)
    return isFound ? error : undefined
  }
}

/** A refusal before anything is run: what Postgres has to say of the text comes first. */
export async function refusedOrWrong(
  plan: RefusalPlan,
  { text, types }: { readonly text: Buffer; readonly types: readonly number[] },
  coordinator: () => Promise<BackendConnection>,
): Promise<RouterError> {
  const refusal = refusalError(plan)
  if (!isRefused(refusal, plan)) return refusal
  const parameters = { types, formats: [], values: [] }
  return (await ownError(await coordinator(), plan, { text, parameters })) ?? refusal
}
