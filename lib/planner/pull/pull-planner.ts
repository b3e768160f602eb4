import type { ClusterTable, DistributedTable } from '../../catalog/catalog.ts'
import { type Analysis, read } from '../analysis.ts'
import { METADATA_FUNCTIONS } from '../cluster-objects.ts'
import { planLocal } from '../local-planner.ts'
import type { Pin, PulledPlace, PulledPlan, PulledRows } from '../plan.ts'
import type { PlanInput } from '../plan-input.ts'
import { relationRange, skipBlanks } from '../qualifiers.ts'
import { allRelations, distributionKey, type Relation } from '../query-model.ts'
import { Refusal, refuse } from '../refusals.ts'
import { workerFromTree } from '../shard-text.ts'
import type { StatementTables, TableReference } from '../table-references.ts'
import { builtinName, type RangeTableSample, type RangeVar, type Tree, walkTree } from '../tree.ts'
import { usedColumns } from '../used-columns.ts'
import { hasCollations } from './draft-text.ts'
import { mayDependOnKey } from './key-dependence.ts'
import { amongKeys, type KeyReductions, keyLinks, type LinkedKeys } from './key-reductions.ts'
import { rowFilters } from './pull-filters.ts'
import { pulledLocks } from './pull-locks.ts'
import { pullParts } from './pull-parts.ts'
import { pulledAlias, pullRewrites, quotedName } from './pull-rewrites.ts'
import { repeatedSamples } from './pull-samples.ts'
import { semiJoins } from './pull-semi-joins.ts'
import { repeatedTables } from './repeated-tables.ts'

export type Reading = Pick<Analysis, 'flow' | 'builder' | 'root'> | undefined

/** One mention of a distributed table that the statement reads. */
export type Occurrence = TableReference & { readonly table: DistributedTable }

/**
 * The plan that needs no proof of what may run where: the coordinator runs the statement over copies of the rows it reads. Right
 * for whatever leaves the distributed tables alone, but for `targets`, whose places the caller fills.
 */
export function planPulled(
  input: PlanInput,
  kind: string,
  tables: StatementTables,
  targets: ReadonlySet<RangeVar> = new Set(),
): PulledPlan {
  const local = planLocal(input, kind, tables)
  if (local.readsSequences !== 'none') refuse('sequence-function', 'currval')
  const reading = readOrNothing(input, tables)
  checkPulled(input)
  const locks = pulledLocks(input, tables, reading)
  const samples = repeatedSamples(input, tables)
  const parts = reading === undefined ? [] : statementParts(input, reading)
  const isLeft = ({ start }: { readonly start: number }) =>
    !parts.some((part) => part.start <= start && start < part.end)
  const occurrences = tables.references.flatMap((reference): readonly Occurrence[] => {
    const { table } = reference
    if (table?.kind !== 'distributed' || targets.has(reference.node)) return []
    if (!isLeft(relationRange(input.text, reference.node))) return []
    return reference.role === 'source' ? [{ ...reference, table }] : refuse('modifying-cte')
  })
  const pulls: PulledRows[] = []
  const uses: Use[] = []
  const places = occurrences.map((occurrence): PulledPlace => {
    const rows = pulledRows(input, reading, tables, occurrence, {
      locks: locks.get(occurrence.node),
      sample: samples.get(occurrence.node)?.sample,
    })
    const key = pullKey(rows)
    const known = pulls.findIndex((other) => pullKey(other) === key)
    const pull = known < 0 ? pulls.push(rows) - 1 : known
    uses.push({ pull, occurrence })
    return {
      ...relationRange(input.text, occurrence.node),
      pull,
      suffix: suffix(input, tables, occurrence),
    }
  })
  const rewrites = pullRewrites(input, tables, reading?.root)
  const taken = [...samples.values()].map(({ clause }) => ({ ...clause, text: '' }))
  const replacements = [...local.replacements, ...rewrites, ...taken].filter(isLeft)
  return {
    kind: 'pulled',
    pulls,
    parts,
    places: places.sort((a, b) => a.start - b.start),
    ...(reading === undefined || pulls.length < 2 || targets.size + locks.size + samples.size > 0
      ? {}
      : { reductions: () => keyReductions(input, reading, tables, pulls, uses) }),
    local: { ...local, replacements: replacements.sort((a, b) => a.start - b.start) },
  }
}

