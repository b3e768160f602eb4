import type { BackendConnection } from '../../../backend/backend-connection.ts'
import { RouterError } from '../../../base/errors.ts'
import { SqlState } from '../../../base/sqlstate.ts'
import { bareTypeName } from '../../../catalog/bare-type.ts'
import type { ClusterTable, Column, DistributedTable, Shard } from '../../../catalog/catalog.ts'
import { copyAcross } from '../../copy/copy-across.ts'
import { query } from '../../node-client.ts'
import type { StatementContext } from '../../ports.ts'
import { quoteIdentifier } from '../../relay/quoted-schema.ts'
import { FIRST_USER_OID } from '../../relay/row-description-mapping.ts'
import { tagCount } from '../../server-answer.ts'
import { copiedColumns, shardName } from '../distribute-rows.ts'
import { SCRATCH_SCHEMA, scratchName, scratchQualified } from '../scratch-table.ts'
import { ChangeApplication } from './apply-changes.ts'
import { countChanges } from './changes.ts'
import { identityOf, SHARD_COLUMN } from './identity.ts'

/** Of one table to another that is in the same shards. */
type ForeignKey = {
  readonly name: string
  readonly child: DistributedTable
  readonly columns: readonly string[]
  readonly referred: readonly string[]
  /** pg_constraint.confupdtype */
  readonly onUpdate: string
}

type Run = {
  readonly applications: ChangeApplication[]
  readonly coordinator: BackendConnection
  readonly context: StatementContext
}

/**
 * A row that moves is deleted where it was, which is not what the statement says of it to rows that refer to it. Those that follow an
 * UPDATE (ON UPDATE CASCADE) move as well, before the server could delete them; where they must not be there, the server says so.
 */
export async function addFollowers(
  applications: ChangeApplication[],
  coordinator: BackendConnection,
  context: StatementContext,
): Promise<void> {
  const run = { applications, coordinator, context }
  // those that are added may have followers of their own
  for (const application of applications) {
    const { mirror, counts } = application.changes
    const { table } = mirror.target
    const moved = counts.filter(({ kind }) => kind === 'm').map(({ shard }) => shard)
    if (table.kind !== 'distributed' || moved.length === 0) continue
    const shards = table.shards.filter(({ index }) => moved.includes(index))
    for (const key of await foreignKeys(run, table)) await follow(run, application, shards, key)
  }
}

/** But those for which DELETE and UPDATE are the same. */
async function foreignKeys(
  { coordinator, context }: Run,
  { oid }: ClusterTable,
): Promise<readonly ForeignKey[]> {
  const names = (numbers: string, relation: string) =>
    `(SELECT pg_catalog.json_agg(a.attname ORDER BY k.ordinality) FROM pg_catalog.unnest(${numbers}) WITH ORDINALITY AS k(n)
      JOIN pg_catalog.pg_attribute a ON a.attrelid = ${relation} AND a.attnum = k.n)`
  const { rows } = await query(
    coordinator,
    `SELECT conname, conrelid, confupdtype, ${names('conkey', 'conrelid')}, ${names('confkey', 'confrelid')}
     FROM pg_catalog.pg_constraint WHERE contype = 'f' AND confrelid = ${oid}
     AND (confdeltype NOT IN ('a', 'r') OR confupdtype NOT IN ('a', 'r')) ORDER BY conname`,
  )
  const tables = [...context.catalog.tables.values()]
  return rows.flatMap(([name = '', childOid, onUpdate = '', columns = '[]', referred = '[]']) => {
    const child = tables.find((table) => table.oid === Number(childOid))
    if (child?.kind !== 'distributed') return []
    return [{ name, child, onUpdate, columns: JSON.parse(columns), referred: JSON.parse(referred) }]
  })
}

async function follow(
  run: Run,
  parent: ChangeApplication,
  shards: readonly Shard[],
  key: ForeignKey,
): Promise<void> {
  const { coordinator, context } = run
  const followers = scratchQualified(scratchName())
  const identity = identityOf(key.child).map(({ name, type }) => `NULL::${type} AS ${name}`)
  const marks = [`NULL::"char" AS pgloom_change`, `NULL::pg_catalog.int4 AS ${SHARD_COLUMN}`]
  const shape = [...marks, ...identity, copiedColumns(key.child)].join(', ')
  const shell = tableName(key.child)
  await query(
    coordinator,
    `CREATE UNLOGGED TABLE ${followers} AS SELECT ${shape} FROM ${shell} WITH NO DATA`,
  )
  let count = 0
  for (const shard of shards) {
    const connection = await context.connection(shard.nodeId, 'write')
    const referring = await referringRows(parent, shard, key, connection)
    const found = await bring(run, connection, followers, referring)
    if (found > 0 && key.onUpdate !== 'c') await letServerSay(parent, shard, key, connection)
    count += found
  }
  const isAlsoChanged = run.applications.some(
    ({ changes }) => changes.mirror.target.table.oid === key.child.oid,
  )
  if (count > 0 && (isAlsoChanged || key.onUpdate !== 'c')) throw cannotFollow(parent, key)
  if (count > 0) run.applications.push(await following(run, key.child, followers, count))
  else await query(coordinator, `DROP TABLE ${followers}`)
}

