import type { BackendConnection } from '../backend/backend-connection.ts'
import { RouterError, ServerError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { Catalog, ClusterTable, DistributedTable } from '../catalog/catalog.ts'
import { query } from '../executor/node-client.ts'
import type { CommandTag, Execution } from '../executor/ports.ts'
import { mendError } from '../executor/relay/error-rewriting.ts'
import { PositionMap } from '../executor/relay/position-map.ts'
import { replacedText } from '../executor/relay/relay-on.ts'
import type { DdlPlan } from '../planner/plan.ts'
import { evenOutDefaults, lastColumns } from './added-defaults.ts'
import { activeNodes, type CommandRun, runAll, tableByOid, workersOf } from './command-run.ts'
import {
  checkDistributionColumn,
  checkForeignKeys,
  checkGuard,
  checkReferenceGuard,
  checkTable,
  checkUniqueness,
} from './distribution-checks.ts'
import { mayBeDefaultsOfShards } from './drop-tables.ts'
import type { GlobalIndexDescription } from './global-index-sql.ts'
import {
  allowsGlobalIndexes,
  describeGlobalIndexes,
  dropStaleIndexes,
  syncGlobalIndexes,
} from './global-indexes.ts'
import { resumeGuardSql, suspendGuardSql } from './guard-sql.ts'
import { quoteIdentifier, quoteQualified } from './shard-schema.ts'
import { shareFunctions } from './share-functions.ts'
import { shareTypes } from './share-types.ts'
import { describeTable, type TableDescription } from './table-description.ts'

/** A shard's schema by user schema, for one index of a group; reference tables keep their own. */
type SchemaOf = (table: ClusterTable) => string

const ownSchema: SchemaOf = ({ schema }) => schema

/** The statement with the cluster tables' names qualified anew. Splices are byte ranges of the text. */
export function spliced(text: Buffer, plan: DdlPlan, schemaOf: SchemaOf): string {
  const pieces: Buffer[] = []
  let at = 0
  for (const { start, end, table } of plan.splices) {
    pieces.push(text.subarray(at, start), Buffer.from(`${quoteIdentifier(schemaOf(table))}.`))
    at = end
  }
  pieces.push(text.subarray(at))
  return Buffer.concat(pieces).toString('utf8')
}

/**
 * CREATE INDEX, ALTER TABLE, GRANT: the same statement on the shells, the shards and the copies. It is first tried on
 * the coordinator, for Postgres' own errors and for our rules about what came out of it; carried out on the shards
 * before the shells, whose sequences the shards' defaults use; and at the end every shard must look like its shell.
 */
export async function runOnAll(
  run: CommandRun,
  plan: DdlPlan,
  execution: Execution,
): Promise<CommandTag> {
  const { text } = execution
  const catalog = await run.catalog()
  const tables = plan.tables.map((table) => tableByOid(catalog, table.oid) ?? table)
  const distributed = tables.filter((table) => table.kind === 'distributed')
  refuseDifferentGroups(distributed)
  if (plan.splices.length === 0) {
    throw new RouterError(
      SqlState.featureNotSupported,
      `${plan.command} of this form is not supported`,
      {
        hint: 'Name the tables one by one.',
      },
    )
  }
  const changesShape = plan.command !== 'GRANT'
  const shells = distributed.map(({ schema, name }) => quoteQualified(schema, name))
  const own = spliced(text, plan, ownSchema)
  if (changesShape) {
    const locked = tables.map(({ schema, name }) => quoteQualified(schema, name)).join(', ')
    await runAll(run.coordinator, [`LOCK TABLE ${locked} IN ACCESS EXCLUSIVE MODE`])
    await shareFunctions(run, workersOf(catalog))
    const outcomes = await inClientsPlace(plan, execution, () =>
      tryOnCoordinator(run, catalog, tables, shells, own),
    )
    for (const { description, globalIndexes } of outcomes) {
      await shareTypes(run, description, workersOf(catalog))
      await dropStaleIndexes(run, description.oid, globalIndexes)
    }
  }
  const isAlter = plan.command === 'ALTER TABLE' && !/\brename\s+to\b/i.test(own)
  const last = isAlter ? await lastColumns(run, tables) : new Map<number, string>()
  await runOnShards(run, catalog, distributed[0], plan, text)
  let tag = ''
  await run.onEach(activeNodes(catalog), async (connection, { groupId }) => {
    const done = await runUnguarded(connection, changesShape ? shells : [], own)
    if (groupId === 0) tag = done
  })
  if (isAlter) await evenOutDefaults(run, catalog, tables, last)
  if (changesShape) await compareShards(run, distributed)
  if (changesShape) for (const table of distributed) await syncGlobalIndexes(run, table)
  return tag
}

/** Errors of what spliced() made, with their places in the client's text. */
async function inClientsPlace<T>(
  { splices }: DdlPlan,
  execution: Execution,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof ServerError)) throw error
    const qualified = splices.map(({ start, end, table }) => {
      return { start, end, text: `${quoteIdentifier(ownSchema(table))}.` }
    })
    const positions = new PositionMap()
    replacedText(execution, qualified, positions)
    throw mendError(error.frame, 0, error.frame.length, { positions })
  }
}

