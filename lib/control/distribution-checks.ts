import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { ClusterTable } from '../catalog/catalog.ts'
import { MAX_USER_SCHEMA_BYTES } from './shard-schema.ts'
import type {
  ColumnDescription,
  ForeignKeyDescription,
  TableDescription,
} from './table-description.ts'

export const GUARD_PREFIX = 'pgloom_guard'

function refuse(message: string, detail?: string, hint?: string): never {
  throw new RouterError(SqlState.featureNotSupported, message, {
    ...(detail === undefined ? {} : { detail }),
    ...(hint === undefined ? {} : { hint }),
  })
}

/** What neither a distributed nor a reference table may be or have. */
export function checkTable(table: TableDescription): void {
  checkRelation(table)
  checkAttachments(table)
  if (Buffer.byteLength(table.schema) > MAX_USER_SCHEMA_BYTES) {
    refuse(`schema name "${table.schema}" is longer than ${MAX_USER_SCHEMA_BYTES} bytes`)
  }
}

function checkRelation(table: TableDescription): void {
  const { name } = table
  if (table.kind === 'p' || table.isPartition) {
    refuse('partitioned tables and partitions cannot be distributed yet', `"${name}" is one.`)
  }
  if (table.kind !== 'r') {
    throw new RouterError(
      SqlState.wrongObjectType,
      `${name} is not a regular, foreign or partitioned table`,
    )
  }
  if (table.persistence === 't') refuse('cannot distribute a temporary table')
  if (table.schema === 'pg_catalog' || table.schema === 'information_schema') {
    refuse('cannot create a citus table from a catalog table')
  }
  if (table.hasParentOrChild) {
    refuse(
      `${name} is part of an inheritance hierarchy`,
      'Distributed tables cannot inherit or be inherited from.',
    )
  }
}

function checkAttachments(table: TableDescription): void {
  const isOwn = (name: string) => !name.startsWith(GUARD_PREFIX)
  if (table.triggers.some(isOwn)) {
    refuse(
      `cannot distribute relation "${table.name}" because it has triggers`,
      undefined,
      'Drop all the triggers on the table and retry.',
    )
  }
  if (table.rules.length > 0)
    refuse(`cannot distribute relation "${table.name}" because it has rules`)
  const guards = table.policies.length > 0 && !table.policies.some(isOwn)
  if (table.policies.some(isOwn) || (table.hasRowSecurity && !guards)) {
    refuse(`row level security is not supported on distributed and reference tables`)
  }
  if (table.extension) refuse(`"${table.name}" belongs to an extension`)
}

/** The distribution column, if it is one. */
export function checkDistributionColumn(table: TableDescription, name: string): ColumnDescription {
  const column = table.columns.find((each) => each.name === name)
  if (column === undefined) {
    throw new RouterError(
      SqlState.undefinedColumn,
      `column "${name}" of relation "${table.name}" does not exist`,
    )
  }
  if (column.generated !== '') {
    refuse(
      `cannot distribute relation: ${table.name}`,
      'Distribution column must not use GENERATED ALWAYS AS (...) STORED.',
    )
  }
  if (!column.isDeterministic) {
    refuse('Hash distributed partition columns may not use a non deterministic collation')
  }
  return column
}

/**
 * PRIMARY KEY, UNIQUE and EXCLUDE can be enforced inside shards only, but for unique indexes that may be global ones by their
 * names.
 */
export function checkUniqueness(
  table: TableDescription,
  key: ColumnDescription,
  mayBeGlobal: (name: string) => boolean,
): void {
  for (const { type, columns, operators, name } of table.constraints) {
    if (type === 'c') continue
    const at = (columns ?? []).indexOf(key.number)
    const isEqual = operators === null || operators[at] === '='
    const isGlobal = type !== 'x' && mayBeGlobal(name)
    if ((at < 0 || !isEqual) && !isGlobal) refuseUniqueness(table, name)
  }
  for (const { isUnique, columns, name } of table.indexes) {
    if (isUnique && !columns.includes(key.number) && !mayBeGlobal(name))
      refuseUniqueness(table, name)
  }
}

function refuseUniqueness(table: TableDescription, name: string): never {
  refuse(
    `cannot create constraint on "${table.name}"`,
    'Distributed relations cannot have UNIQUE, EXCLUDE, or PRIMARY KEY constraints that do not include the partition column (with an equality operator if EXCLUDE).',
    `Add the distribution column to "${name}", drop it, or SET pgloom.global_unique_indexes = on for a lookup across all shards.`,
  )
}

