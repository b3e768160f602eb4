import type {
  Catalog,
  ClusterTable,
  ClusterView,
  DistributedTable,
  ReferenceTable,
} from '../catalog/catalog.ts'
import { resolveTable } from '../catalog/catalog-lookup.ts'
import { isRecord, isRepetition, type RangeVar, type Tree, type WithClause } from './tree.ts'

export type NameContext = {
  readonly catalog: Catalog
  readonly searchPath: readonly string[]
  readonly temporaryNames: ReadonlySet<string>
  /** The session's own, over distributed tables. Absent: there are none. */
  readonly temporaryViews?: ReadonlyMap<string, ClusterView> | undefined
}

/** One mention of a relation (not of a CTE) somewhere in a statement. */
export type TableReference = {
  readonly node: RangeVar
  /** undefined: local, temporary, a system relation, or unknown. */
  readonly table: ClusterTable | undefined
  /** `target`: of INSERT, UPDATE, DELETE, MERGE or a utility statement. `created`: SELECT INTO, CREATE TABLE AS. */
  readonly role: 'source' | 'target' | 'created'
}

export type StatementTables = {
  readonly references: readonly TableReference[]
  readonly distributed: readonly DistributedTable[]
  readonly reference: readonly ReferenceTable[]
  readonly hasLocal: boolean
}

export function resolveRangeVar(context: NameContext, node: RangeVar): ClusterTable | undefined {
  const name = node.relname ?? ''
  // only what is being created is said to be temporary
  if (node.relpersistence === 't') return undefined
  if (node.schemaname === undefined) {
    return resolveTable(
      context.catalog,
      context.searchPath,
      undefined,
      name,
      context.temporaryNames,
    )
  }
  if (node.catalogname !== undefined && node.catalogname !== context.catalog.database)
    return undefined
  return resolveTable(context.catalog, context.searchPath, node.schemaname, name)
}

/** All mentions of relations at any depth, CTE names taken out where they are in scope. */
export function tableReferences(context: NameContext, tree: unknown): StatementTables {
  const references: TableReference[] = []
  collect(tree, new Set(), (node, role) =>
    references.push({ node, table: resolveRangeVar(context, node), role }),
  )
  const used = references.filter((reference) => reference.role !== 'created')
  return {
    references,
    distributed: used.flatMap(({ table }) => (table?.kind === 'distributed' ? [table] : [])),
    reference: used.flatMap(({ table }) => (table?.kind === 'reference' ? [table] : [])),
    hasLocal: used.some(({ table }) => table === undefined),
  }
}

type Found = (node: RangeVar, role: TableReference['role']) => void

function collect(value: unknown, cteNames: ReadonlySet<string>, found: Found): void {
  if (Array.isArray(value)) {
    for (const item of value) collect(item, cteNames, found)
    return
  }
  if (!isRecord(value) || isRepetition(value)) return
  const withClause = value['withClause']
  const visible = isRecord(withClause) ? collectWith(withClause, cteNames, found) : cteNames
  for (const [field, child] of Object.entries(value)) {
    if (field === 'withClause' || field === 'lockedRels') continue
    if (isRangeVar(child)) foundRangeVar(field, child, visible, found)
    else collect(child, visible, found)
  }
}

function foundRangeVar(
  field: string,
  node: RangeVar,
  cteNames: ReadonlySet<string>,
  found: Found,
): void {
  if (field === 'rel') found(node, 'created')
  else if (field !== 'RangeVar') found(node, 'target')
  else if (node.schemaname !== undefined || !cteNames.has(node.relname ?? '')) found(node, 'source')
}

/** The names that the statement's body sees. A plain CTE sees those before it, RECURSIVE ones see all. */
function collectWith(
  withClause: WithClause,
  outer: ReadonlySet<string>,
  found: Found,
): ReadonlySet<string> {
  const ctes = (withClause.ctes ?? []).map((cte: Tree) => cte.CommonTableExpr ?? {})
  const visible = new Set(outer)
  if (withClause.recursive === true) for (const cte of ctes) visible.add(cte.ctename ?? '')
  for (const cte of ctes) {
    collect(cte.ctequery, new Set(visible), found)
    visible.add(cte.ctename ?? '')
  }
  return visible
}

export function isRangeVar(value: unknown): value is RangeVar {
  return isRecord(value) && 'relname' in value && 'relpersistence' in value
}
