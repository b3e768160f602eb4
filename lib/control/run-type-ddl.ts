import type { BackendConnection } from '../backend/backend-connection.ts'
import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { ClusterNode } from '../catalog/catalog.ts'
import { query } from '../executor/node-client.ts'
import type { CommandTag } from '../executor/ports.ts'
import type { DdlPlan, ObjectName } from '../planner/plan.ts'
import { type CommandRun, runAll, workersOf } from './command-run.ts'
import { refuseNewHashes } from './key-types.ts'
import { quoteIdentifier, quoteQualified } from './shard-schema.ts'
import { shareParts, typeOidOf } from './share-types.ts'

type QualifiedName = { readonly schema: string; readonly name: string }

/** ALTER or DROP of types: on the coordinator, then on each node that has them, under the same names. */
export async function runTypeDdl(
  run: CommandRun,
  plan: DdlPlan,
  text: string,
): Promise<CommandTag> {
  const { typeNames = [], command } = plan
  const types: QualifiedName[] = []
  for (const written of typeNames) {
    const found = await resolve(run.coordinator, written)
    if (found !== undefined) types.push(found)
  }
  for (const type of plan.changesValues === true ? types : []) {
    await refuseNewHashes(run.coordinator, type)
  }
  const workers = workersOf(await run.catalog())
  const path = (await run.value("SELECT pg_catalog.current_setting('search_path')")) ?? ''
  const { tag } = await query(run.coordinator, text)
  const holders = await holdersOf(run, types, workers)
  for (const type of command === 'DROP TYPE' ? [] : types) await shareParts(run, type, holders)
  await run.onEach(holders, async (connection) => {
    const there = await typesThere(connection, types)
    if (command === 'DROP TYPE') await dropThere(connection, there, text)
    else await alterThere(connection, there, typeNames, path, text)
  })
  return tag
}

async function holdersOf(
  run: CommandRun,
  types: readonly QualifiedName[],
  nodes: readonly ClusterNode[],
): Promise<readonly ClusterNode[]> {
  const holders: ClusterNode[] = []
  for (const node of nodes) {
    if ((await typesThere(await run.on(node.nodeId), types)).length > 0) holders.push(node)
  }
  return holders
}

async function typesThere(
  connection: BackendConnection,
  types: readonly QualifiedName[],
): Promise<readonly QualifiedName[]> {
  const there: QualifiedName[] = []
  for (const type of types) {
    if ((await typeOidOf(connection, type)) !== undefined) there.push(type)
  }
  return there
}

/** undefined: there is no such type, as the statement itself will say. */
async function resolve(
  connection: BackendConnection,
  { schema, name }: ObjectName,
): Promise<QualifiedName | undefined> {
  const written = schema === undefined ? quoteIdentifier(name) : quoteQualified(schema, name)
  const { rows } = await query(
    connection,
    `SELECT n.nspname, t.typname FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
     WHERE t.oid = pg_catalog.to_regtype($1)`,
    [written],
  )
  const [foundSchema, foundName] = rows[0] ?? []
  if (foundSchema === undefined || foundName === undefined) return undefined
  return { schema: foundSchema, name: foundName }
}

/** What uses the type there is the shards' and goes with the tables; CASCADE would take columns of shells only. */
async function dropThere(
  connection: BackendConnection,
  types: readonly QualifiedName[],
  text: string,
): Promise<void> {
  if (/\bcascade\s*;?\s*$/i.test(text)) {
    throw new RouterError(
      SqlState.featureNotSupported,
      'DROP … CASCADE is not supported for types that distributed or reference tables have used',
      { hint: 'Drop what uses the type first, then the type without CASCADE.' },
    )
  }
  await runAll(
    connection,
    types.map(({ schema, name }) => `DROP TYPE ${quoteQualified(schema, name)}`),
  )
}

async function alterThere(
  connection: BackendConnection,
  types: readonly QualifiedName[],
  typeNames: readonly ObjectName[],
  path: string,
  text: string,
): Promise<void> {
  await query(connection, "SELECT pg_catalog.set_config('search_path', $1, true)", [path])
  const [written] = typeNames
  const [type] = types
  const same = written === undefined ? undefined : await resolve(connection, written)
  if (same === undefined || same.schema !== type?.schema || same.name !== type.name) {
    throw new RouterError(
      SqlState.featureNotSupported,
      'the name of the type means another one on other nodes',
      { hint: 'Write the name with its schema.' },
    )
  }
  await query(connection, text)
}