export function refuseUnhashable({ typeName }: ColumnDescription): never {
  refuse(
    `data type ${typeName} cannot be used for a distribution column`,
    'Partition column types must have a hash function defined to use hash partitioning.',
    'Use an integer, uuid, text, numeric, date or timestamp column.',
  )
}

export type ForeignKeyRules = {
  /** undefined: the table is (to be) a reference table. */
  readonly key: ColumnDescription | undefined
  readonly colocationId: number
  /** The cluster table of an OID as the transaction sees it. */
  readonly tableOf: (oid: number) => ClusterTable | undefined
}

export function checkForeignKeys(table: TableDescription, rules: ForeignKeyRules): void {
  for (const foreignKey of table.foreignKeys) checkForeignKey(table, foreignKey, rules)
}

function checkForeignKey(
  table: TableDescription,
  foreignKey: ForeignKeyDescription,
  { key, colocationId, tableOf }: ForeignKeyRules,
): void {
  if (foreignKey.isUnusual) {
    refuse(`foreign key "${foreignKey.name}" with PERIOD or NOT ENFORCED is not supported`)
  }
  if (foreignKey.targetOid === table.oid && key === undefined) return
  const target = tableOf(foreignKey.targetOid)
  if (key !== undefined) checkKeyActions(foreignKey, key, target?.kind === 'reference')
  if (target === undefined && foreignKey.targetOid !== table.oid) {
    const { targetTable } = foreignKey
    refuse(
      `referenced table "${targetTable}" must be a distributed table or a reference table`,
      'To enforce foreign keys, the referencing and referenced rows need to be stored on the same node.',
      `You could use SELECT create_reference_table('${targetTable}') to replicate the referenced table to all nodes`,
    )
  }
  if (target?.kind === 'reference') return
  if (key === undefined) {
    refuse(
      'cannot create foreign key constraint since foreign keys from reference tables to distributed tables are not supported',
      'A reference table can only have foreign keys to other reference tables',
    )
  }
  const isColocated = target === undefined || target.colocationId === colocationId
  if (!isColocated) {
    refuse(
      'cannot create foreign key constraint since relations are not colocated or not referencing a reference table',
      'A distributed table can only have foreign keys if it is referencing another colocated hash distributed table or a reference table',
    )
  }
  const targetKey = target?.kind === 'distributed' ? target.distributionColumn.name : key.name
  const isAligned = foreignKey.columns.some(
    (column, index) => column === key.name && foreignKey.targetColumns[index] === targetKey,
  )
  if (!isAligned) {
    refuse(
      'cannot create foreign key constraint',
      'Foreign keys are supported in two cases, either in between two colocated tables including partition column in the same ordinal in the both tables or from distributed to reference tables',
    )
  }
}

/** Rows follow those of distributed tables to other shards; a reference table's change in place. */
function checkKeyActions(
  foreignKey: ForeignKeyDescription,
  key: ColumnDescription,
  refersToCopies: boolean,
): void {
  if (!foreignKey.columns.includes(key.name)) return
  const changes = (action: string) => action === 'n' || action === 'd'
  const touchesKey = foreignKey.onDeleteColumns?.includes(key.name) ?? true
  if (
    (changes(foreignKey.onDelete) && touchesKey) ||
    changes(foreignKey.onUpdate) ||
    (foreignKey.onUpdate === 'c' && refersToCopies)
  ) {
    refuse(
      'cannot create foreign key constraint',
      'SET NULL or SET DEFAULT (or CASCADE from a reference table) is not supported in ON UPDATE operation, and SET NULL or SET DEFAULT in ON DELETE, when the distribution key is included in the foreign key constraint',
    )
  }
}

/** A shell that lost its guard would silently read as empty: the statement that takes it away is refused. */
export function checkGuard(table: TableDescription): void {
  const isWhole =
    table.hasRowSecurity &&
    table.forcesRowSecurity &&
    table.policies.includes('pgloom_guard') &&
    table.policies.includes('pgloom_guard_restrictive') &&
    table.triggers.includes('pgloom_guard')
  if (!isWhole)
    refuse(`row level security and triggers of distributed table "${table.name}" cannot be changed`)
}

export function checkReferenceGuard(table: TableDescription): void {
  if (table.triggers.includes('pgloom_guard')) return
  refuse(`triggers of reference table "${table.name}" cannot be changed`)
}
