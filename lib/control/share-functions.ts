import type { BackendConnection } from '../backend/backend-connection.ts'
import { RouterError } from '../base/errors.ts'
import type { ClusterNode } from '../catalog/catalog.ts'
import { query } from '../executor/node-client.ts'
import { type CommandRun, runAll } from './command-run.ts'
import { createSchemaSql } from './create-schema-sql.ts'
import {
  describeFunctions,
  type FunctionDescription,
  type FunctionNames,
  functionNames,
  withoutPath,
} from './function-description.ts'
import { quoteIdentifier } from './shard-schema.ts'
import { ensureTypesOn } from './share-types.ts'
import { describeTypes, type TypeDescription } from './type-description.ts'

/** What is to be made on nodes, with the types that it needs there first. */
export type SharedFunction = FunctionDescription & { readonly types: readonly TypeDescription[] }

export async function functionsToShare(
  { coordinator }: CommandRun,
  oids: readonly number[],
): Promise<readonly SharedFunction[]> {
  const shared: SharedFunction[] = []
  for (const described of await describeFunctions(coordinator, oids)) {
    const { typeOids } = described
    const types = typeOids.length === 0 ? [] : await describeTypes(coordinator, typeOids)
    // row types come with their tables
    shared.push({ ...described, types: types.filter((type) => !isRowType(type)) })
  }
  return shared
}

function isRowType({ relationKind }: TypeDescription): boolean {
  return relationKind !== null && relationKind !== 'c'
}

/**
 * All functions of the coordinator, for nodes that don't have them or have others. What a node can't have it is left without: its
 * statements then run where the function is. Returns what failed, by signature.
 */
export async function shareFunctions(
  run: CommandRun,
  nodes: readonly ClusterNode[],
): Promise<ReadonlyMap<string, RouterError>> {
  const failures = new Map<string, RouterError>()
  const own = await functionNames(run.coordinator)
  if (own.length === 0 || nodes.length === 0) return failures
  for (const { nodeId } of nodes) {
    const node = await run.on(nodeId)
    const there = new Set((await functionNames(node)).map(({ digest }) => digest))
    const missing = own.filter(({ digest }) => !there.has(digest)).map(({ oid }) => oid)
    for (const shared of await functionsToShare(run, missing)) {
      const failure = await shareFunction(node, shared)
      if (failure !== undefined) failures.set(shared.signature, failure)
    }
  }
  return failures
}

/**
 * Makes the function there as it is on the coordinator. Returns why that can't be: then the node has none of that name and
 * arguments. Throws where it has one that is in use and can't be replaced.
 */
export async function shareFunction(
  node: BackendConnection,
  shared: SharedFunction,
): Promise<RouterError | undefined> {
  const make = () => makeFunction(node, shared)
  const failure = await attempt(node, make)
  if (failure === undefined) return undefined
  // another result type, other names of arguments: only what past proxies was made is
  const drop = () => runAll(node, [`DROP ROUTINE IF EXISTS ${shared.signature}`])
  if ((await describeThere(node, shared)).length === 0) return failure
  await drop()
  return attempt(node, make)
}

async function makeFunction(node: BackendConnection, shared: SharedFunction): Promise<void> {
  const { schema, signature, types, definition, owner } = shared
  await runAll(node, createSchemaSql(schema))
  await ensureTypesOn(node, types)
  await withoutPath(node, async () => {
    const { rows } = await query(
      node,
      "SELECT current_setting('check_function_bodies'), set_config('check_function_bodies', 'off', true)",
    )
    await runAll(node, [definition])
    await query(node, "SELECT set_config('check_function_bodies', $1, true)", [
      rows[0]?.[0] ?? 'on',
    ])
  })
  const [there] = await describeThere(node, shared)
  const isOwned = there?.owner === owner
  await runAll(node, [
    ...(isOwned ? [] : [`ALTER ROUTINE ${signature} OWNER TO ${quoteIdentifier(owner)}`]),
    ...(there === undefined ? [] : grantsSql(shared, there)),
  ])
}

async function describeThere(
  node: BackendConnection,
  { name, signature }: FunctionNames,
): Promise<readonly FunctionDescription[]> {
  const all = await functionNames(node, name)
  const oids = all.filter((one) => one.signature === signature).map(({ oid }) => oid)
  return describeFunctions(node, oids)
}

function grantsSql(wanted: FunctionDescription, there: FunctionDescription): readonly string[] {
  if (JSON.stringify(wanted.grants) === JSON.stringify(there.grants)) return []
  const { signature } = wanted
  const nameOf = (role: string | null) => (role === null ? 'PUBLIC' : quoteIdentifier(role))
  return [
    ...there.grants.map(({ role }) => `REVOKE ALL ON ROUTINE ${signature} FROM ${nameOf(role)}`),
    ...wanted.grants.map(
      ({ role, isGrantable }) =>
        `GRANT EXECUTE ON ROUTINE ${signature} TO ${nameOf(role)}${isGrantable && role !== null && role !== wanted.owner ? ' WITH GRANT OPTION' : ''}`,
    ),
  ]
}

/** The error, if the server refused; nothing of it is left then. */
export async function attempt(
  connection: BackendConnection,
  work: () => Promise<void>,
): Promise<RouterError | undefined> {
  await query(connection, 'SAVEPOINT pgloom_function')
  try {
    await work()
    await query(connection, 'RELEASE SAVEPOINT pgloom_function')
    return undefined
  } catch (error) {
    if (!(error instanceof RouterError) || connection.state === 'closed') throw error
    await query(
      connection,
      'ROLLBACK TO SAVEPOINT pgloom_function; RELEASE SAVEPOINT pgloom_function',
    )
    return error
  }
}