type Use = { readonly pull: number; readonly occurrence: Occurrence }

function keyReductions(
  input: PlanInput,
  reading: NonNullable<Reading>,
  tables: StatementTables,
  pulls: readonly PulledRows[],
  uses: readonly Use[],
): KeyReductions {
  const repeated = repeatedTables(input.statement)
  const places = uses.map(({ pull, occurrence: { node } }) => {
    return { pull, relation: repeated.has(node) ? undefined : relationOf(reading, node) }
  })
  return {
    links: keyLinks(reading, pulls, places, hasCollations(input, tables)),
    reduced: (pull, keys) => {
      const use = uses.find((one) => one.pull === pull)
      if (use === undefined) throw new Error('nobody reads these rows')
      return pulledRows(input, reading, tables, use.occurrence, { keys })
    },
  }
}

export function statementParts(input: PlanInput, reading: NonNullable<Reading>) {
  return pullParts(input, { root: reading.root, pinOf: partPinOf(reading) })
}

export function partPinOf(reading: NonNullable<Reading>) {
  return (relation: Relation): Pin | undefined => {
    const { table } = relation
    return table?.kind === 'distributed' ? pinOf(reading, relation, table) : undefined
  }
}

/** If both are refused, why the statement can't be pulled is what the user can't help otherwise. */
export function orPulled<T>(
  input: PlanInput,
  tables: StatementTables,
  plan: () => T,
): T | PulledPlan {
  try {
    return plan()
  } catch (error) {
    const changesRows = tables.references.some(({ role }) => role === 'target')
    if (!(error instanceof Refusal) || changesRows || isAboutLocks(error)) throw error
    return planPulled(input, 'SelectStmt', tables)
  }
}

/** Rows of copies can't be locked. */
export function isAboutLocks({ id }: Refusal): boolean {
  return id.includes('locks-') || id === 'reference-locks'
}

/** undefined: too odd to be read; then whole tables are pulled. */
export function readOrNothing(input: PlanInput, tables: StatementTables): Reading {
  return orNothing(() => read(input, input.statement, tables))
}

/** What would not be the user's own table's, even with all rows at hand. */
function checkPulled(input: PlanInput): void {
  walkTree(input.statement, (kind, node) => {
    if (kind === 'CurrentOfExpr') refuse('current-of')
    if (kind === 'FuncCall') checkFunction(node)
    return undefined
  })
}

function checkFunction(node: Readonly<Record<string, unknown>>): void {
  const name = builtinName(node) ?? ''
  if (METADATA_FUNCTIONS.has(name)) refuse('metadata-with-distributed', name)
  // the shells are empty
  if (/_size$/.test(name)) refuse('node-dependent-function', name)
}

/** How the rows are read, where it isn't plainly. */
type PulledForm = {
  readonly locks?: readonly Tree[] | undefined
  readonly sample?: RangeTableSample | undefined
  /** In some of its columns only these values matter. */
  readonly keys?: readonly LinkedKeys[]
}

