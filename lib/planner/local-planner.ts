import { classifyFunction } from './builtin-functions.ts'
import {
  METADATA_FUNCTIONS,
  METADATA_RELATIONS,
  SESSION_LOCK_FUNCTIONS,
  SIZED_RELATIONS,
} from './cluster-objects.ts'
import type { LocalPlan, PinReason, Replacement } from './plan.ts'
import type { PlanInput } from './plan-input.ts'
import { qualifierRange } from './qualifiers.ts'
import type { StatementTables } from './table-references.ts'
import { builtinName, type RangeVar, strings, type Tree, walkTree } from './tree.ts'

const QUERY_KINDS: ReadonlySet<string> = new Set([
  'SelectStmt',
  'InsertStmt',
  'UpdateStmt',
  'DeleteStmt',
  'MergeStmt',
])

/** Utility statements that leave the catalogs alone. */
const HARMLESS_UTILITIES: ReadonlySet<string> = new Set([
  'FetchStmt',
  'ClosePortalStmt',
  'DeclareCursorStmt',
  'ListenStmt',
  'UnlistenStmt',
  'NotifyStmt',
  'LockStmt',
  'CheckPointStmt',
  'ConstraintsSetStmt',
  'CopyStmt',
  'ExplainStmt',
  'VacuumStmt',
])

/** CURSOR_OPT_HOLD of nodes/parsenodes.h */
const CURSOR_WITH_HOLD = 0x20

export function planLocal(input: PlanInput, kind: string, tables: StatementTables): LocalPlan {
  const statement = input.statement
  const replaced = [...relationReplacements(input, tables), ...functionReplacements(input)]
  return {
    kind: 'local',
    replacements: replaced.sort((left, right) => left.start - right.start),
    refreshesSizes: tables.references.some(
      ({ node, table }) => table === undefined && SIZED_RELATIONS.has(node.relname ?? ''),
    ),
    changesCatalog: changesCatalog(kind, statement),
    pin: pinReason(kind, statement),
    isReadOnly: kind === 'SelectStmt' && isReadOnly(statement),
    isShapeStable: QUERY_KINDS.has(kind) && replaced.length === 0,
  }
}

function relationReplacements(input: PlanInput, tables: StatementTables): readonly Replacement[] {
  return tables.references.flatMap(({ node, table, role }) => {
    if (table !== undefined || role !== 'source') return []
    const text = relationReplacement(node)
    if (text === undefined) return []
    const parts = node.schemaname === undefined ? 1 : 2
    const qualifier = qualifierRange(input.text, node.location ?? 0, parts)
    return [{ ...qualifier, text: `${text}.` }]
  })
}

/** The schema that stands in for the one the statement names or finds by its search path. */
function relationReplacement(node: RangeVar): string | undefined {
  if (node.catalogname !== undefined) return undefined
  const schema = node.schemaname
  const isMetadata = METADATA_RELATIONS.has(node.relname ?? '')
  return isMetadata && (schema === undefined || schema === 'pg_catalog') ? 'pgloom' : undefined
}

function functionReplacements(input: PlanInput): readonly Replacement[] {
  const found: Replacement[] = []
  walkTree(input.statement, (kind, node) => {
    if (kind !== 'FuncCall') return undefined
    const names = strings(node['funcname'] as readonly Tree[] | undefined)
    const name = builtinName(node)
    if (name === undefined || !METADATA_FUNCTIONS.has(name)) return undefined
    const location = Number(node['location'] ?? 0)
    found.push({ ...qualifierRange(input.text, location, names.length), text: 'pgloom.' })
    return undefined
  })
  return found
}

function changesCatalog(kind: string, statement: Tree): boolean {
  if (kind === 'SelectStmt') return statement.SelectStmt?.intoClause !== undefined
  return !QUERY_KINDS.has(kind) && !HARMLESS_UTILITIES.has(kind)
}

function pinReason(kind: string, statement: Tree): PinReason | undefined {
  if (kind === 'ListenStmt') return 'listen'
  if (kind === 'DeclareCursorStmt') {
    const options = Number((statement['DeclareCursorStmt'] as { options?: number }).options ?? 0)
    if ((options & CURSOR_WITH_HOLD) !== 0) return 'cursor with hold'
  }
  let reason: PinReason | undefined
  walkTree(statement, (nodeKind, node) => {
    if (nodeKind === 'FuncCall' && SESSION_LOCK_FUNCTIONS.has(builtinName(node) ?? '')) {
      reason ??= 'advisory lock'
    }
    if (nodeKind === 'FuncCall' && builtinName(node) === 'set_config') reason ??= 'session setting'
    return undefined
  })
  return createsTemporary(statement) ? 'temporary table' : reason
}

function createsTemporary(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(createsTemporary)
  if (typeof value !== 'object' || value === null) return false
  const { relpersistence, schemaname } = value as RangeVar
  if (relpersistence === 't' || (relpersistence !== undefined && schemaname === 'pg_temp'))
    return true
  return Object.values(value).some(createsTemporary)
}

/** A plain SELECT without row locks whose functions are all known not to write. */
export function isReadOnly(statement: Tree): boolean {
  let reads = true
  walkTree(statement, (kind, node) => {
    if (kind === 'LockingClause' || kind === 'InsertStmt' || kind === 'IntoClause') reads = false
    if (kind === 'UpdateStmt' || kind === 'DeleteStmt' || kind === 'MergeStmt') reads = false
    if (kind === 'FuncCall') {
      const name = builtinName(node)
      const known = name === undefined ? 'unknown' : classifyFunction(name)
      if (known === 'unknown' || known === 'volatile' || known === 'node-dependent') {
        reads &&= HARMLESS_FUNCTIONS.has(name ?? '')
      }
    }
    return reads
  })
  return reads && statement.SelectStmt?.intoClause === undefined
}

const HARMLESS_FUNCTIONS: ReadonlySet<string> = new Set([
  'random',
  'clock_timestamp',
  'gen_random_uuid',
  'timeofday',
  'version',
  'pg_backend_pid',
  'pg_get_userbyid',
  'pg_table_is_visible',
  'pg_relation_size',
  'pg_total_relation_size',
])
