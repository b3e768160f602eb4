import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import { quoteIdentifier, quoteLiteral, quoteQualified } from './shard-schema.ts'
import type {
  ColumnDescription,
  ForeignKeyDescription,
  IndexDescription,
  TableDescription,
} from './table-description.ts'

/**
 * DDL that makes a table again from its description, under another schema but with all its names. Every name is
 * qualified, so the statements mean the same under any search_path. Statistics, not meaning, may differ.
 */

/**
 * The table alone: columns, defaults, NOT NULL and CHECK, and the given parts more. An identity column becomes a
 * default of its sequence.
 */
export function createTableSql(
  table: TableDescription,
  schema: string,
  more: readonly string[] = [],
): string {
  const checks = table.constraints.filter(({ type }) => type === 'c')
  const parts = [
    ...table.columns.map(columnSql),
    ...checks.map(({ name, definition }) => `CONSTRAINT ${quoteIdentifier(name)} ${definition}`),
    ...more,
  ]
  const options = table.options === null ? '' : ` WITH (${table.options.join(', ')})`
  const unlogged = table.persistence === 'u' ? 'UNLOGGED ' : ''
  return `CREATE ${unlogged}TABLE ${quoteQualified(schema, table.name)} (${parts.join(', ')})${options}`
}

function columnSql(column: ColumnDescription): string {
  const collation = column.collation === null ? '' : ` COLLATE ${column.collation}`
  const notNull = column.isNotNull ? ' NOT NULL' : ''
  return `${quoteIdentifier(column.name)} ${column.typeName}${collation}${valueSql(column)}${notNull}`
}

function valueSql({ generated, default: value, identitySequence }: ColumnDescription): string {
  if (generated !== '') {
    return ` GENERATED ALWAYS AS (${value}) ${generated === 'v' ? 'VIRTUAL' : 'STORED'}`
  }
  if (identitySequence !== null)
    return ` DEFAULT nextval(${quoteLiteral(identitySequence)}::regclass)`
  return value === null ? '' : ` DEFAULT ${value}`
}

/** Primary key, UNIQUE, EXCLUDE and indexes: once the rows are in. */
export function createIndexesSql(table: TableDescription, schema: string): string[] {
  const target = quoteQualified(schema, table.name)
  const keys = table.constraints.filter(({ type }) => type !== 'c')
  return [
    ...keys.map(
      ({ name, definition }) =>
        `ALTER TABLE ${target} ADD CONSTRAINT ${quoteIdentifier(name)} ${definition}`,
    ),
    ...table.indexes.map((index) => createIndexSql(table, index, schema)),
  ]
}

/**
 * A shell, with its keys and foreign keys at once: a foreign key that is added later is validated, which would read
 * the guarded shell it refers to.
 */
export function createShellSql(table: TableDescription): string[] {
  const named = (name: string, definition: string) =>
    `CONSTRAINT ${quoteIdentifier(name)} ${definition}`
  const keys = table.constraints.filter(({ type }) => type !== 'c')
  const parts = [
    ...keys.map(({ name, definition }) => named(name, definition)),
    ...table.foreignKeys
      .map((key) => ({ ...key, isValidated: true }))
      .map((key) => named(key.name, foreignKeySql(key, key.targetSchema))),
  ]
  return [
    createTableSql(table, table.schema, parts),
    ...table.indexes.map((index) => createIndexSql(table, index, table.schema)),
  ]
}

/** pg_get_indexdef names the table in one known place, which is replaced. */
function createIndexSql(table: TableDescription, index: IndexDescription, schema: string): string {
  const { definition } = index
  const at = definition.indexOf(' ON ', 'CREATE INDEX '.length + index.name.length)
  const using = definition.indexOf(' USING ', at)
  const named = definition.slice(at + ' ON '.length, using).replace(/^ONLY /, '')
  const isOurs = named.replaceAll('"', '') === `${table.schema}.${table.name}`.replaceAll('"', '')
  if (at < 0 || using < 0 || !isOurs) {
    throw new RouterError(
      SqlState.featureNotSupported,
      `the definition of index "${index.name}" cannot be carried over to the shards`,
      { hint: 'Drop the index, distribute the table, and create the index again.' },
    )
  }
  return `${definition.slice(0, at)} ON ${quoteQualified(schema, table.name)}${definition.slice(using)}`
}

