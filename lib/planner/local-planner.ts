import { clusterSettingName } from '../catalog/cluster-settings.ts'
import { classifyFunction } from './builtin-functions.ts'
import { GIVEN_SYSTEM_COLUMNS, isSystemColumn, LENS_SCHEMA, lensOf } from './catalog-lens.ts'
import {
  METADATA_FUNCTIONS,
  METADATA_RELATIONS,
  SESSION_LOCK_FUNCTIONS,
  SIZED_RELATIONS,
} from './cluster-objects.ts'
import { localCursor } from './cursor-planner.ts'
import { customSettings, mayLast } from './do-blocks.ts'
import { provenClass } from './functions/proven-functions.ts'
import { likeReplacements } from './like-clauses.ts'
import type { LocalPlan, PinReason, Replacement } from './plan.ts'
import type { PlanInput } from './plan-input.ts'
import { qualifierRange, relationRange } from './qualifiers.ts'
import { refuse } from './refusals.ts'
import { sequenceReads } from './sequence-reads.ts'
import type { StatementTables, TableReference } from './table-references.ts'
import { builtinName, type FuncCall, type RangeVar, strings, type Tree, walkTree } from './tree.ts'
import { runsCode } from './user-code.ts'
import { sessionViews } from './views/session-views.ts'

const QUERY_KINDS: ReadonlySet<string> = new Set([
  'SelectStmt',
  'InsertStmt',
  'UpdateStmt',
  'DeleteStmt',
  'MergeStmt',
])

/** Statements with a query inside, whose names are replaced like a query's. */
const QUERYING_KINDS: ReadonlySet<string> = new Set([
  ...QUERY_KINDS,
  'CopyStmt',
  'ExplainStmt',
  'DeclareCursorStmt',
])

/** Utility statements that leave the catalogs alone. */
const HARMLESS_UTILITIES: ReadonlySet<string> = new Set([
  'FetchStmt',
  'ClosePortalStmt',
  'DeclareCursorStmt',
  'NotifyStmt',
  'LockStmt',
  'CheckPointStmt',
  'ConstraintsSetStmt',
  'CopyStmt',
  'ExplainStmt',
  'VacuumStmt',
])

export function planLocal(input: PlanInput, kind: string, tables: StatementTables): LocalPlan {
  const statement = input.statement
  const isQuery = QUERY_KINDS.has(kind)
  const readsOnly = kind === 'SelectStmt' && isReadOnly(input)
  if (kind !== 'SelectStmt' && tables.references.some(isSettingsTarget)) refuse('update-settings')
  const isReplaced = QUERYING_KINDS.has(kind)
  const hasLens = isReplaced ? lensKind(input) : 'none'
  const replaced = isReplaced
    ? [...relationReplacements(input, tables, hasLens), ...functionReplacements(input, hasLens)]
    : likeReplacements(input)
  return {
    kind: 'local',
    replacements: [...replaced].sort((left, right) => left.start - right.start),
    refreshesSizes: refreshesSizes(statement, tables),
    changesCatalog: changesCatalog(kind, statement),
    pin: pinReason(kind, statement),
    readsSequences: sequenceReads(statement),
    sessionViews: sessionViews(statement),
    setsSettings: kind === 'DoStmt' ? customSettings(statement) : namedSettings(statement),
    cursor: localCursor(statement),
    isReadOnly: readsOnly,
    runsCode: runsCode(input, kind, tables, readsOnly),
    isShapeStable: isQuery && replaced.length === 0 && !mentionsSetting(statement),
  }
}

/** A rule of Postgres' turns an UPDATE of pg_settings into set_config(). */
function isSettingsTarget({ node, role }: TableReference): boolean {
  return role === 'target' && node.relname === 'pg_settings'
}

function refreshesSizes(statement: Tree, { references }: StatementTables): boolean {
  let isSized = references.some(
    ({ node, table }) => table === undefined && SIZED_RELATIONS.has(node.relname ?? ''),
  )
  walkTree(statement, (kind, node) => {
    if (kind === 'FuncCall' && builtinName(node) === 'citus_total_relation_size') isSized = true
    return !isSized
  })
  return isSized
}

type LensKind = 'none' | 'view' | 'function'

