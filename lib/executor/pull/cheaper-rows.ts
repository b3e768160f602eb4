import type { PulledRows } from '../../planner/plan.ts'
import type { Execution, StatementContext } from '../ports.ts'
import { estimateShard } from '../shard-estimate.ts'

/** To bring a row, in the planner's units: as much as to look at this many that are at hand. */
const BROUGHT_ROW_COST = 0.3

type Run = { readonly execution: Execution; readonly context: StatementContext }

export type EstimatedRows = {
  readonly rows: PulledRows
  /** Over all shards; Infinity: not known. */
  readonly rowCount: number
  /** pgloom.key_filters: 'auto', 'never' or, wherever it is legal, 'always'. */
  readonly keyFilters: string
}

const SETTING = 'citus.key_filters'

/** With or without a look at the rows' partners in other tables, as the servers take it to be cheaper. */
export async function cheaperRows(rows: PulledRows, run: Run): Promise<EstimatedRows> {
  const joined = await estimated(rows, run)
  const alone = rows.unjoined?.()
  if (alone === undefined) return joined
  const other = await estimated(alone, run)
  return other.cost < joined.cost ? other : joined
}

async function estimated(
  rows: PulledRows,
  { execution, context }: Run,
): Promise<EstimatedRows & { readonly cost: number }> {
  const estimate = await estimateShard(rows, execution, context, SETTING)
  if (estimate === undefined) return { rows, rowCount: 0, cost: 0, keyFilters: 'never' }
  const rowsOfShard = Number(estimate.plan?.['Plan Rows'] ?? Number.POSITIVE_INFINITY)
  const cost = Number(estimate.plan?.['Total Cost'] ?? Number.POSITIVE_INFINITY)
  return {
    rows,
    rowCount: rowsOfShard * estimate.shardCount,
    cost: cost + rowsOfShard * BROUGHT_ROW_COST,
    keyFilters: estimate.setting,
  }
}
