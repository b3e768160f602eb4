import type { Catalog, ClusterTable } from '../catalog/catalog.ts'
import { planCopy } from './copy-planner.ts'
import type { DdlCommand } from './ddl-command.ts'
import { planFunctionCommand } from './function-commands.ts'
import { checkRelatives } from './inheritance-checks.ts'
import { planLocal } from './local-planner.ts'
import type { DdlPlan, LockPlan, Plan } from './plan.ts'
import type { PlanInput } from './plan-input.ts'
import { planPulled } from './pull/pull-planner.ts'
import { relationQualifier } from './qualifiers.ts'
import { refuse } from './refusals.ts'
import { resolveRangeVar, type StatementTables, tableReferences } from './table-references.ts'
import { isRecord, type RangeVar, strings, type Tree } from './tree.ts'
import { planExtensionCommand, planTypeCommand } from './type-commands.ts'

type Fields = Readonly<Record<string, unknown>>

/** DDL, COPY and other utility statements. Those that touch no cluster table run on the coordinator as they are. */
export function planUtility(
  input: PlanInput,
  kind: string,
  body: Fields,
  planPart: (part: PlanInput) => Plan,
): Plan {
  const tables = tableReferences(input, body)
  checkRelatives(input, kind, body)
  const planned =
    planTypeCommand(input, kind, body) ??
    planExtensionCommand(input, kind, body) ??
    planFunctionCommand(input, kind, body) ??
    planOfKind(input, kind, body, tables, planPart)
  if (planned !== undefined) return planned
  const isNamed = tables.distributed.length + tables.reference.length > 0
  if (isNamed && !MAY_NAME_CLUSTER_TABLES.has(kind)) return refuse('utility', commandName(kind))
  return planLocal(input, kind, tables)
}

const COMMANDS: Readonly<Record<string, string>> = {
  CreateStatsStmt: 'CREATE STATISTICS',
  AlterStatsStmt: 'ALTER STATISTICS',
  RefreshMatViewStmt: 'REFRESH MATERIALIZED VIEW',
  SecLabelStmt: 'SECURITY LABEL',
  CreateTrigStmt: 'CREATE TRIGGER',
  RuleStmt: 'CREATE RULE',
}

/** The command as people know it: `CREATE POLICY` of CreatePolicyStmt. */
function commandName(kind: string): string {
  const words = kind.replace(/Stmt$/, '').replaceAll(/([a-z])([A-Z])/g, '$1 $2')
  return COMMANDS[kind] ?? words.toUpperCase()
}

/** Foreign keys, LIKE and the like in them refer to shells or copies on the coordinator, which is right there. */
const MAY_NAME_CLUSTER_TABLES: ReadonlySet<string> = new Set([
  'CreateStmt',
  'CreateFunctionStmt',
  'AlterTableStmt',
  'ViewStmt',
  'CreateTableAsStmt',
  'DeclareCursorStmt',
  'CommentStmt',
  'CopyStmt',
  'CreateSeqStmt',
  'AlterSeqStmt',
])

function planOfKind(
  input: PlanInput,
  kind: string,
  body: Fields,
  tables: StatementTables,
  planPart: (part: PlanInput) => Plan,
): Plan | undefined {
  switch (kind) {
    case 'CopyStmt':
      return planCopy(input, body, tables, planPart)
    case 'CreateTableAsStmt':
      if (tables.distributed.length === 0) return undefined
      // only EXPLAIN comes here with one
      if (body['objtype'] === 'OBJECT_MATVIEW') return refuse('explain')
      return planPulled(input, kind, tables)
    case 'IndexStmt':
      if (targetOf(input, body) === undefined) return undefined
      if (body['concurrent'] === true) return refuse('index-concurrently')
      return ddl(input, 'CREATE INDEX', tables)
    case 'AlterTableStmt':
      return planAlterTable(input, body, tables)
    case 'RenameStmt':
      return planRename(input, body, tables)
    case 'AlterObjectSchemaStmt':
      return targetOf(input, body) === undefined ? undefined : refuse('set-schema')
    case 'TruncateStmt':
      return allOrNone(input, 'TRUNCATE TABLE', tables)
    case 'GrantStmt':
      return planGrant(input, body, tables)
    case 'VacuumStmt':
      return planVacuum(input, body, tables)
    case 'DropStmt':
      return planDrop(input, body)
    case 'LockStmt':
      return planLock(body, tables)
    case 'DropOwnedStmt':
    case 'ReassignOwnedStmt':
      return input.catalog.tables.size === 0 ? undefined : refuse('drop-owned')
    case 'CreateTrigStmt':
    case 'RuleStmt':
      return targetOf(input, body) === undefined ? undefined : refuse('triggers')
    default:
      return undefined
  }
}

/** LOCKMODE of storage/lockdefs.h */
const LOCK_MODES = [
  'ACCESS SHARE',
  'ROW SHARE',
  'ROW EXCLUSIVE',
  'SHARE UPDATE EXCLUSIVE',
  'SHARE',
  'SHARE ROW EXCLUSIVE',
  'EXCLUSIVE',
  'ACCESS EXCLUSIVE',
]

function planLock(body: Fields, { references }: StatementTables): LockPlan | undefined {
  const tables = references.flatMap(({ table }) => (table === undefined ? [] : [table]))
  if (tables.length === 0) return undefined
  const mode = LOCK_MODES[Number(body['mode'] ?? 0) - 1] ?? refuse('utility', 'LOCK TABLE')
  return { kind: 'lock', tables: [...new Set(tables)], mode, isNowait: body['nowait'] === true }
}

function targetOf(input: PlanInput, body: Fields): ClusterTable | undefined {
  const relation = body['relation']
  return isRecord(relation) ? resolveRangeVar(input, relation) : undefined
}

