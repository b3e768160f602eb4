import type { ClusterTable, DistributedTable } from '../../catalog/catalog.ts'
import type { Pin, WorkerQuery } from '../plan.ts'
import type { PlanInput } from '../plan-input.ts'
import {
  all,
  pinOf,
  planPulled,
  type Reading,
  readOrNothing,
  relationFilters,
  relationOf,
  suffix,
} from '../pull/pull-planner.ts'
import { relationRange } from '../qualifiers.ts'
import { Refusal, refuse } from '../refusals.ts'
import { workerFromTree } from '../shard-text.ts'
import { lastName, SYSTEM_COLUMNS } from '../statement-checks.ts'
import type { StatementTables } from '../table-references.ts'
import {
  type InsertStmt,
  isRecord,
  type MergeStmt,
  type RangeVar,
  type Tree,
  type UpdateStmt,
  walkTree,
} from '../tree.ts'
import { callsShadowed } from '../user-code.ts'
import { conflictConstraint } from './conflict-constraint.ts'
import type { Conflicts, MirroredPlace, MirroredPlan, MirroredTable } from './write-plans.ts'

/** Their values in binary hold OIDs, or may be of types that look otherwise on other nodes. */
const FIRST_USER_OID = 16_384

/** One mention of a cluster table that the statement changes, and what it does to it. */
type Change = {
  readonly node: RangeVar
  readonly table: ClusterTable
  readonly kind: 'insert' | 'update' | 'delete' | 'merge'
  readonly updated: readonly string[]
  readonly deletes: boolean
  /** Of an INSERT. */
  readonly conflict: InsertStmt['onConflictClause']
}

/**
 * The plan for writes that are proven right nowhere else: to several shards by rows of other shards or of local tables, of the
 * distribution column, to several tables at once, or with values that must not be made twice.
 */
export function planMirrored(
  input: PlanInput,
  kind: string,
  tables: StatementTables,
): MirroredPlan {
  checkReferences(input.statement, tables)
  const changes = changesOf(input.statement, tables)
  const reading = readOrNothing(input, tables)
  const source = planPulled(input, kind, tables, new Set(changes.map(({ node }) => node)))
  const clusterTables = [...new Map(changes.map(({ table }) => [table.oid, table])).values()]
  const places = changes.map((change): MirroredPlace => {
    const target = clusterTables.findIndex(({ oid }) => oid === change.table.oid)
    return {
      ...relationRange(input.text, change.node),
      target,
      suffix: suffix(input, tables, change),
    }
  })
  return {
    kind: 'mirrored',
    targets: clusterTables.map((table) => {
      const own = changes.filter((change) => change.table.oid === table.oid)
      return mirroredTable({ input, tables, reading }, table, own)
    }),
    places: places.sort((a, b) => a.start - b.start),
    constraints: changes.flatMap(({ conflict, table }) => {
      const target = clusterTables.findIndex(({ oid }) => oid === table.oid)
      return conflictConstraint(input.text, conflict, target)
    }),
    source,
    makesRowsFirst: makesRowsFirst(input.statement),
    insertsFirst: changes.every((change) => change.kind === 'update'),
  }
}

function makesRowsFirst({ InsertStmt: insert }: Tree): boolean {
  if (insert?.onConflictClause === undefined || insert.withClause !== undefined) return false
  return insert.returningClause === undefined && insert.returningList === undefined
}

/** If both are refused, why the rows can't be mirrored is what the user can't help otherwise. */
export function orMirrored<T>(
  input: PlanInput,
  kind: string,
  tables: StatementTables,
  plan: () => T,
): T | MirroredPlan {
  try {
    return plan()
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return planMirrored(input, kind, tables)
  }
}

/** Mirrors have rows and OIDs of their own, and a session's sequences may have been used on another connection. */
function checkReferences(statement: Tree, { references }: StatementTables): void {
  walkTree(statement, (kind, node) => {
    const name = kind === 'ColumnRef' ? (lastName(node) ?? '') : ''
    if (SYSTEM_COLUMNS.has(name)) refuse('system-column', name, Number(node['location'] ?? 0))
    return undefined
  })
  for (const { node, role } of references) {
    if (role === 'target' && node.inh !== true) refuse('expression', 'ONLY')
  }
}

function changesOf(statement: Tree, { references }: StatementTables): readonly Change[] {
  const tableOf = new Map(references.map(({ node, table }) => [node, table]))
  const changes: Change[] = []
  const visit = (tree: Tree): void => {
    const { InsertStmt, UpdateStmt, DeleteStmt, MergeStmt } = tree
    const node = (InsertStmt ?? UpdateStmt ?? DeleteStmt ?? MergeStmt)?.relation
    const table = node === undefined ? undefined : tableOf.get(node)
    if (node === undefined || table === undefined) return
    changes.push({ node, table, ...effects(tree) })
  }
  visit(statement)
  walkTree(statement, (kind, node) => {
    if (kind !== 'CommonTableExpr') return undefined
    const query = node['ctequery']
    if (isRecord(query)) visit(query as Tree)
    return undefined
  })
  return changes
}

function effects({ InsertStmt, UpdateStmt, MergeStmt }: Tree): Omit<Change, 'node' | 'table'> {
  if (InsertStmt !== undefined) return insertEffects(InsertStmt)
  if (UpdateStmt !== undefined) {
    const updated = assigned(UpdateStmt.targetList)
    return { kind: 'update', updated, deletes: false, conflict: undefined }
  }
  if (MergeStmt !== undefined) return mergeEffects(MergeStmt)
  return { kind: 'delete', updated: [], deletes: true, conflict: undefined }
}