export function pulledRows(
  input: PlanInput,
  wholeReading: Reading,
  { references }: StatementTables,
  occurrence: Occurrence,
  { locks = [], sample, keys = [] }: PulledForm = {},
): PulledRows {
  const { node, table } = occurrence
  const reading = repeatedTables(input.statement).has(node) ? undefined : wholeReading
  const relation = reading === undefined ? undefined : relationOf(reading, node)
  const used = usedColumns(input.statement, occurrence)
  const isPlain = node.alias?.colnames === undefined
  const linked = keys.map((one) => amongKeys(columnOf(node, isPlain, one.link.target), one))
  const isReadable = isPlain && reading !== undefined && relation !== undefined
  const filters = isReadable ? rowFilters(reading, relation) : []
  const joins = isReadable ? semiJoins(reading, relation, table) : []
  const columns = table.columns.filter(({ name }) => used === 'all' || used.has(name))
  const asked = columns.length > 0 ? columns : [table.distributionColumn]
  const { alias: _alias, ...bare } = node
  const source: RangeVar = isPlain ? node : bare
  const statement = (wanted: readonly Tree[]): Tree => ({
    SelectStmt: {
      targetList: asked.map(({ name }) => ({ ResTarget: { val: columnOf(node, isPlain, name) } })),
      fromClause: [
        sample === undefined
          ? { RangeVar: source }
          : { RangeTableSample: { ...sample, relation: { RangeVar: source } } },
      ],
      ...(wanted.length === 0 ? {} : { whereClause: all(wanted) }),
      ...(locks.length === 0 ? {} : { lockingClause: locks }),
      limitOption: 'LIMIT_OPTION_DEFAULT',
      op: 'SETOP_NONE',
    },
  })
  const tables = {
    references: [...references, { ...occurrence, node: source }],
    distributed: [],
    reference: [],
    hasLocal: false,
  }
  const rows = (others: readonly Tree[]): PulledRows => ({
    table,
    pins: [pinOf(reading, relation, table)],
    columns: asked.map(({ name }) => name),
    needsPrimaryKey: mayDependOnKey(input.statement, table),
    ...(locks.length === 0 ? {} : { locksRows: true }),
    isFiltered: filters.length + others.length + linked.length > 0,
    ...(orNothing(() =>
      workerFromTree({ input, tables }, statement([...filters, ...others, ...linked])),
    ) ?? workerFromTree({ input, tables }, statement(linked))),
  })
  // which rows are locked, or are those of a sample, isn't left to estimates
  const isOpen = joins.length > 0 && locks.length === 0 && sample === undefined
  return isOpen ? { ...rows(joins), unjoined: () => rows([]) } : rows(joins)
}

/** What can't be printed is no more than a filter. */
function orNothing<T>(make: () => T): T | undefined {
  try {
    return make()
  } catch (error) {
    if (error instanceof Refusal) return undefined
    throw error
  }
}

export function relationFilters(
  reading: Reading,
  relation: Relation | undefined,
  table: DistributedTable,
): readonly Tree[] {
  if (reading === undefined || relation === undefined) return []
  return [...rowFilters(reading, relation), ...semiJoins(reading, relation, table)]
}

function columnOf({ alias, relname }: RangeVar, isPlain: boolean, name: string): Tree {
  const qualifier = (isPlain ? alias?.aliasname : undefined) ?? relname ?? ''
  return { ColumnRef: { fields: [{ String: { sval: qualifier } }, { String: { sval: name } }] } }
}

export function all(conditions: readonly Tree[]): Tree {
  const [only] = conditions
  if (conditions.length === 1 && only !== undefined) return only
  return { BoolExpr: { boolop: 'AND_EXPR', args: conditions } }
}

export function relationOf({ root }: NonNullable<Reading>, node: RangeVar): Relation | undefined {
  return allRelations(root).find((relation) => relation.node.RangeVar === node)
}

/** Only rows with these keys matter. Nothing is known where a CTE's rows are read in several places. */
export function pinOf(
  reading: Reading,
  relation: Relation | undefined,
  table: DistributedTable,
): Pin {
  const isSharedCte = [...(reading?.builder.cteUses.entries() ?? [])].some(
    ([block, uses]) => uses > 1 && relation !== undefined && allRelations(block).includes(relation),
  )
  const key = relation === undefined ? undefined : distributionKey(relation, table)
  if (key === undefined || isSharedCte) return { table, values: undefined }
  return { table, values: reading?.flow.constants().get(key) }
}

/** Two mentions that need the same rows share them. */
export function pullKey({
  table,
  pins,
  worker,
  columns,
}: Pick<PulledRows, 'table' | 'pins' | 'worker' | 'columns'>): string {
  const text = worker.pieces.map((piece) => piece.toString('latin1'))
  return JSON.stringify([table.oid, pins.map(({ values }) => values), text, columns])
}

/** The temporary table takes the name of the table it stands for, unless the statement gives another. */
export function suffix(
  { text }: PlanInput,
  tables: StatementTables,
  { node, table }: Pick<TableReference, 'node'> & { readonly table: ClusterTable },
): string {
  const { start, end } = relationRange(text, node)
  if (text[skipBlanks(text, end)] === 0x2a) refuse('expression', 'table *')
  // TABLE name takes no alias, and nothing can be named by it but in ORDER BY
  if (/\btable\s+(only\s+)?$/i.test(text.toString('latin1', Math.max(0, start - 64), start)))
    return ''
  return node.alias === undefined ? ` AS ${quotedName(pulledAlias(tables, table))}` : ''
}