/** The lens has no primary keys, on which GROUP BY may depend; its views have no system columns. */
function lensKind({ statement, catalog, restrictsViews }: PlanInput): LensKind {
  let kind: LensKind = restrictsViews === true ? 'function' : 'view'
  walkTree(statement, (nodeKind, node) => {
    if (nodeKind === 'SelectStmt' && node['groupClause'] !== undefined) kind = 'none'
    const fields =
      nodeKind === 'ColumnRef' ? (node['fields'] as readonly Tree[] | undefined) : undefined
    const name = fields?.at(-1)?.String?.sval ?? ''
    if (isSystemColumn(name)) kind = GIVEN_SYSTEM_COLUMNS.has(name) ? 'function' : 'none'
    return kind !== 'none'
  })
  return catalog.isInstalled ? kind : 'none'
}

function relationReplacements(
  input: PlanInput,
  tables: StatementTables,
  hasLens: LensKind,
): readonly Replacement[] {
  return tables.references.flatMap(({ node, table, role }) => {
    if (table !== undefined || role !== 'source') return []
    const text = relationReplacement(input, node, hasLens)
    if (text === undefined) return []
    const parts = node.schemaname === undefined ? 1 : 2
    const qualifier = qualifierRange(input.text, node.location ?? 0, parts)
    const schema = { ...qualifier, text: `${text}.` }
    if (text !== LENS_SCHEMA || hasLens !== 'function') return [schema]
    const { end } = relationRange(input.text, node)
    return [schema, { start: end, end, text: '()' }]
  })
}

/** The schema that stands in for the one the statement names or finds by its search path. */
function relationReplacement(
  { searchPath, temporaryNames }: PlanInput,
  node: RangeVar,
  hasLens: LensKind,
): string | undefined {
  const { schemaname: schema, relname: name = '' } = node
  if (node.catalogname !== undefined) return undefined
  if (schema === undefined && temporaryNames.has(name)) return undefined
  const isMetadata = METADATA_RELATIONS.has(name)
  if (isMetadata && (schema === undefined || schema === 'pg_catalog')) return 'pgloom'
  // a search path that names pg_catalog may find another relation first
  const isHidden = schema === undefined && searchPath.includes('pg_catalog')
  if (hasLens === 'none' || isHidden) return undefined
  return lensOf(schema, name, hasLens === 'function') === undefined ? undefined : LENS_SCHEMA
}

/** Metadata functions, and columns that are qualified with the schema of a relation that has a lens. */
function functionReplacements(input: PlanInput, hasLens: LensKind): readonly Replacement[] {
  const found: Replacement[] = []
  walkTree(input.statement, (kind, node) => {
    const fields = kind === 'ColumnRef' ? strings(node['fields'] as readonly Tree[]) : []
    const start = Number(node['location'] ?? 0)
    if (isLensed(fields, hasLens)) {
      const range = qualifierRange(input.text, start, 2)
      found.push({ ...range, text: hasLens === 'function' ? '' : `${LENS_SCHEMA}.` })
    }
    const schema = kind === 'FuncCall' ? functionSchema(input, node) : undefined
    if (schema === undefined) return undefined
    const names = strings(node['funcname'] as readonly Tree[] | undefined)
    found.push({ ...qualifierRange(input.text, start, names.length), text: `${schema}.` })
    return undefined
  })
  return found
}

/** `pg_catalog.pg_class.oid` */
function isLensed(fields: readonly string[], kind: LensKind): boolean {
  if (kind === 'none' || fields.length !== 3) return false
  return lensOf(fields[0], fields[1] ?? '', kind === 'function') !== undefined
}

/** The schema of a function of ours that stands for the one that is called. */
function functionSchema({ catalog }: PlanInput, call: FuncCall): string | undefined {
  const name = builtinName(call) ?? ''
  if (name === 'pg_get_viewdef' && catalog.materializedViews !== undefined) return LENS_SCHEMA
  const isOurs = METADATA_FUNCTIONS.has(name) || (catalog.isInstalled && readsClusterSetting(call))
  return isOurs ? 'pgloom' : undefined
}

/** current_setting('citus.…'): has a default where no server knows one. */
function readsClusterSetting(call: FuncCall): boolean {
  const name = call.args?.[0]?.A_Const?.sval?.sval
  return (
    builtinName(call) === 'current_setting' &&
    name !== undefined &&
    clusterSettingName(name) !== undefined
  )
}

const SETTING_FUNCTIONS: ReadonlySet<string> = new Set(['current_setting', 'set_config'])

