import type { DistributedTable } from '../../catalog/catalog.ts'
import { isKeptColumn } from '../kept-relations.ts'
import { areComparable, keySource } from '../key-source.ts'
import type { KeySource } from '../plan.ts'
import type { PlanInput } from '../plan-input.ts'
import { type Block, distributionKey } from '../query-model.ts'
import { refuse } from '../refusals.ts'
import { type InsertStmt, type MergeStmt, strings, type Tree } from '../tree.ts'
import type { ValueFlow } from '../value-flow.ts'

type Linking = { readonly input: PlanInput; readonly flow: ValueFlow }

/** Where in the rows the distribution column's value stands; undefined: it is left out. */
export function keyPosition(insert: InsertStmt, table: DistributedTable): number | undefined {
  const names =
    insert.cols === undefined ? table.columns.map(({ name }) => name) : columnNames(insert.cols)
  const position = names.indexOf(table.distributionColumn.name)
  const width = insert.selectStmt?.SelectStmt?.valuesLists?.[0]?.List?.items?.length
  return position < 0 || (width !== undefined && position >= width) ? undefined : position
}

/** What an INSERT puts into its target's distribution column tells where its rows live. */
export function linkInsert({ input, flow }: Linking, block: Block, insert: InsertStmt): void {
  const target = block.relations[0]
  const table = target?.table
  if (target === undefined || table?.kind !== 'distributed') return
  checkUpsert(insert.onConflictClause?.targetList, table)
  const position = keyPosition(insert, table)
  const targetKey = distributionKey(target, table)
  const source = block.children.find(({ place }) => place === 'from')?.block
  if (position === undefined || targetKey === undefined) return
  const rows = insert.selectStmt?.SelectStmt?.valuesLists
  if (rows !== undefined) {
    const items = rows.map(({ List }) => List?.items?.[position])
    linkValues({ input, flow }, targetKey, items, table)
  } else if (source?.kind === 'select') {
    linkValue({ input, flow }, targetKey, source, source.outputs?.[position]?.expression, table)
  }
}

function linkValues(
  { input, flow }: Linking,
  targetKey: string,
  items: readonly (Tree | undefined)[],
  { distributionColumn }: DistributedTable,
): void {
  const values = items.map((item) => keySource(input, item, distributionColumn))
  if (!values.every((value) => value !== undefined)) return
  const unique = new Map(values.map((value) => [JSON.stringify(value), value]))
  flow.addConstants(targetKey, [...unique.values()])
}

/** `expression` of `scope` goes into the distribution column. */
function linkValue(
  { input, flow }: Linking,
  targetKey: string,
  scope: Block,
  expression: Tree | undefined,
  { distributionColumn }: DistributedTable,
): void {
  if (expression === undefined) return
  const value = keySource(input, expression, distributionColumn)
  const key = flow.keyOf(scope, expression)
  if (value !== undefined) flow.addConstants(targetKey, [value])
  const isSame = areComparable(flow.columnType(key), distributionColumn)
  // an outer join's null would have no shard
  if (key !== undefined && isSame && isKeptColumn(scope, expression)) {
    flow.addEdge(key, targetKey)
  }
}

/** What MERGE inserts must be known to live in the target's shard: the values of the distribution column of each INSERT. */
export function mergeInsertKeys(
  { input, flow }: Linking,
  block: Block,
  merge: MergeStmt,
  table: DistributedTable,
): readonly (readonly KeySource[] | undefined)[] {
  const constants = flow.constants()
  return mergeInsertedKeys(merge, table).map((value) => {
    if (value === undefined) return undefined
    const constant = keySource(input, value, table.distributionColumn)
    if (constant !== undefined) return [constant]
    const key = flow.keyOf(block, value)
    const isSame = areComparable(flow.columnType(key), table.distributionColumn)
    const isKept = key !== undefined && isSame && isKeptColumn(block, value)
    return isKept ? constants.get(key) : undefined
  })
}

/** What each INSERT of a MERGE puts into the distribution column; undefined: it leaves it out. */
export function mergeInsertedKeys(
  merge: MergeStmt,
  table: DistributedTable,
): readonly (Tree | undefined)[] {
  return insertsOf(merge).map(({ targetList, values }) => {
    const names =
      targetList === undefined ? table.columns.map(({ name }) => name) : columnNames(targetList)
    return values?.[names.indexOf(table.distributionColumn.name)]
  })
}

function insertsOf({ mergeWhenClauses = [] }: MergeStmt) {
  return mergeWhenClauses.flatMap(({ MergeWhenClause }) =>
    MergeWhenClause?.commandType === 'CMD_INSERT' ? [MergeWhenClause] : [],
  )
}

/** No action of MERGE may change the distribution column, or reach rows of other shards. */
export function checkMergeActions(
  { mergeWhenClauses = [] }: MergeStmt,
  table: DistributedTable,
): void {
  for (const { MergeWhenClause } of mergeWhenClauses) {
    if (MergeWhenClause?.matchKind === 'MERGE_WHEN_NOT_MATCHED_BY_SOURCE') refuse('merge')
    if (MergeWhenClause?.commandType === 'CMD_UPDATE') {
      checkAssignments(MergeWhenClause.targetList, table)
    }
  }
}

/**
 * Rows conflict in an index that holds the distribution column, so SET key = excluded.key changes nothing: ORMs
 * write it with all the other columns.
 */
export function checkUpsert(targets: readonly Tree[] | undefined, table: DistributedTable): void {
  const changing = targets?.filter(({ ResTarget }) => {
    const fields = strings(ResTarget?.val?.ColumnRef?.fields)
    return !(fields.length === 2 && fields[0] === 'excluded' && fields[1] === ResTarget?.name)
  })
  checkAssignments(changing, table)
}

/** No SET may name the distribution column, be it by `(a, b) = …`. */
export function checkAssignments(
  targets: readonly Tree[] | undefined,
  table: DistributedTable,
): void {
  for (const { ResTarget } of targets ?? []) {
    if (ResTarget?.name === table.distributionColumn.name) {
      refuse('update-distribution-column', undefined, ResTarget.location)
    }
  }
}

function columnNames(targets: readonly Tree[] | undefined): readonly string[] {
  return (targets ?? []).map(({ ResTarget }) => ResTarget?.name ?? '')
}
