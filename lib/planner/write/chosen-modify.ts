import { type Analysis, analyse } from '../analysis.ts'
import { canonicalKey, sortKeys } from '../combine-shape.ts'
import { byKey, byPlace, type KeyedTable } from '../locked-keys.ts'
import { namedRow } from '../named-rows.ts'
import { commonTables, namesOthers } from '../pull/pull-parts.ts'
import { type Block, distributionKey, type Relation } from '../query-model.ts'
import { refuse } from '../refusals.ts'
import { all, highestParameter, identityOf, keyConditions } from '../row-identity.ts'
import { type Otherwise, planMultiSelect } from '../scatter-planner.ts'
import { conjuncts, type SelectStmt, type Tree } from '../tree.ts'
import { type ChosenRows, chosenRows, isUncorrelated, leavesOut } from './chosen-rows.ts'
import { planScatterModify } from './modify-planner.ts'
import type { ChosenModify } from './write-plans.ts'

const NO_OTHERWISE: Otherwise = (plan) => plan()

/**
 * UPDATE or DELETE of the rows of its own table that a SELECT chooses by LIMIT or locks: `… WHERE id IN (SELECT id … LIMIT 10 FOR UPDATE
 * SKIP LOCKED)`. They are chosen first, over all shards, and then changed where they are. They are known by their primary key, as
 * they are to the statement itself, or by shard, ctid and xmin: one that others have changed meanwhile has another ctid, and would be
 * left alone by one Postgres, too.
 */
export function planChosenModify(analysis: Analysis): ChosenModify {
  const { input, root } = analysis
  const [target] = root.relations
  const rows = chosenRows(analysis)
  const [source] = rows.block.relations
  if (target === undefined || !isOfOneTable(rows.block, target)) refuse('subquery-not-pushable')
  if (source === undefined || !isUncorrelated(rows.block)) return refuse('subquery-not-pushable')
  if (namesOthers({ SelectStmt: rows.block.select ?? {} }, commonTables(input.statement))) {
    return refuse('subquery-not-pushable')
  }
  const dropped = root.relations.slice(1).filter((relation) => relation.block === rows.block)
  if (!dropped.every((relation) => leavesOut(rows.rest, relation))) refuse('subquery-not-pushable')
  const identify = identification(root, target, source, rows)
  const highest = highestParameter(input.statement)
  const own = identityOf([identify(target)], highest)
  const part = { ...input, part: 'somewhere' } as const
  const chosen: Tree = {
    SelectStmt: choice(rows.block, identityOf([identify(source)], highest).keys),
  }
  const kind = root.kind === 'update' ? 'UpdateStmt' : 'DeleteStmt'
  const conditions = [...conjuncts(rows.rest.whereClause), ...keyConditions(input, own)]
  const changed: Tree = { [kind]: { ...rows.rest, whereClause: all(conditions) } }
  return {
    kind: 'chosen-modify',
    chosen: planMultiSelect(analyse({ ...part, statement: chosen }, chosen), NO_OTHERWISE),
    modify: planScatterModify(analyse({ ...part, statement: changed }, changed)),
    parameterCount: highest,
    keyCount: own.keys.length,
  }
}

function isOfOneTable({ relations }: Block, { table }: Relation): boolean {
  const [only, ...others] = relations
  const isOwn = table?.kind === 'distributed' && only?.table?.oid === table.oid
  return isOwn && others.length === 0 && only.node.RangeVar !== undefined
}

/** How the rows are known, if it is the very thing that is compared. */
function identification(
  root: Block,
  target: Relation,
  source: Relation,
  { pairs, block }: ChosenRows,
): (relation: Relation) => KeyedTable {
  const [first] = pairs
  const isPlace = isNamed(root, target, first?.[0]) && isNamed(block, source, first?.[1])
  if (pairs.length === 1 && isPlace) return byPlace
  const keyed = (relation: Relation): KeyedTable =>
    byKey(relation) ?? refuse('subquery-not-pushable')
  const wanted = keyed(target).keys.map((key, index) => [key, keyed(source).keys[index]])
  const isKey = wanted.every(([own, other]) =>
    pairs.some(([left, right]) => isColumn(root, left, own) && isColumn(block, right, other)),
  )
  return isKey && wanted.length === pairs.length ? keyed : refuse('subquery-not-pushable')
}

function isNamed(block: Block, { table, ...relation }: Relation, tree: Tree | undefined): boolean {
  if (table?.kind !== 'distributed') return false
  const row = namedRow(block, tree)
  return row?.key !== undefined && row.key === distributionKey({ table, ...relation }, table)
}

function isColumn(block: Block, tree: Tree, column: Tree | undefined): boolean {
  return column !== undefined && canonicalKey(block, tree) === canonicalKey(block, column)
}

/** The SELECT, of which nothing but the rows' identity is wanted. */
function choice(block: Block, keys: readonly Tree[]): SelectStmt {
  const { select, outputs } = block
  if (select === undefined || outputs === undefined) return refuse('subquery-not-pushable')
  const sorts = sortKeys(block, select, outputs).map(({ sort, output, expression }) => {
    const node = output === undefined ? expression : outputs[output]?.expression
    return { SortBy: { ...sort, node: node ?? refuse('subquery-not-pushable') } }
  })
  return {
    ...select,
    // names of their own: what ORDER BY names is a column of the table
    targetList: keys.map((val, index) => ({ ResTarget: { name: `pgloom_key_${index + 1}`, val } })),
    ...(sorts.length === 0 ? {} : { sortClause: sorts }),
  }
}