function insertEffects({ onConflictClause: conflict }: InsertStmt): Omit<Change, 'node' | 'table'> {
  return { kind: 'insert', updated: assigned(conflict?.targetList), deletes: false, conflict }
}

function mergeEffects({ mergeWhenClauses = [] }: MergeStmt): Omit<Change, 'node' | 'table'> {
  const clauses = mergeWhenClauses.map(({ MergeWhenClause }) => MergeWhenClause ?? {})
  const updates = clauses.filter(({ commandType }) => commandType === 'CMD_UPDATE')
  return {
    kind: 'merge',
    updated: updates.flatMap(({ targetList }) => assigned(targetList)),
    deletes: clauses.some(({ commandType }) => commandType === 'CMD_DELETE'),
    conflict: undefined,
  }
}

function assigned(targets: UpdateStmt['targetList']): readonly string[] {
  return (targets ?? []).map(({ ResTarget }) => ResTarget?.name ?? '')
}

type Context = {
  readonly input: PlanInput
  readonly tables: StatementTables
  readonly reading: Reading
}

function mirroredTable(
  context: Context,
  table: ClusterTable,
  changes: readonly Change[],
): MirroredTable {
  // names of the mirror's own
  const own = table.columns.find(({ name }) => name.startsWith('pgloom_'))
  if (own !== undefined) refuse('expression', `column "${own.name}"`)
  const names = new Set(changes.flatMap(({ updated }) => updated))
  // generated columns follow from the others
  const updated = table.columns.filter(({ name, isGenerated }) => names.has(name) && !isGenerated)
  const deletes = changes.some((change) => change.deletes)
  const conflicts = conflictsOf(changes)
  const readers =
    conflicts === undefined ? changes.filter(({ kind }) => kind !== 'insert') : changes
  const isRead = readers.length > 0
  const isKeyless = table.kind === 'reference' && table.primaryKey.length === 0
  if (isKeyless && isRead && table.columns.some(({ typeOid }) => typeOid >= FIRST_USER_OID)) {
    refuse('reference-write-key')
  }
  const isDistributed = table.kind === 'distributed' && isRead
  return {
    table,
    isRead,
    conflicts,
    pins: isDistributed ? [targetPin(context, table, readers)] : [],
    rows: isDistributed ? lockedRows(context, table, readers, deletes) : undefined,
    updated: updated.map(({ name }) => name),
    deletes,
  }
}

function conflictsOf(changes: readonly Change[]): Conflicts | undefined {
  const clauses = changes.flatMap(({ conflict }) => conflict ?? [])
  if (clauses.length === 0) return undefined
  // INSERT writes to a mirror with indexes by a view, of which MERGE knows nothing
  if (changes.some(({ kind }) => kind === 'merge')) refuse('expression', 'MERGE')
  return {
    updates: clauses.some(({ action }) => action === 'ONCONFLICT_UPDATE'),
    needsAll: changes.some(({ kind }) => kind !== 'insert'),
  }
}

/** Two that change one table may mean different rows of it; an INSERT may meet any. */
function onlyReader({ reading }: Context, readers: readonly Change[]) {
  const [reader, ...others] = readers
  if (reader === undefined || others.length > 0 || reading === undefined) return undefined
  if (reader.kind === 'insert') return undefined
  return { reader, relation: relationOf(reading, reader.node) }
}

function targetPin(context: Context, table: DistributedTable, readers: readonly Change[]): Pin {
  const only = onlyReader(context, readers)
  if (only?.relation === undefined || isBySource(context.input.statement)) {
    return { table, values: undefined }
  }
  return pinOf(context.reading, only.relation, table)
}

/** WHEN NOT MATCHED BY SOURCE concerns rows for which the join's condition never held. */
function isBySource(statement: Tree): boolean {
  let found = false
  walkTree(statement, (kind, node) => {
    if (kind === 'MergeWhenClause') found ||= String(node['matchKind']).endsWith('BY_SOURCE')
    return !found
  })
  return found
}

function lockedRows(
  context: Context,
  table: DistributedTable,
  readers: readonly Change[],
  deletes: boolean,
): WorkerQuery {
  const { input, tables, reading } = context
  const only = onlyReader(context, readers)
  const node = readers[0]?.node ?? {}
  const isOwnCode = callsShadowed(input.statement, input.catalog.userCode, input)
  const filters =
    isOwnCode || only === undefined ? [] : relationFilters(reading, only.relation, table)
  const name = node.alias?.aliasname ?? node.relname ?? ''
  const columns = table.columns.filter(({ isGenerated }) => !isGenerated)
  const statement = {
    SelectStmt: {
      targetList: ['ctid', ...columns.map((column) => column.name)].map((column) => ({
        ResTarget: {
          val: { ColumnRef: { fields: [name, column].map((sval) => ({ String: { sval } })) } },
        },
      })),
      fromClause: [{ RangeVar: node }],
      ...(filters.length === 0 ? {} : { whereClause: all(filters) }),
      lockingClause: [
        {
          LockingClause: {
            strength: strength(table, readers, deletes),
            waitPolicy: 'LockWaitBlock',
          },
        },
      ],
      limitOption: 'LIMIT_OPTION_DEFAULT',
      op: 'SETOP_NONE',
    },
  }
  return workerFromTree({ input, tables }, statement)
}

/** As UPDATE locks: only where a key may change are rows that refer to it kept out. */
function strength(table: DistributedTable, readers: readonly Change[], deletes: boolean): string {
  const isMoved = readers.some(({ updated }) => updated.includes(table.distributionColumn.name))
  return deletes || isMoved ? 'LCS_FORUPDATE' : 'LCS_FORNOKEYUPDATE'
}