const ACTIONS: Readonly<Record<string, string>> = {
  a: 'NO ACTION',
  r: 'RESTRICT',
  c: 'CASCADE',
  n: 'SET NULL',
  d: 'SET DEFAULT',
}

/** `schemaOf`: where the referenced table lies for this copy. */
export function createForeignKeysSql(
  table: TableDescription,
  schema: string,
  schemaOf: (foreignKey: ForeignKeyDescription) => string,
): string[] {
  return table.foreignKeys.map(
    (key) =>
      `ALTER TABLE ${quoteQualified(schema, table.name)} ADD CONSTRAINT ${quoteIdentifier(key.name)} ` +
      foreignKeySql(key, schemaOf(key)),
  )
}

function foreignKeySql(key: ForeignKeyDescription, targetSchema: string): string {
  const deferred = key.isDeferred ? ' INITIALLY DEFERRED' : ''
  const setColumns = key.onDeleteColumns === null ? '' : ` (${quoteList(key.onDeleteColumns)})`
  return [
    `FOREIGN KEY (${quoteList(key.columns)})`,
    `REFERENCES ${quoteQualified(targetSchema, key.targetTable)} (${quoteList(key.targetColumns)})`,
    key.match === 'f' ? 'MATCH FULL' : '',
    `ON UPDATE ${ACTIONS[key.onUpdate]} ON DELETE ${ACTIONS[key.onDelete]}${setColumns}`,
    key.isDeferrable ? `DEFERRABLE${deferred}` : '',
    key.isValidated ? '' : 'NOT VALID',
  ]
    .filter((part) => part !== '')
    .join(' ')
}

function quoteList(names: readonly string[]): string {
  return names.map(quoteIdentifier).join(', ')
}

const STORAGE: Readonly<Record<string, string>> = {
  p: 'PLAIN',
  e: 'EXTERNAL',
  m: 'MAIN',
  x: 'EXTENDED',
}

/** Storage, statistics targets, replica identity, extended statistics and privileges. */
export function createRestSql(table: TableDescription, schema: string): string[] {
  const target = quoteQualified(schema, table.name)
  const alter = `ALTER TABLE ${target}`
  const identity = { f: 'FULL', n: 'NOTHING' }[table.replicaIdentity]
  return [
    ...table.columns.flatMap((column) => columnRestSql(column, alter)),
    ...(identity === undefined ? [] : [`${alter} REPLICA IDENTITY ${identity}`]),
    ...table.statistics.map((statistics) => statisticsSql(statistics, table, schema)),
    ...table.grants.map((grant) => {
      const column = grant.column === null ? '' : ` (${quoteIdentifier(grant.column)})`
      const option = grant.isGrantable ? ' WITH GRANT OPTION' : ''
      return `GRANT ${grant.privilege}${column} ON ${target} TO ${grant.grantee}${option}`
    }),
  ]
}

function columnRestSql(column: ColumnDescription, alter: string): string[] {
  const start = `${alter} ALTER ${quoteIdentifier(column.name)} SET`
  const { storage, compression, statisticsTarget } = column
  return [
    ...(storage === null ? [] : [`${start} STORAGE ${STORAGE[storage]}`]),
    ...(compression === null
      ? []
      : [`${start} COMPRESSION ${compression === 'l' ? 'lz4' : 'pglz'}`]),
    ...(statisticsTarget === null ? [] : [`${start} STATISTICS ${statisticsTarget}`]),
  ]
}

/** The definition ends in `FROM schema.table`, which no expression of it can. */
function statisticsSql(
  statistics: { readonly name: string; readonly definition: string },
  table: TableDescription,
  schema: string,
): string {
  const { definition, name } = statistics
  const body = definition.slice(
    definition.indexOf(quoteIfNeeded(name, definition)) + quoteIfNeeded(name, definition).length,
    definition.lastIndexOf(' FROM '),
  )
  return `CREATE STATISTICS ${quoteQualified(schema, name)}${body} FROM ${quoteQualified(schema, table.name)}`
}

function quoteIfNeeded(name: string, definition: string): string {
  const quoted = quoteIdentifier(name)
  return definition.includes(`.${quoted}`) ? quoted : name
}
