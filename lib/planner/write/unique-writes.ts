import type { ClusterTable, GlobalIndex } from '../../catalog/catalog.ts'
import type { DdlPlan, Plan } from '../plan.ts'
import type { PlanInput } from '../plan-input.ts'
import { Refusal, refuse } from '../refusals.ts'
import { resolveRangeVar, tableReferences } from '../table-references.ts'
import { type InsertStmt, isRecord, walkTree } from '../tree.ts'
import { planMirrored } from './mirror-planner.ts'

/** A write that may change what is in global unique indexes, which it must keep in the same transaction. */
export type UniqueWritePlan = {
  readonly kind: 'unique-write'
  readonly plan: Plan
  readonly indexes: readonly GlobalIndex[]
}

const WRITES: ReadonlySet<Plan['kind']> = new Set([
  'select',
  'modify',
  'insert-rows',
  'insert-through-scratch',
  'mirrored',
  'reference-write',
  'copy',
  'copy-query',
  'pulled',
  'materialize',
  'explain',
])

/** The plan itself where it writes no table of the kind. */
export function keepUnique(input: PlanInput, plan: Plan): Plan {
  const { globalIndexes } = input.catalog
  if (globalIndexes === undefined) return plan
  if (plan.kind === 'ddl' && plan.command === 'TRUNCATE TABLE') {
    const emptied = globalIndexes.filter((index) => isEmptied(input, plan, index))
    return emptied.length === 0 ? plan : { kind: 'unique-write', plan, indexes: emptied }
  }
  if (!WRITES.has(plan.kind) || (plan.kind === 'copy' && plan.direction === 'to')) return plan
  const { references } = tableReferences(input, input.statement)
  const targets = references.flatMap(({ role, table }) =>
    role === 'target' && table !== undefined ? [table] : [],
  )
  const [only] = targets
  const updated =
    targets.length === 1 && only !== undefined ? assigned(input, plan, only) : undefined
  const indexes = globalIndexes.filter(
    (index) =>
      targets.some(({ oid }) => index.writtenThrough.includes(oid)) &&
      !(updated !== undefined && only?.oid === index.tableOid && leaves(index, updated)),
  )
  if (indexes.length === 0) return plan
  if (plan.kind === 'explain') {
    checkConflicts(input, indexes)
    return plan.analyzes ? { kind: 'unique-write', plan, indexes } : plan
  }
  return { kind: 'unique-write', plan: orMet(input, plan, indexes), indexes }
}

/** Rows of other shards are met over a mirror only. */
function orMet(input: PlanInput, plan: Plan, indexes: readonly GlobalIndex[]): Plan {
  const isPlain = plan.kind !== 'copy-query'
  try {
    checkConflicts(input, indexes)
    return plan
  } catch (error) {
    const [kind] = Object.keys(input.statement)
    if (!(error instanceof Refusal) || kind === undefined || !isPlain) throw error
    return planMirrored(input, kind, tableReferences(input, input.statement))
  }
}

/** What a plain UPDATE assigns; undefined: it is none, or moves rows. */
function assigned({ statement }: PlanInput, plan: Plan, table: ClusterTable) {
  const targets = statement.UpdateStmt?.targetList
  if (plan.kind !== 'modify' || targets === undefined || table.kind !== 'distributed') return
  const names = targets.map(({ ResTarget }) => ResTarget?.name)
  return names.includes(undefined) || names.includes(table.distributionColumn.name)
    ? undefined
    : names
}

/** Should that be wrong, the shard's triggers stop the commit. */
function leaves({ columns }: GlobalIndex, names: readonly (string | undefined)[]): boolean {
  return columns?.every((column) => !names.includes(column)) === true
}

function isEmptied({ statement }: PlanInput, { tables }: DdlPlan, { tableOid }: GlobalIndex) {
  const truncate = statement['TruncateStmt']
  const cascades = isRecord(truncate) && truncate['behavior'] === 'DROP_CASCADE'
  return cascades || tables.some(({ oid }) => oid === tableOid)
}

/** What is in other shards can't be an arbiter. */
function checkConflicts(input: PlanInput, indexes: readonly GlobalIndex[]): void {
  walkTree(input.statement, (kind, node) => {
    if (kind !== 'InsertStmt' || !isRecord(node)) return undefined
    const insert: InsertStmt = node
    const table =
      insert.relation === undefined ? undefined : resolveRangeVar(input, insert.relation)
    const own = indexes.filter(({ tableOid }) => tableOid === table?.oid)
    if (table === undefined || insert.onConflictClause === undefined || own.length === 0) {
      return undefined
    }
    if (!isLocalConflict(insert, table, own)) refuse('global-unique-conflict', own[0]?.name)
    return undefined
  })
}

function nameOf(element: unknown): unknown {
  return isRecord(element) ? element['name'] : undefined
}

/** ON CONFLICT names an index that holds the distribution column. */
function isLocalConflict(
  { onConflictClause }: InsertStmt,
  table: ClusterTable,
  own: readonly GlobalIndex[],
): boolean {
  const infer = onConflictClause?.infer
  if (infer === undefined || table.kind !== 'distributed') return false
  if (infer.conname !== undefined) return own.every(({ name }) => name !== infer.conname)
  const { name } = table.distributionColumn
  return infer.indexElems?.some(({ IndexElem }) => nameOf(IndexElem) === name) === true
}
