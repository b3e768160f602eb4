import { coordinatorOf } from '../catalog/catalog-lookup.ts'
import type { ResultShape } from '../planner/cluster-results.ts'
import type { FunctionQueryPlan } from '../planner/plan.ts'
import type {
  ClusterCommands,
  CommandTag,
  Execution,
  FunctionResult,
  StatementContext,
} from './ports.ts'
import { quoteLiteral } from './relay/quoted-schema.ts'
import { relayOn } from './relay/relay-on.ts'

/** Calls the cluster functions of a statement in order, then runs it with their results in their places. */
export function runFunctionQuery(
  plan: FunctionQueryPlan,
  execution: Execution,
  context: StatementContext,
  commands: ClusterCommands,
): Promise<CommandTag> {
  const run = async (): Promise<CommandTag> => {
    const results: string[] = []
    for (const { plan: call, shape } of plan.calls) {
      results.push(resultText(shape, await commands.callFunction(call, context, execution)))
    }
    const text = filled(plan, results)
    const { nodeId } = coordinatorOf(context.catalog)
    const access = plan.isReadOnly ? 'read' : 'write'
    return relayOn(nodeId, access, { ...execution, text }, 'drop', context)
  }
  const changesCluster = plan.calls.some(
    ({ shape }) => shape.kind === 'value' && shape.type !== 'int8',
  )
  return changesCluster ? context.atomically(run) : run()
}

/** For Describe: with nothing in the places of the results, but of their types. */
export function describedText(plan: FunctionQueryPlan): Buffer {
  return filled(
    plan,
    plan.calls.map(({ shape }) => resultText(shape, { columns: [], rows: [] })),
  )
}

function filled({ pieces, holes }: FunctionQueryPlan, results: readonly string[]): Buffer {
  const parts = pieces.flatMap((piece, index) => {
    const hole = holes[index]
    return hole === undefined ? [piece] : [piece, results[hole] ?? '']
  })
  return Buffer.from(parts.join(''))
}

/** A value as a typed literal; rows as `unnest('{…}'::text[], …)`, a set like the function's own. */
function resultText(shape: ResultShape, { rows }: FunctionResult): string {
  if (shape.kind === 'value') {
    // void has no NULL to be cast
    const value = rows[0]?.[0] ?? (shape.type === 'void' ? '' : undefined)
    const literal = value === undefined ? 'NULL' : quoteLiteral(value)
    return `CAST(${literal} AS pg_catalog.${shape.type})`
  }
  const arrays = shape.columns.map(({ type }, index) => {
    const items = rows.map((row) => arrayItem(row[index]))
    return `CAST(${quoteLiteral(`{${items.join(',')}}`)} AS pg_catalog.${type}[])`
  })
  // only the bare name takes several arrays
  return `unnest(${arrays.join(', ')})`
}

function arrayItem(value: string | undefined): string {
  return value === undefined ? 'NULL' : `"${value.replaceAll(/["\\]/g, '\\$&')}"`
}