function mentionsSetting(statement: Tree): boolean {
  let found = false
  walkTree(statement, (kind, node) => {
    if (kind === 'FuncCall' && SETTING_FUNCTIONS.has(builtinName(node) ?? '')) found = true
    return !found
  })
  return found
}

function changesCatalog(kind: string, statement: Tree): boolean {
  if (kind === 'SelectStmt') return statement.SelectStmt?.intoClause !== undefined
  return !QUERY_KINDS.has(kind) && !HARMLESS_UTILITIES.has(kind)
}

function pinReason(kind: string, statement: Tree): PinReason | undefined {
  if (localCursor(statement)?.isHeld === true) return 'cursor with hold'
  if (kind === 'DoStmt' && mayLast(statement)) return 'session setting'
  let reason: PinReason | undefined
  walkTree(statement, (nodeKind, node) => {
    if (nodeKind === 'FuncCall' && SESSION_LOCK_FUNCTIONS.has(builtinName(node) ?? '')) {
      reason ??= 'advisory lock'
    }
    if (nodeKind === 'FuncCall' && builtinName(node) === 'setseed') reason ??= 'random seed'
    return undefined
  })
  if (setSettings(statement).includes(undefined)) reason ??= 'session setting'
  if (!QUERY_KINDS.has(kind) && namesTemporarySchema(statement)) reason = 'temporary table'
  return createsTemporary(statement) ? 'temporary table' : reason
}

function namedSettings(statement: Tree): readonly string[] {
  return setSettings(statement).filter((name) => name !== undefined)
}

/** Names of the settings that set_config() is called with; undefined: one that only Postgres knows. */
function setSettings(statement: Tree): readonly (string | undefined)[] {
  const names: (string | undefined)[] = []
  walkTree(statement, (kind, node) => {
    if (kind !== 'FuncCall' || builtinName(node) !== 'set_config') return undefined
    const [name] = (node as FuncCall).args ?? []
    const literal = (name?.A_Const ?? name?.TypeCast?.arg?.A_Const)?.sval?.sval
    names.push(literal ?? (name?.ColumnRef === undefined ? undefined : chosenSetting(statement)))
    return undefined
  })
  return names
}

/** `SELECT set_config(name, …) FROM pg_settings WHERE name = 'work_mem'`, as pg_dump says it. */
function chosenSetting({ SelectStmt }: Tree): string | undefined {
  const [source, ...others] = SelectStmt?.fromClause ?? []
  const { name: operator, lexpr, rexpr } = SelectStmt?.whereClause?.A_Expr ?? {}
  const isEqual = strings(operator).at(-1) === '=' && lexpr?.ColumnRef !== undefined
  const isSettings = source?.RangeVar?.relname === 'pg_settings' && others.length === 0
  return isEqual && isSettings ? rexpr?.A_Const?.sval?.sval : undefined
}

/** Such as CREATE FUNCTION pg_temp.f(). */
function namesTemporarySchema(statement: Tree): boolean {
  return JSON.stringify(statement).includes('"pg_temp"')
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
export function isReadOnly(input: PlanInput): boolean {
  const { statement } = input
  let reads = statement.SelectStmt !== undefined && statement.SelectStmt.intoClause === undefined
  walkTree(statement, (kind, node) => {
    if (WRITING_KINDS.has(kind)) reads = false
    if (kind === 'FuncCall' && mayWrite(input, node)) reads = false
    return reads
  })
  return reads
}

const WRITING_KINDS: ReadonlySet<string> = new Set([
  'LockingClause',
  'InsertStmt',
  'UpdateStmt',
  'DeleteStmt',
  'MergeStmt',
])

function mayWrite(input: PlanInput, call: FuncCall): boolean {
  const name = builtinName(call)
  const known = name === undefined ? 'unknown' : classifyFunction(name)
  if (known === 'unknown') {
    const proven = provenClass(input, call)
    if (proven !== undefined && proven !== 'volatile') return false
  }
  if (name === undefined) return true
  const isSafe = known !== 'unknown' && known !== 'volatile' && known !== 'node-dependent'
  return !isSafe && !HARMLESS_FUNCTIONS.has(name)
}

const HARMLESS_FUNCTIONS: ReadonlySet<string> = new Set([
  'random',
  'clock_timestamp',
  'gen_random_uuid',
  'timeofday',
  'version',
  'currval',
  'lastval',
  'pg_backend_pid',
  'pg_get_userbyid',
  'pg_table_is_visible',
  'pg_relation_size',
  'pg_total_relation_size',
])