function refuseDifferentGroups(tables: readonly DistributedTable[]): void {
  if (new Set(tables.map(({ colocationId }) => colocationId)).size <= 1) return
  throw new RouterError(
    SqlState.featureNotSupported,
    'cannot change distributed tables of different colocation groups in one statement',
    { hint: 'Foreign keys need colocated tables; other changes can be made one table at a time.' },
  )
}

async function runUnguarded(
  connection: BackendConnection,
  shells: readonly string[],
  text: string,
): Promise<string> {
  await runAll(connection, shells.map(suspendGuardSql))
  const { tag } = await query(connection, text)
  await runAll(connection, shells.map(resumeGuardSql))
  return tag
}

type Outcome = {
  readonly description: TableDescription
  readonly globalIndexes: readonly GlobalIndexDescription[]
}

async function globalIndexesOf({ coordinator }: CommandRun, table: ClusterTable) {
  if (table.kind === 'reference') return []
  return describeGlobalIndexes(coordinator, table.oid, table.distributionColumn.attributeNumber)
}

async function tryOnCoordinator(
  run: CommandRun,
  catalog: Catalog,
  tables: readonly ClusterTable[],
  shells: readonly string[],
  text: string,
): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = []
  // One after the other: a description borrows the connection's search_path.
  const before: TableDescription[] = []
  for (const { oid } of tables) before.push(await run.describe(oid))
  await query(run.coordinator, 'SAVEPOINT pgloom_ddl')
  await runAll(run.coordinator, shells.map(suspendGuardSql))
  if (await succeeds(run, tables, text)) {
    const isRenamed = /\brename\s+to\b/i.test(text)
    if (!isRenamed) await runAll(run.coordinator, shells.map(resumeGuardSql))
    for (const [index, table] of tables.entries()) {
      const after = await run.describe(table.oid)
      const was = before[index]
      const mayBeGlobal = await allowsGlobalIndexes(run, table.oid)
      if (was !== undefined) checkOutcome(catalog, { table, mayBeGlobal }, was, after)
      outcomes.push({ description: after, globalIndexes: await globalIndexesOf(run, table) })
    }
  }
  await query(run.coordinator, 'ROLLBACK TO SAVEPOINT pgloom_ddl; RELEASE SAVEPOINT pgloom_ddl')
  return outcomes
}

async function succeeds(
  run: CommandRun,
  tables: readonly ClusterTable[],
  text: string,
): Promise<boolean> {
  try {
    await query(run.coordinator, text)
    return true
  } catch (error) {
    if (mayBeDefaultsOfShards(error, run, tables)) return false
    throw error
  }
}

