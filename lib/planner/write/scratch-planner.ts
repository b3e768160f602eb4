import type { ClusterTable } from '../../catalog/catalog.ts'
import { analyse } from '../analysis.ts'
import { checkRowVolatility, replaceTime } from '../expressions.ts'
import type { WorkerQuery } from '../plan.ts'
import type { PlanInput } from '../plan-input.ts'
import { planPulled } from '../pull/pull-planner.ts'
import { relationRange } from '../qualifiers.ts'
import { refuse } from '../refusals.ts'
import { workerFromTree } from '../shard-text.ts'
import { type StatementTables, tableReferences } from '../table-references.ts'
import { builtinName, type InsertStmt, type Tree, walkTree } from '../tree.ts'
import { runsCode } from '../user-code.ts'
import { type InsertThroughScratchPlan, UPSERT_ROWS, type Upsert } from './write-plans.ts'

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
  const upsert =
    insert.onConflictClause === undefined ? undefined : planUpsert(input, insert, table)
  if (upsert === undefined) checkReturning(returningOf(insert), table)
  checkSequences(input.statement)
  const { relation } = insert
  const evaluated = upsert === undefined ? insert : withoutConflict(insert)
  const own = { ...input, statement: { InsertStmt: evaluated } }
  const ownTables = upsert === undefined ? tables : tableReferences(own, own.statement)
  const readsDistributed = ownTables.references.some(
    ({ node, table: read }) => read?.kind === 'distributed' && node !== relation,
  )
  const targets = new Set(relation === undefined ? [] : [relation])
  return {
    kind: 'insert-through-scratch',
    runsCode: runsCode(input, 'InsertStmt', tables, false),
    table,
    target: relationRange(input.text, relation ?? {}),
    targetSuffix: relation?.alias === undefined ? ` AS ${quoteName(table.name)}` : '',
    source: readsDistributed ? planPulled(own, 'InsertStmt', ownTables, targets) : undefined,
    upsert,
    repartition: undefined,
  }
}

/** What the coordinator evaluates. */
function withoutConflict(insert: InsertStmt): InsertStmt {
  const { onConflictClause: _c, returningClause: _r, returningList: _l, ...plain } = insert
  return plain
}

function returningOf({ returningClause, returningList }: InsertStmt): readonly Tree[] | undefined {
  return returningClause?.exprs ?? returningList
}

/** They tell of the connection on which the session used the sequence, which may be another one. */
function checkSequences(statement: Tree): void {
  walkTree(statement, (kind, node) => {
    const name = kind === 'FuncCall' ? builtinName(node) : undefined
    if (name === 'currval' || name === 'lastval') refuse('sequence-function', name)
    return undefined
  })
}

/** What becomes of rows that conflict is for the shards to say: nobody else sees them all. */
function planUpsert(input: PlanInput, insert: InsertStmt, table: ClusterTable): Upsert {
  const { withClause: _with, ...whole } = { ...insert, ...givenRows(table) }
  const { returningClause: _clause, returningList: _list, ...silent } = whole
  const { onConflictClause } = insert
  if (onConflictClause === undefined || input.text.includes(UPSERT_ROWS))
    return refuse('expression')
  checkSources([onConflictClause, returningOf(insert)], input)
  return {
    start: onConflictClause.location ?? 0,
    insert: insertOf(input, whole),
    silent: insertOf(input, silent),
  }
}

/** All columns, with the values that they already have. */
function givenRows({ columns }: ClusterTable): InsertStmt {
  const names = columns.filter(({ isGenerated }) => !isGenerated).map(({ name }) => name)
  const selected = names.map((name) => ({
    ResTarget: { val: { ColumnRef: { fields: [{ String: { sval: name } }] } } },
  }))
  return {
    cols: names.map((name) => ({ ResTarget: { name } })),
    selectStmt: {
      SelectStmt: {
        targetList: selected,
        fromClause: [{ RangeVar: { relname: UPSERT_ROWS, inh: true, relpersistence: 'p' } }],
        limitOption: 'LIMIT_OPTION_DEFAULT',
        op: 'SETOP_NONE',
      },
    },
    override: 'OVERRIDING_SYSTEM_VALUE',
  }
}

/** A shard has its own rows and the reference tables'. */
function checkSources(clauses: unknown, input: PlanInput): void {
  const { references } = tableReferences(input, clauses)
  const other = references.find(({ table }) => table?.kind !== 'reference')
  if (other !== undefined) refuse('insert-conflict-source')
}

function insertOf(input: PlanInput, insert: InsertStmt): WorkerQuery {
  const statement: Tree = { InsertStmt: insert }
  const usesTime = checkRowVolatility(statement, input)
  const analysis = analyse({ ...input, statement }, statement)
  return workerFromTree(analysis, usesTime ? replaceTime(statement) : statement)
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