/** What they become, from where they are. */
async function referringRows(
  parent: ChangeApplication,
  shard: Shard,
  { child, columns, referred }: ForeignKey,
  connection: BackendConnection,
): Promise<string> {
  const { table } = parent.changes.mirror.target
  const moved = await parent.rowsOn(connection)
  const childShard = child.shards[shard.index]
  if (childShard === undefined) throw new Error(`no shard ${shard.index}`)
  const given = child.columns
    .filter(({ isGenerated }) => !isGenerated)
    .map((column) => {
      const parentColumn = referred[columns.indexOf(column.name)]
      if (parentColumn === undefined) return `c.${quoteIdentifier(column.name)}`
      return `n.${quoteIdentifier(parentColumn)}::${assignable(column)}`
    })
  const refers = columns.map(
    (name, index) => `c.${quoteIdentifier(name)} = p.${quoteIdentifier(referred[index] ?? '')}`,
  )
  return `'m'::"char", ${shard.index}::pg_catalog.int4, c.ctid, ${given.join(', ')}
    FROM ${shardName(child, childShard)} AS c JOIN ${shardName(table, shard)} AS p ON ${refers.join(' AND ')}
    JOIN ${moved} AS n ON p.ctid = n.pgloom_ctid
    WHERE n.${SHARD_COLUMN} = ${shard.index} AND n.pgloom_change = 'm' FOR UPDATE OF c`
}

/** What comes into the table of followers is cut and rounded there, as by an assignment. */
function assignable({ typeOid, typeName }: Column): string {
  return typeOid < FIRST_USER_OID ? bareTypeName(typeName) : typeName
}

async function bring(
  { coordinator, context }: Run,
  connection: BackendConnection,
  followers: string,
  rows: string,
): Promise<number> {
  if (connection === coordinator) {
    const { tag } = await query(coordinator, `INSERT INTO ${followers} SELECT ${rows}`)
    return tagCount(tag)
  }
  const copy = `COPY ${followers} FROM STDIN (FORMAT binary)`
  return copyAcross(connection, rows, coordinator, copy, context)
}

/** The same change where the row is: the server has the words for what stands against it. */
async function letServerSay(
  parent: ChangeApplication,
  shard: Shard,
  { referred }: ForeignKey,
  connection: BackendConnection,
): Promise<void> {
  const { table } = parent.changes.mirror.target
  const name = shardName(table as DistributedTable, shard)
  const set = referred.map(quoteIdentifier).map((column) => `${column} = n.${column}`)
  const moved = await parent.rowsOn(connection)
  await parent.write(
    connection,
    `UPDATE ${name} AS p SET ${set.join(', ')} FROM ${moved} AS n
     WHERE p.ctid = n.pgloom_ctid AND n.${SHARD_COLUMN} = ${shard.index} AND n.pgloom_change = 'm'`,
  )
}

async function following(
  { coordinator, context }: Run,
  table: DistributedTable,
  followers: string,
  insertedCount: number,
): Promise<ChangeApplication> {
  const name = scratchName()
  const qualifiedName = scratchQualified(name)
  const columns = copiedColumns(table)
  await query(
    coordinator,
    `CREATE UNLOGGED TABLE ${qualifiedName} AS SELECT ${columns} FROM ${followers}`,
  )
  const alias = { schema: SCRATCH_SCHEMA, name, shownSchema: table.schema, shownName: table.name }
  const identity = identityOf(table)
  const mirror = {
    target: {
      table,
      pins: [],
      isRead: true,
      conflicts: undefined,
      rows: undefined,
      updated: [],
      deletes: false,
    },
    scratch: { oid: 0, qualifiedName, alias },
    rows: {
      name: followers,
      oid: 0,
      alias,
      identity,
      lastCommand: '',
      before: undefined,
      view: undefined,
    },
  }
  const counts = await countChanges(coordinator, followers)
  const changes = { mirror, name: followers, counts, insertedCount, follows: true }
  return new ChangeApplication(changes, coordinator, context)
}

function tableName({ schema, name }: ClusterTable): string {
  return `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`
}

function cannotFollow(parent: ChangeApplication, { name, child }: ForeignKey): RouterError {
  const { table } = parent.changes.mirror.target
  return new RouterError(
    SqlState.featureNotSupported,
    `rows of "${table.name}" cannot move to another shard while foreign key "${name}" of "${child.name}" refers to them and the statement changes those rows too`,
    { hint: 'Change the referring rows in a statement of its own.' },
  )
}
