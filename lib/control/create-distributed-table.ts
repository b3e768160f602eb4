import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { ClusterNode, DistributedTable, Shard } from '../catalog/catalog.ts'
import { distributeRows } from '../executor/write/distribute-rows.ts'
import { type CommandRun, runAll, tableByOid, workersOf } from './command-run.ts'
import { createSchemaSql } from './create-schema-sql.ts'
import {
  checkDistributionColumn,
  checkForeignKeys,
  checkTable,
  checkUniqueness,
  refuseUnhashable,
} from './distribution-checks.ts'
import { type ArgumentValues, oidArgument, textArgument } from './function-arguments.ts'
import { allowsGlobalIndexes, syncGlobalIndexes } from './global-indexes.ts'
import { guardShellSql } from './guard-sql.ts'
import { isHashable } from './key-types.ts'
import { quoteIdentifier, quoteQualified, shardSchema } from './shard-schema.ts'
import { shareFunctions } from './share-functions.ts'
import { shareDependencies, shellSql } from './shell-copies.ts'
import {
  createForeignKeysSql,
  createIndexesSql,
  createRestSql,
  createTableSql,
} from './table-ddl.ts'
import type { TableDescription } from './table-description.ts'
import { typeMap } from './type-map.ts'

const MAX_SHARD_COUNT = 64_000

/** Everything in the caller's transaction: until it commits nobody sees anything, and any failure undoes it all. */
export async function createDistributedTable(
  run: CommandRun,
  values: ArgumentValues,
): Promise<void> {
  const oid = oidArgument(values, 'table_name')
  refuseVariants(values)
  await refuseReplication(run)
  const table = await lockTable(run, oid)
  checkTable(table)
  const key = checkDistributionColumn(table, textArgument(values, 'distribution_column'))
  if (!(await isHashable(run.coordinator, key.typeOid))) refuseUnhashable(key)
  checkUniqueness(table, key, await allowsGlobalIndexes(run, oid))
  await register(run, table, key.name, values)
  const catalog = await run.catalog()
  const distributed = tableByOid(catalog, oid)
  if (distributed?.kind !== 'distributed') throw new Error('the table was not registered')
  const { colocationId } = distributed
  checkForeignKeys(table, { key, colocationId, tableOf: (target) => tableByOid(catalog, target) })
  await refuseFilledReferrers(run, table)

  const workers = workersOf(catalog)
  await shareFunctions(run, workers)
  await shareDependencies(run, table, workers, 'distributed')
  await createShardTables(run, table, distributed, catalog.nodes)
  const count = await moveRows(run, table, distributed)
  await finishShards(run, table, distributed, catalog.nodes)
  await syncGlobalIndexes(run, distributed)
  await run.onEach(workers, (connection) => runAll(connection, shellSql(table)))
  const name = quoteQualified(table.schema, table.name)
  const empty = table.referencedBy.length > 0 ? `DELETE FROM ONLY ${name}` : `TRUNCATE ONLY ${name}`
  await runAll(run.coordinator, [...(count > 0 ? [empty] : []), ...guardShellSql(name)])
}

function refuseVariants(values: ArgumentValues): void {
  const type = textArgument(values, 'distribution_type')
  if (type !== 'hash') {
    throw new RouterError(
      SqlState.featureNotSupported,
      `distribution type "${type}" is not supported`,
      {
        hint: "Use 'hash'.",
      },
    )
  }
  if (values.get('distribution_column') === undefined) {
    throw new RouterError(
      SqlState.featureNotSupported,
      'single shard tables without a distribution column are not supported',
      { hint: 'Give a distribution column, or use create_reference_table.' },
    )
  }
}

/** Locked first, described then: nothing can change in between. */
export async function lockTable(run: CommandRun, oid: number): Promise<TableDescription> {
  const before = await run.describe(oid)
  if (before.kind === 'r') {
    const name = quoteQualified(before.schema, before.name)
    await runAll(run.coordinator, [`LOCK TABLE ONLY ${name} IN ACCESS EXCLUSIVE MODE`])
  }
  const isKnown = await run.value(
    `SELECT true FROM pgloom.pg_dist_partition WHERE logicalrelid = ${oid}`,
  )
  if (isKnown !== undefined) {
    throw new RouterError(
      SqlState.invalidTableDefinition,
      `table "${before.name}" is already distributed`,
    )
  }
  return run.describe(oid)
}

async function register(
  run: CommandRun,
  table: TableDescription,
  column: string,
  values: ArgumentValues,
): Promise<void> {
  const given = values.get('shard_count')
  const colocateWith = textArgument(values, 'colocate_with')
  const isNamed = colocateWith !== 'default' && colocateWith !== 'none'
  if (isNamed && given !== undefined) {
    throw new RouterError(
      SqlState.featureNotSupported,
      'Cannot use colocate_with with a table and shard_count at the same time',
    )
  }
  const group = isNamed ? await colocationGroupOf(run, table, column, colocateWith) : null
  const shardCount = checkedShardCount(given ?? (await defaultShardCount(run)))
  await run.value(
    `SELECT pgloom.register_distributed_table(${table.oid}::oid::regclass, $1, $2::int, $3::int, $4::bool)`,
    [column, group, String(shardCount), String(colocateWith === 'none')],
  )
}

async function defaultShardCount(run: CommandRun): Promise<string> {
  return (await run.value("SELECT pgloom.current_setting('citus.shard_count')")) ?? ''
}

