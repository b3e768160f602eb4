import type { Shard } from '../../catalog/catalog.ts'
import { coordinatorOf } from '../../catalog/catalog-lookup.ts'
import type { CopyQueryPlan, ScatterSelect } from '../../planner/plan.ts'
import { refusalError } from '../../planner/refusals.ts'
import { keysOf } from '../execution-keys.ts'
import { inlineParameter } from '../inline-parameter.ts'
import type { CommandTag, Execution, StatementContext } from '../ports.ts'
import { runPulled } from '../pull/pulled.ts'
import { PositionMap } from '../relay/position-map.ts'
import { quoteLiteral } from '../relay/quoted-schema.ts'
import { holdsForeignOids, userTypeRefusal } from '../relay/row-description-mapping.ts'
import { allowedShards, type KeyReader, resolveInsert, resolvePins } from '../route.ts'
import { routedShard, runRouted } from '../routed.ts'
import { combine } from '../scatter/combine.ts'
import { ShardStatement } from '../shard-statement.ts'
import { textForShard } from '../shard-text.ts'
import { describeStatement } from '../statement-description.ts'
import { runMirrored } from '../write/mirror/run-mirrored.ts'
import { type CopyFormat, copyShards } from './copy-to.ts'

/**
 * COPY (query) TO STDOUT: on its one shard, or as one COPY of each shard, or, where the shards' rows must be combined, as a
 * COPY on the coordinator of the combine query over a temporary table. Rows stream; memory stays flat.
 */
export async function runCopyQuery(
  plan: CopyQueryPlan,
  execution: Execution,
  context: StatementContext,
): Promise<CommandTag> {
  const { query } = plan
  if (query.kind === 'pulled')
    return runPulled(query, { execution, context, declaresCursor: false })
  if (query.kind === 'mirrored') return runMirrored(query, execution, context)
  const types = await foreignTypes(plan, execution, context)
  const keys = keysOf(execution.text, execution.parameters)
  const route =
    query.kind === 'insert-rows' ? resolveInsert(query, keys) : resolvePins(query.routed.pins, keys)
  const shard = routedShard(query.routed, route)
  if (shard !== undefined && types !== undefined) {
    if (query.kind !== 'select') throw userTypeRefusal()
    const statement = new ShardStatement(execution.text, query.routed.splices)
    const textFor = ({ index }: Shard) => statement.textFor(index, new PositionMap())
    return copyShards([shard], textFor, { ...plan, types }, context)
  }
  if (shard !== undefined) return runRouted(query.routed, shard, execution, context)
  if (query.kind !== 'select') return overMirrors(plan, execution, context)
  const scatter = query.multi()
  if (scatter.kind === 'refusal') throw refusalError(scatter)
  if (scatter.kind === 'pulled')
    return runPulled(scatter, { execution, context, declaresCursor: false })
  if (scatter.kind === 'mirrored') return overMirrors(plan, execution, context)
  if (scatter.kind === 'locked-select' || scatter.locksRows)
    throw refusalError({ kind: 'refusal', id: 'row-locks' })
  return copyScatter({ ...plan, types }, scatter, execution, context, keys)
}

/** A COPY has one place where it writes, so that is the coordinator. */
async function overMirrors(
  { mirrored }: CopyQueryPlan,
  execution: Execution,
  context: StatementContext,
): Promise<CommandTag> {
  const plan = mirrored?.() ?? { kind: 'refusal', id: 'expression' }
  if (plan.kind === 'refusal') throw refusalError(plan)
  return runMirrored(plan, execution, context)
}

/** Of the columns, if some have OIDs in their binary form, which the shard's server would write as its own. */
async function foreignTypes(
  { queryText, format }: CopyQueryPlan,
  { text }: Execution,
  context: StatementContext,
): Promise<readonly number[] | undefined> {
  const { catalog } = context
  if (format !== 'binary' || catalog.userTypes === undefined) return undefined
  const coordinator = await context.connection(coordinatorOf(catalog).nodeId, 'read')
  const query = text.subarray(queryText.start, queryText.end)
  const { fields = [] } = await describeStatement(coordinator, query, [])
  const types = fields.map(({ typeOid }) => typeOid)
  return types.some((typeOid) => holdsForeignOids(catalog, typeOid)) ? types : undefined
}

async function copyScatter(
  plan: CopyQueryPlan & Pick<CopyFormat, 'types'>,
  scatter: ScatterSelect,
  execution: Execution,
  context: StatementContext,
  keys: KeyReader,
): Promise<CommandTag> {
  const { start, end } = plan.queryText
  const head = execution.text.subarray(0, start)
  const tail = execution.text.subarray(end)
  // COPY takes no parameters: those of the client are an error as in Postgres, the time is written out
  const copying = async (query: string, ownParameters: number, usesTime: boolean) => {
    const time = usesTime ? quoteLiteral(await context.transactionTime()) : ''
    const text = usesTime ? inlineParameter(query, ownParameters + 1, time) : query
    return Buffer.concat([head, Buffer.from(text), tail])
  }
  if (scatter.combine !== undefined) {
    return combine(scatter, scatter.combine, { execution, context, keys, copying })
  }
  const { parameters, usesTransactionTime } = scatter
  const texts = new Map<number, Buffer>()
  const shards = allowedShards(scatter.table, scatter.pins, keys)
  for (const shard of shards) {
    const query = textForShard(scatter.worker, shard).toString()
    texts.set(shard.index, await copying(query, parameters.length, usesTransactionTime))
  }
  const textFor = ({ index }: { index: number }) => texts.get(index) ?? head
  return copyShards(shards, textFor, plan, context, scatter.rowLimit)
}
