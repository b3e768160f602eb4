import type { Column, DistributedTable, Shard } from '../../catalog/catalog.ts'
import { splitHashSpace } from '../../catalog/shard-map.ts'
import { TypeOid } from '../../catalog/type-oid.ts'
import type { PulledRows } from '../plan.ts'
import { type ColumnKey, columnKey, type Relation } from '../query-model.ts'
import { type Tree, walkTree } from '../tree.ts'
import { broadcastName } from './broadcast-plans.ts'

/** As citus.repartition_join_bucket_count_per_node says unless it is changed. */
const BUCKETS_PER_NODE = 4

const STRINGS: ReadonlySet<number> = new Set([TypeOid.text, TypeOid.varchar, TypeOid.bpchar])
/** Of which every value has a hash that the proxy can compute, and equal values have the same. */
const SPLITTABLE: ReadonlySet<number> = new Set([
  ...STRINGS,
  TypeOid.int2,
  TypeOid.int4,
  TypeOid.int8,
  TypeOid.uuid,
  TypeOid.date,
  TypeOid.timestamp,
  TypeOid.timestamptz,
])

/** Shards that rows may be sent to by the values of a column. */
export type SplitGroup = {
  /** Columns that an equality ties to the group's key. */
  readonly linked: ReadonlySet<ColumnKey>
  readonly colocationId: number
  readonly shards: readonly Shard[]
}

/** What of the statement as a whole decides about columns. */
export type SplitRules = {
  /** Some column or expression has a collation of its own: equal texts may have different bytes. */
  readonly hasCollations: boolean
  /** Some rows are compared with all of others (IN, ALL): a NULL among these, in one shard, would have to be seen in all. */
  readonly comparesSets: boolean
}

/** The column by whose values the rows can be sent to the group's shards. */
export function splitColumn(
  { hasCollations, comparesSets }: SplitRules,
  relation: Relation,
  { table, columns }: PulledRows,
  { linked }: Pick<SplitGroup, 'linked'>,
): Column | undefined {
  return table.columns.find((column, index) => {
    const { name, typeOid, collation, isNotNull } = column
    const seen = relation.columns?.[index]
    if (seen === undefined || !linked.has(columnKey(relation, seen))) return false
    if (!columns.includes(name) || !SPLITTABLE.has(typeOid) || collation !== undefined) return false
    if (hasCollations && STRINGS.has(typeOid)) return false
    return isNotNull || !comparesSets
  })
}

/** `index`: of the pull. Rows of a declared length are stored already: its limit says nothing more. */
export function splitTable(
  { table, needsPrimaryKey }: PulledRows,
  column: Column,
  { colocationId, shards }: SplitGroup,
  index: number,
): DistributedTable {
  const name = broadcastName(index)
  return {
    kind: 'distributed',
    oid: -1 - index,
    schema: 'pg_temp',
    name,
    columns: table.columns,
    colocationId,
    primaryKey: needsPrimaryKey ? table.primaryKey : [],
    hasTriggers: false,
    distributionColumn: { ...column, typeModifier: -1 },
    shards: shards.map((shard) => ({ ...shard, schema: `${name}_s${shard.index}` })),
  }
}

/** Shards of no table, for rows of which none is where it is needed. */
export function bucketGroup(
  linked: ReadonlySet<ColumnKey>,
  tables: readonly DistributedTable[],
): SplitGroup {
  const nodeIds = [...new Set(tables.flatMap(({ shards }) => shards.map(({ nodeId }) => nodeId)))]
  const nodes = nodeIds.sort((a, b) => a - b)
  const shards = splitHashSpace(nodes.length * BUCKETS_PER_NODE).map((range, index): Shard => {
    return {
      ...range,
      shardId: -1 - index,
      index,
      nodeId: nodes[index % nodes.length] ?? 0,
      schema: '',
    }
  })
  return { linked, colocationId: -1, shards }
}

/** IN, ANY or ALL of a subquery. */
export function comparesSets(statement: Tree): boolean {
  let found = false
  walkTree(statement, (kind, node) => {
    const isTest = node['subLinkType'] === 'ANY_SUBLINK' || node['subLinkType'] === 'ALL_SUBLINK'
    if (kind === 'SubLink' && isTest) found = true
    return !found
  })
  return found
}
