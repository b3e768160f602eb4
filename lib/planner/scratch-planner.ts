import type { ClusterTable } from '../catalog/catalog.ts'
import type { InsertThroughScratchPlan } from './plan.ts'
import type { PlanInput } from './plan-input.ts'
import { planPulled } from './pull-planner.ts'
import { relationRange } from './qualifiers.ts'
import { refuse } from './refusals.ts'
import type { StatementTables } from './table-references.ts'
import { type InsertStmt, type Tree, walkTree } from './tree.ts'
import { runsCode } from './user-code.ts'

/**
 * An INSERT that the coordinator evaluates once, into a scratch table: its keys are known only to Postgres, or its
 * values (defaults, volatile functions) must be the same in every copy of a reference table.
 */
export function planThroughScratch(
  input: PlanInput,
  insert: InsertStmt,
  table: ClusterTable,
  tables: StatementTables,
): InsertThroughScratchPlan {
  if (insert.onConflictClause !== undefined) refuse('insert-scratch-clauses')
  checkReturning(insert.returningClause ?? insert.returningList, table)
  const { relation } = insert
  const readsDistributed = tables.references.some(
    ({ node, table: read }) => read?.kind === 'distributed' && node !== relation,
  )
  return {
    kind: 'insert-through-scratch',
    runsCode: runsCode(input, 'InsertStmt', tables, false),
    table,
    target: relationRange(input.text, relation ?? {}),
    targetSuffix: relation?.alias === undefined ? ` AS ${quoteName(table.name)}` : '',
    source: readsDistributed ? planPulled(input, 'InsertStmt', tables, relation) : undefined,
  }
}

/** The scratch table's row is the shard's row, so RETURNING may name its columns; all else of it is its own. */
function checkReturning(returning: unknown, { columns }: ClusterTable): void {
  walkTree(returning, (kind, node) => {
    if (kind === 'SubLink') refuse('insert-scratch-clauses')
    if (kind !== 'ColumnRef') return undefined
    const last = (node['fields'] as readonly Tree[] | undefined)?.at(-1)
    const name = last?.String?.sval
    const isKnown = last?.['A_Star'] !== undefined || columns.some((column) => column.name === name)
    if (!isKnown) refuse('insert-scratch-clauses')
    return undefined
  })
}

function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
