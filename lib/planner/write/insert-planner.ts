import type { DistributedTable } from '../../catalog/catalog.ts'
import { analyse } from '../analysis.ts'
import { keySource } from '../key-source.ts'
import { orRefusal } from '../or-refusal.ts'
import type { InsertRowsPlan, KeySource, ModifyPlan, Plan, TextRange } from '../plan.ts'
import type { PlanInput } from '../plan-input.ts'
import { Refusal, refuse } from '../refusals.ts'
import { pinsOf, routedStatement } from '../router.ts'
import { rowRanges } from '../row-ranges.ts'
import { type StatementTables, tableReferences } from '../table-references.ts'
import type { InsertStmt, Tree } from '../tree.ts'
import { checkUpsert, keyPosition, linkInsert } from './insert-keys.ts'
import { orMirrored, planMirrored } from './mirror-planner.ts'
import { planPushedInsert } from './modify-planner.ts'
import { planRepartition } from './repartition-planner.ts'
import { planThroughScratch } from './scratch-planner.ts'
import type { InsertThroughScratchPlan, MirroredPlan } from './write-plans.ts'

/** INSERT into a distributed table. `isOfCoordinator`: what it calls must not be called elsewhere. */
export function planInsert(input: PlanInput, insert: InsertStmt, isOfCoordinator = false): Plan {
  const tables = tableReferences(input, insert)
  const target = tables.references.find(({ node }) => node === insert.relation)?.table
  const plan = () =>
    isOfCoordinator && target?.kind === 'distributed'
      ? planEvaluated(input, insert, target, tables)
      : planPlaced(input, insert, tables)
  // which row a conflict changes, and to what, is for the coordinator to say where one shard alone can't
  return insert.onConflictClause === undefined
    ? plan()
    : orMirrored(input, 'InsertStmt', tables, plan)
}

function planPlaced(input: PlanInput, insert: InsertStmt, tables: StatementTables): Plan {
  const target = tables.references.find(({ node }) => node === insert.relation)?.table
  if (target?.kind !== 'distributed') return refuse('insert-select')
  checkUpsert(insert.onConflictClause?.targetList, target)
  const position = keyPosition(insert, target)
  const sources = tables.references.filter(({ node }) => node !== insert.relation)
  const readsDistributed = sources.some(({ table }) => table?.kind === 'distributed')
  const readsLocal = sources.some(({ table }) => table === undefined)
  const throughScratch = () => {
    const plan = planEvaluated(input, insert, target, tables)
    if (!readsDistributed || readsLocal || plan.kind === 'mirrored') return plan
    return { ...plan, repartition: planRepartition(input, insert, target, plan) }
  }
  const rows = insert.selectStmt?.SelectStmt?.valuesLists
  if (rows !== undefined && !readsLocal) {
    const evaluated = () => orRefusal(throughScratch)
    const planned = otherwise(throughScratch, () => {
      return planRows({ input, insert, table: target, rows, evaluated }, position)
    })
    if (planned !== undefined) return planned
  }
  if (!readsDistributed || readsLocal || position === undefined) return throughScratch()
  return planFromDistributed(input, insert, target, position, throughScratch)
}

/** On the coordinator: into a scratch table, or, where WITH changes other tables too, over mirrors of all that change. */
function planEvaluated(
  input: PlanInput,
  insert: InsertStmt,
  table: DistributedTable,
  tables: StatementTables,
): InsertThroughScratchPlan | MirroredPlan {
  const isOnly = !tables.references.some(
    ({ node, role }) => role === 'target' && node !== insert.relation,
  )
  if (!isOnly) return planMirrored(input, 'InsertStmt', tables)
  return orMirrored(input, 'InsertStmt', tables, () =>
    planThroughScratch(input, insert, table, tables),
  )
}

type Rows = {
  readonly input: PlanInput
  readonly insert: InsertStmt
  readonly table: DistributedTable
  readonly rows: readonly Tree[]
  readonly evaluated: InsertRowsPlan['evaluated']
}

function planRows(
  { input, insert, table, rows, evaluated }: Rows,
  position: number | undefined,
): InsertRowsPlan | undefined {
  if (position === undefined) return undefined
  const column = table.distributionColumn
  const keys = rows.map(({ List }) => keySource(input, List?.items?.[position], column))
  if (!keys.every((key) => key !== undefined)) return undefined
  // which error it is depends on the column
  if (keys.some(({ kind }) => kind === 'nothing')) return undefined
  const ranges = rows.length > 1 ? rowRanges(input.text, insert, rows) : []
  // rows of several shards whose texts can't be told apart
  if (ranges.length < rows.length && dedupe(keys).length > 1) return undefined
  const analysis = analyse(input, input.statement)
  const others = pinsOf(analysis.root, analysis.flow.constants()).filter((_, index) => index > 0)
  const routed = routedStatement(input, analysis.tables, [
    { table, values: dedupe(keys) },
    ...others,
  ])
  // what else it reads no shard has all of: they are the coordinator's then
  const isSplit = keys.length === ranges.length && others.length === 0
  return {
    kind: 'insert-rows',
    table,
    routed: { ...routed, isShapeStable: routed.isShapeStable && rows.length === 1 },
    rows: isSplit ? keys.map((key, index) => row(key, ranges[index])) : [],
    hasReturning: insert.returningClause !== undefined || insert.returningList !== undefined,
    evaluated,
  }
}

function row(key: KeySource, range: TextRange | undefined) {
  return { range: range ?? { start: 0, end: 0 }, key }
}

function dedupe(keys: readonly KeySource[]): readonly KeySource[] {
  return [...new Map(keys.map((key) => [JSON.stringify(key), key])).values()]
}

/** Source and target in the same shards: the statement runs in each. Else its rows cross the coordinator. */
function planFromDistributed(
  input: PlanInput,
  insert: InsertStmt,
  table: DistributedTable,
  position: number,
  throughScratch: () => InsertThroughScratchPlan | MirroredPlan,
): ModifyPlan | InsertThroughScratchPlan | MirroredPlan {
  return otherwise(throughScratch, () => {
    const analysis = analyse(input, input.statement)
    linkInsert(analysis, analysis.root, insert)
    const pins = pinsOf(analysis.root, analysis.flow.constants())
    const routed = routedStatement(input, analysis.tables, pins)
    const pushed = () => planPushedInsert(analysis, insert, table, position)
    const multi = () => orRefusal(() => otherwise(throughScratch, pushed))
    return { kind: 'modify', currentOf: undefined, routed, multi }
  })
}

/** If both are refused, the first one's reason is what the user can mend. */
function otherwise<T, U>(second: () => U, first: () => T): T | U {
  try {
    return first()
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    try {
      return second()
    } catch (other) {
      throw other instanceof Refusal ? error : other
    }
  }
}