function checkOutcome(
  catalog: Catalog,
  { table, mayBeGlobal }: { table: ClusterTable; mayBeGlobal: (name: string) => boolean },
  before: TableDescription,
  after: TableDescription,
): void {
  checkTable(after)
  const tableOf = (oid: number) => tableByOid(catalog, oid)
  const { colocationId } = table
  refuseNewIdentity(before, after)
  refuseMovedTable(before, after)
  if (table.kind === 'reference') {
    checkReferenceGuard(after)
    checkForeignKeys(after, { key: undefined, colocationId, tableOf })
    return
  }
  checkGuard(after)
  const number = table.distributionColumn.attributeNumber
  const kept = after.columns.find((column) => column.number === number)
  const was = before.columns.find((column) => column.number === number)
  if (kept === undefined || kept.typeName !== was?.typeName || kept.collation !== was.collation) {
    throw new RouterError(
      SqlState.featureNotSupported,
      'cannot execute ALTER TABLE command involving partition column',
    )
  }
  const key = checkDistributionColumn(after, kept.name)
  checkUniqueness(after, key, mayBeGlobal)
  checkForeignKeys(after, { key, colocationId, tableOf })
}

function refuseNewIdentity(before: TableDescription, after: TableDescription): void {
  const sequences = (table: TableDescription) => table.sequences.map(({ name }) => name)
  const had = new Set(sequences(before))
  const identities = (table: TableDescription) =>
    table.columns.map(({ number, identity }) => `${number}${identity}`).join()
  const isNew = sequences(after).some((name) => !had.has(name))
  const kept = before.columns.filter(({ number }) => after.columns.some((c) => c.number === number))
  const remains = after.columns.filter(({ number }) => kept.some((c) => c.number === number))
  if (
    !isNew &&
    identities({ ...before, columns: kept }) === identities({ ...after, columns: remains })
  ) {
    return
  }
  throw new RouterError(
    SqlState.featureNotSupported,
    'cannot execute ADD COLUMN commands involving serial pseudotypes, identity or nextval() on distributed tables',
    { hint: 'Give the table its serial columns before it is distributed.' },
  )
}

function refuseMovedTable(before: TableDescription, after: TableDescription): void {
  if (
    before.schema === after.schema &&
    before.name === after.name &&
    before.owner === after.owner
  ) {
    return
  }
  throw new RouterError(
    SqlState.featureNotSupported,
    'renaming, moving or giving away a distributed or reference table is not supported',
    { hint: 'Use undistribute_table, change the table, and distribute it again.' },
  )
}

async function runOnShards(
  run: CommandRun,
  catalog: Catalog,
  table: DistributedTable | undefined,
  plan: DdlPlan,
  text: Buffer,
): Promise<void> {
  if (table === undefined) return
  await run.onEach(activeNodes(catalog), async (connection, node) => {
    for (const shard of table.shards) {
      if (shard.nodeId !== node.nodeId) continue
      const statement = spliced(text, plan, (each) => {
        const now = tableByOid(catalog, each.oid) ?? each
        return now.kind === 'distributed' ? (now.shards[shard.index]?.schema ?? '') : now.schema
      })
      await query(connection, statement)
    }
  })
}

/** Constraint and index names are what statements and errors show: Postgres must have chosen the same everywhere. */
async function compareShards(run: CommandRun, tables: readonly DistributedTable[]): Promise<void> {
  for (const table of tables) {
    const shell = shapeOf(await describeTable(run.coordinator, table.oid))
    for (const shard of sampleOfNodes(table)) {
      const connection = await run.on(shard.nodeId)
      const name = quoteQualified(shard.schema, table.name)
      const { rows } = await query(connection, 'SELECT $1::regclass::oid', [name])
      const shape = shapeOf(await describeTable(connection, Number(rows[0]?.[0])))
      if (shape === shell) continue
      throw new RouterError(
        SqlState.featureNotSupported,
        `the change of "${table.name}" came out differently on its shards`,
        { hint: 'Give every index and constraint a name of its own in the statement.' },
      )
    }
  }
}

/** Shards of one group differ in nothing but their schema, so a few tell for all. */
function sampleOfNodes(table: DistributedTable): DistributedTable['shards'] {
  const nodes = new Map(table.shards.map((shard) => [shard.nodeId, shard]))
  return [...nodes.values()]
}

function shapeOf(table: TableDescription | undefined): string {
  return JSON.stringify([
    table?.columns.map(({ name, typeName, isNotNull }) => [name, typeName, isNotNull]),
    table?.constraints.map(({ name }) => name).sort(),
    table?.indexes.map(({ name, isUnique }) => [name, isUnique]).sort(),
    table?.foreignKeys.map(({ name }) => name).sort(),
  ])
}