function ddl(
  input: PlanInput,
  command: DdlCommand,
  tables: StatementTables,
  indexNames: DdlPlan['indexNames'] = [],
): DdlPlan {
  const named = tables.references.flatMap(({ node, table }) =>
    table === undefined ? [] : [{ ...relationQualifier(input.text, node), table }],
  )
  return {
    kind: 'ddl',
    command,
    tables: [...new Set(named.map(({ table }) => table))],
    splices: named.sort((left, right) => left.start - right.start),
    indexNames,
  }
}

function allOrNone(
  input: PlanInput,
  command: DdlCommand,
  tables: StatementTables,
): DdlPlan | undefined {
  if (tables.distributed.length + tables.reference.length === 0) return undefined
  return tables.hasLocal ? refuse('mixed-tables') : ddl(input, command, tables)
}

function planAlterTable(
  input: PlanInput,
  body: Fields,
  tables: StatementTables,
): DdlPlan | undefined {
  if (body['objtype'] === 'OBJECT_INDEX')
    return ddl(input, 'ALTER INDEX', tables, [indexName(body)])
  if (targetOf(input, body) === undefined) return undefined
  for (const { AlterTableCmd } of body['cmds'] as readonly Tree[]) {
    const subtype = String((AlterTableCmd as Fields | undefined)?.['subtype'])
    if (subtype.endsWith('RowSecurity')) refuse('utility', 'ALTER TABLE … ROW LEVEL SECURITY')
    if (/^AT_(?:En|Dis)able.*(?:Trig|Rule)/.test(subtype)) refuse('triggers')
  }
  return ddl(input, 'ALTER TABLE', tables)
}

function indexName(body: Fields): { schema: string | undefined; name: string } {
  const relation = (body['relation'] ?? {}) as RangeVar
  return { schema: relation.schemaname, name: relation.relname ?? '' }
}

function planRename(input: PlanInput, body: Fields, tables: StatementTables): DdlPlan | undefined {
  const type = body['renameType']
  if (type === 'OBJECT_INDEX') return ddl(input, 'ALTER INDEX', tables, [indexName(body)])
  if (type === 'OBJECT_SCHEMA' && schemaHasTables(input.catalog, String(body['subname'] ?? ''))) {
    return refuse('drop-schema')
  }
  return targetOf(input, body) === undefined ? undefined : ddl(input, 'ALTER TABLE', tables)
}

function planGrant(input: PlanInput, body: Fields, tables: StatementTables): DdlPlan | undefined {
  if (body['targtype'] !== 'ACL_TARGET_ALL_IN_SCHEMA') {
    return body['objtype'] === 'OBJECT_TABLE' ? allOrNone(input, 'GRANT', tables) : undefined
  }
  if (body['objtype'] !== 'OBJECT_TABLE') return undefined
  const schemas = strings(body['objects'] as readonly Tree[] | undefined)
  return wholeSchemas(input, 'GRANT', (table) => schemas.includes(table.schema))
}

function wholeSchemas(
  input: PlanInput,
  command: DdlCommand,
  isMeant: (table: ClusterTable) => boolean,
): DdlPlan | undefined {
  const tables = [...input.catalog.tables.values()].filter(isMeant)
  if (tables.length === 0) return undefined
  return { kind: 'ddl', command, tables, splices: [], indexNames: [] }
}

function planVacuum(input: PlanInput, body: Fields, tables: StatementTables): DdlPlan | undefined {
  const command = body['is_vacuumcmd'] === true ? 'VACUUM' : 'ANALYZE'
  if (body['rels'] === undefined) return wholeSchemas(input, command, () => true)
  return allOrNone(input, command, tables)
}

function planDrop(input: PlanInput, body: Fields): DdlPlan | undefined {
  const objects = (body['objects'] ?? []) as readonly Tree[]
  const names = objects.map((object) =>
    object.String === undefined ? strings(object.List?.items) : [object.String.sval ?? ''],
  )
  switch (body['removeType']) {
    case 'OBJECT_TABLE':
      return planDropTable(input, names)
    case 'OBJECT_INDEX': {
      if (input.catalog.tables.size === 0) return undefined
      const indexNames = names.map((parts) => ({ schema: parts.at(-2), name: parts.at(-1) ?? '' }))
      return { kind: 'ddl', command: 'DROP INDEX', tables: [], splices: [], indexNames }
    }
    case 'OBJECT_SCHEMA':
      if (names.some(([name]) => schemaHasTables(input.catalog, name ?? ''))) refuse('drop-schema')
      return undefined
    case 'OBJECT_TRIGGER':
    case 'OBJECT_RULE':
    case 'OBJECT_POLICY': {
      const isCluster = names.some((parts) => resolveNames(input, parts.slice(0, -1)) !== undefined)
      return isCluster ? refuse('triggers') : undefined
    }
    default:
      return undefined
  }
}

function resolveNames(input: PlanInput, parts: readonly string[]): ClusterTable | undefined {
  const schemaname = parts.at(-2)
  return resolveRangeVar(input, {
    relname: parts.at(-1) ?? '',
    ...(schemaname === undefined ? {} : { schemaname }),
  })
}

function planDropTable(
  input: PlanInput,
  names: readonly (readonly string[])[],
): DdlPlan | undefined {
  const resolved = names.map((parts) => resolveNames(input, parts))
  const tables = resolved.filter((table) => table !== undefined)
  if (tables.length === 0) return undefined
  if (tables.length < resolved.length) return refuse('mixed-tables')
  return { kind: 'ddl', command: 'DROP TABLE', tables, splices: [], indexNames: [] }
}

function schemaHasTables(catalog: Catalog, schema: string): boolean {
  return [...catalog.tables.values()].some((table) => table.schema === schema)
}