async function refuseReplication(run: CommandRun): Promise<void> {
  const factor = await run.value("SELECT pgloom.current_setting('citus.shard_replication_factor')")
  if (factor === '1') return
  throw new RouterError(
    SqlState.featureNotSupported,
    `citus.shard_replication_factor = ${factor} is not supported`,
    { hint: 'Set it to 1, and give every node a standby of its own.' },
  )
}

function checkedShardCount(text: string): number {
  const count = Number(text)
  if (Number.isInteger(count) && count >= 1 && count <= MAX_SHARD_COUNT) return count
  throw new RouterError(
    SqlState.invalidParameterValue,
    `${text} is outside the valid range for parameter "shard_count" (1 .. ${MAX_SHARD_COUNT})`,
  )
}

async function colocationGroupOf(
  run: CommandRun,
  table: TableDescription,
  column: string,
  colocateWith: string,
): Promise<string> {
  const other = tableByOid(
    await run.catalog(),
    Number(await run.value('SELECT $1::regclass::oid::text', [colocateWith])),
  )
  if (other?.kind !== 'distributed') {
    throw new RouterError(
      SqlState.invalidTableDefinition,
      `relation ${colocateWith} is not distributed`,
    )
  }
  const key = table.columns.find(({ name }) => name === column)
  const otherKey = other.distributionColumn
  if (key?.typeOid !== otherKey.typeOid || key.collation !== (otherKey.collation ?? null)) {
    throw new RouterError(
      SqlState.invalidTableDefinition,
      `cannot colocate tables ${other.name} and ${table.name}`,
      {
        detail: `Distribution column types or collations don't match for ${other.name} and ${table.name}.`,
      },
    )
  }
  return String(other.colocationId)
}

/**
 * Tables are often made with all their foreign keys and distributed one after the other, the referenced first. While
 * the referring ones are empty that is sound; with rows, their keys would refer to an empty shell.
 */
async function refuseFilledReferrers(run: CommandRun, table: TableDescription): Promise<void> {
  for (const { schema, table: name } of table.referencedBy) {
    const referrer = quoteQualified(schema, name)
    const filled = await run.value(`SELECT true WHERE EXISTS (SELECT FROM ONLY ${referrer})`)
    if (filled === undefined) continue
    throw new RouterError(
      SqlState.featureNotSupported,
      `cannot distribute "${table.name}": local table "${name}" refers to it and has rows`,
      { hint: `Drop the foreign key of "${name}", distribute both tables, and create it again.` },
    )
  }
}

function shardsOn(table: DistributedTable, node: ClusterNode): readonly Shard[] {
  return table.shards.filter(({ nodeId }) => nodeId === node.nodeId)
}

async function createShardTables(
  run: CommandRun,
  table: TableDescription,
  distributed: DistributedTable,
  nodes: readonly ClusterNode[],
): Promise<void> {
  const holders = nodes.filter((node) => shardsOn(distributed, node).length > 0)
  await run.onEach(holders, (connection, node) =>
    runAll(
      connection,
      shardsOn(distributed, node).flatMap(({ schema }) => [
        ...createSchemaSql(schema),
        createTableSql(table, schema),
      ]),
    ),
  )
}

async function moveRows(
  run: CommandRun,
  table: TableDescription,
  distributed: DistributedTable,
): Promise<number> {
  const from = `ONLY ${quoteQualified(table.schema, table.name)}`
  if ((await run.value(`SELECT true WHERE EXISTS (SELECT FROM ${from})`)) === undefined) return 0
  await refuseNullKeys(run, from, distributed)
  run.notice('Copying data from local table...')
  const count = await distributeRows({
    source: run.coordinator,
    from,
    table: distributed,
    target: (shard) => run.on(shard.nodeId),
    signal: run.context.signal,
    catalog: await typeMap(
      run,
      table,
      distributed.shards.map(({ nodeId }) => nodeId),
    ),
  })
  const before = Number(await run.value(`SELECT count(*) FROM ${from}`))
  if (before !== count) throw new Error(`copied ${count} of ${before} rows`)
  run.notice('copying the data has completed')
  return count
}

async function refuseNullKeys(
  run: CommandRun,
  from: string,
  { distributionColumn, name }: DistributedTable,
): Promise<void> {
  const column = quoteIdentifier(distributionColumn.name)
  const found = await run.value(
    `SELECT true WHERE EXISTS (SELECT FROM ${from} WHERE ${column} IS NULL)`,
  )
  if (found === undefined) return
  throw new RouterError(
    SqlState.nullValueNotAllowed,
    `the distribution column "${distributionColumn.name}" of relation "${name}" has NULL values`,
  )
}

/** Indexes and keys after the rows, foreign keys last. */
async function finishShards(
  run: CommandRun,
  table: TableDescription,
  distributed: DistributedTable,
  nodes: readonly ClusterNode[],
): Promise<void> {
  const catalog = await run.catalog()
  const holders = nodes.filter((node) => shardsOn(distributed, node).length > 0)
  await run.onEach(holders, (connection, node) =>
    runAll(
      connection,
      shardsOn(distributed, node).flatMap(({ schema }) => {
        const group = Number(/^pgloom_(\d+)/.exec(schema)?.[1])
        return [
          ...createIndexesSql(table, schema),
          ...createForeignKeysSql(table, schema, ({ targetOid, targetSchema }) =>
            tableByOid(catalog, targetOid)?.kind === 'reference'
              ? targetSchema
              : shardSchema(group, targetSchema),
          ),
          ...createRestSql(table, schema),
          ownerSql(table, schema),
        ]
      }),
    ),
  )
}

export function ownerSql(table: TableDescription, schema: string): string {
  return `ALTER TABLE ${quoteQualified(schema, table.name)} OWNER TO ${quoteIdentifier(table.owner)}`
}
