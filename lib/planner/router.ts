import { type DistributedTable, tableKey } from '../catalog/catalog.ts'
import { isReadOnly } from './local-planner.ts'
import type { KeySource, Pin, RoutedStatement, Splice, TextRange } from './plan.ts'
import type { PlanInput } from './plan-input.ts'
import { qualifierRange, relationQualifier } from './qualifiers.ts'
import {
  allBlocks,
  allRelations,
  type Block,
  type ColumnKey,
  distributionKey,
} from './query-model.ts'
import type { StatementTables } from './table-references.ts'
import { strings, type Tree, walkTree } from './tree.ts'
import { runsCode } from './user-code.ts'

const DOT = Buffer.from('.')

/** The statement as it is sent to the one shard that all its pins name. */
export function routedStatement(
  input: PlanInput,
  tables: StatementTables,
  pins: readonly Pin[],
): RoutedStatement {
  const readsOnly = isReadOnly(input)
  return {
    pins,
    splices: spliceAll(input, tables),
    isShapeStable: input.literals !== undefined && isOneValue(pins),
    isReadOnly: readsOnly,
    runsCode: runsCode(input, '', tables, readsOnly),
  }
}

/** Whatever the value, it is one and the same: so any text of this shape is routed to one shard. */
function isOneValue(pins: readonly Pin[]): boolean {
  const sources = pins.map(({ values }) => (values?.length === 1 ? JSON.stringify(values[0]) : ''))
  return sources.every((source) => source !== '' && source === sources[0])
}

export function pinsOf(
  root: Block,
  constants: ReadonlyMap<ColumnKey, readonly KeySource[]>,
): readonly Pin[] {
  const inserted = new Set(
    allBlocks(root).flatMap(({ kind, relations }) => (kind === 'insert' ? relations[0] : [])),
  )
  return distributedRelations(root).map(({ relation, table }) => {
    const key = distributionKey(relation, table)
    const values = key === undefined ? undefined : constants.get(key)
    return inserted.has(relation) ? { table, values, rejectsNull: true } : { table, values }
  })
}

export function distributedRelations(root: Block) {
  return allRelations(root).flatMap((relation) => {
    const { table } = relation
    return table?.kind === 'distributed' ? [{ relation, table }] : []
  })
}

type PlacedSplice = TextRange & { readonly table: DistributedTable }

function spliceAll(input: PlanInput, tables: StatementTables): readonly Splice[] {
  return spliceRanges(input, tables).map(({ start, end, table }) => ({
    ...relativeToLiterals(input, start),
    length: end - start,
    table,
    suffix: DOT,
  }))
}

/** Where shard schemas go: before every name of a distributed table, and into `schema.table.column`. */
export function spliceRanges(input: PlanInput, tables: StatementTables): readonly PlacedSplice[] {
  const found: PlacedSplice[] = []
  for (const { node, table } of tables.references) {
    if (table?.kind === 'distributed') found.push({ ...relationQualifier(input.text, node), table })
  }
  walkTree(input.statement, (kind, node) => {
    if (kind !== 'ColumnRef') return undefined
    const fields = (node['fields'] ?? []) as readonly Tree[]
    const table = qualifyingTable(input, fields)
    // the first of the last three names is the schema, before it may stand the database
    if (table === undefined) return undefined
    const start = Number(node['location'] ?? 0)
    found.push({ ...qualifierRange(input.text, start, fields.length - 1), table })
    return undefined
  })
  return found.sort((left, right) => left.start - right.start)
}

export function qualifyingTable(
  input: PlanInput,
  fields: readonly Tree[],
): DistributedTable | undefined {
  if (fields.length < 3) return undefined
  const names = strings(fields)
  const table = input.catalog.tables.get(tableKey(names.at(-3) ?? '', names.at(-2) ?? ''))
  return table?.kind === 'distributed' ? table : undefined
}

function relativeToLiterals(input: PlanInput, position: number) {
  const { literals } = input
  let before = 0
  while (
    literals !== undefined &&
    before < literals.count &&
    (literals.ends[before] ?? 0) <= position
  ) {
    before += 1
  }
  const anchor = before === 0 ? 0 : (literals?.ends[before - 1] ?? 0)
  return { literal: before, delta: position - anchor }
}
