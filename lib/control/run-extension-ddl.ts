import type { BackendConnection } from '../backend/backend-connection.ts'
import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { ClusterNode } from '../catalog/catalog.ts'
import { query } from '../executor/node-client.ts'
import type { CommandTag } from '../executor/ports.ts'
import type { DdlPlan } from '../planner/plan.ts'
import { type CommandRun, runAll, workersOf } from './command-run.ts'
import { createSchemaSql } from './create-schema-sql.ts'
import { quoteIdentifier, quoteLiteral } from './shard-schema.ts'

/**
 * CREATE, ALTER and DROP EXTENSION, on the coordinator and then on every worker: shards need its types, functions and operator
 * classes there, under the same names.
 */
export async function runExtensionDdl(
  run: CommandRun,
  { extensionNames = [], command }: DdlPlan,
  text: string,
): Promise<CommandTag> {
  const workers = workersOf(await run.catalog())
  const isDropped = command === 'DROP EXTENSION'
  if (isDropped && /\bcascade\s*;?\s*$/i.test(text)) await refuseCascade(run, extensionNames)
  const { tag } = await query(run.coordinator, text)
  if (command === 'ALTER EXTENSION') {
    await alterThere(run, workers, extensionNames)
    return tag
  }
  const there: string[] = []
  for (const name of extensionNames) {
    const quoted = quoteIdentifier(name)
    there.push(
      ...(isDropped ? [`DROP EXTENSION IF EXISTS ${quoted}`] : await creation(run, name, quoted)),
    )
  }
  await run.onEach(workers, async (connection) => {
    const failure = await attempt(connection, there)
    if (failure === undefined) return
    if (isDropped) throw failure
    tellFailure(run, connection, failure)
  })
  return tag
}

/** All that the coordinator has, on a node that is new. */
export async function createExtensions(run: CommandRun, node: BackendConnection): Promise<void> {
  const { rows } = await query(
    run.coordinator,
    "SELECT extname FROM pg_catalog.pg_extension WHERE extname <> 'plpgsql' ORDER BY oid",
  )
  for (const [name = ''] of rows) {
    const failure = await attempt(node, await creation(run, name, quoteIdentifier(name)))
    if (failure !== undefined) tellFailure(run, node, failure)
  }
}

function tellFailure(run: CommandRun, { node }: BackendConnection, failure: RouterError): void {
  run.notice(`the extension could not be created on ${node.host}:${node.port}`, failure.message)
}

type Extension = { readonly schema: string; readonly version: string }

async function extensionOn(
  connection: BackendConnection,
  name: string,
): Promise<Extension | undefined> {
  const { rows } = await query(
    connection,
    `SELECT n.nspname, e.extversion FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
     WHERE e.extname = ${quoteLiteral(name)}`,
  )
  const [schema, version] = rows[0] ?? []
  return schema === undefined || version === undefined ? undefined : { schema, version }
}

/** Made what it has become on the coordinator; a node that can't follow undoes it all. */
async function alterThere(
  run: CommandRun,
  workers: readonly ClusterNode[],
  names: readonly string[],
): Promise<void> {
  for (const name of names) {
    const wanted = await extensionOn(run.coordinator, name)
    const quoted = quoteIdentifier(name)
    if (wanted === undefined) continue
    await run.onEach(workers, async (connection) => {
      const found = await extensionOn(connection, name)
      if (found === undefined) return
      const { schema, version } = wanted
      const moved = `ALTER EXTENSION ${quoted} SET SCHEMA ${quoteIdentifier(schema)}`
      const updated = `ALTER EXTENSION ${quoted} UPDATE TO ${quoteLiteral(version)}`
      await runAll(connection, [
        ...(found.schema === schema ? [] : [...createSchemaSql(schema), moved]),
        ...(found.version === version ? [] : [updated]),
      ])
    })
  }
}

async function creation(run: CommandRun, name: string, quoted: string): Promise<readonly string[]> {
  const found = await extensionOn(run.coordinator, name)
  if (found === undefined) return []
  const { schema, version } = found
  return [
    ...(schema === 'pg_catalog' ? [] : createSchemaSql(schema)),
    `CREATE EXTENSION IF NOT EXISTS ${quoted} WITH SCHEMA ${quoteIdentifier(schema)} VERSION ${quoteLiteral(version)} CASCADE`,
  ]
}

/** The error, if the server refused; nothing of it is left then. */
async function attempt(
  connection: BackendConnection,
  statements: readonly string[],
): Promise<RouterError | undefined> {
  await query(connection, 'SAVEPOINT pgloom_extension')
  try {
    await runAll(connection, statements)
    await query(connection, 'RELEASE SAVEPOINT pgloom_extension')
    return undefined
  } catch (error) {
    if (!(error instanceof RouterError) || connection.state === 'closed') throw error
    await query(
      connection,
      'ROLLBACK TO SAVEPOINT pgloom_extension; RELEASE SAVEPOINT pgloom_extension',
    )
    return error
  }
}

/** It would take columns of shells and leave those of shards. */
async function refuseCascade(run: CommandRun, names: readonly string[]): Promise<void> {
  const list = names.map(quoteLiteral).join(', ')
  const isUsed = await run.value(
    `SELECT EXISTS (SELECT FROM pgloom.pg_dist_partition p JOIN pg_catalog.pg_attribute a ON a.attrelid = p.logicalrelid
       JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.objid = a.atttypid AND d.deptype = 'e'
       JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid WHERE e.extname IN (${list}) AND NOT a.attisdropped)
     OR EXISTS (SELECT FROM pgloom.pg_dist_partition p JOIN pg_catalog.pg_index i ON i.indrelid = p.logicalrelid
       CROSS JOIN LATERAL pg_catalog.unnest(i.indclass) c (oid)
       JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_opclass'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e'
       JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid WHERE e.extname IN (${list}))`,
  )
  if (isUsed !== 't') return
  throw new RouterError(
    SqlState.featureNotSupported,
    'DROP EXTENSION … CASCADE is not supported for extensions that distributed or reference tables use',
    { hint: 'Drop the columns and indexes that use it first, then the extension without CASCADE.' },
  )
}
