import type { BackendConnection } from '../backend/backend-connection.ts'
import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import { query } from '../executor/node-client.ts'
import type { FunctionResult } from '../executor/ports.ts'
import { activeNodes, type CommandRun, tableByOid, workersOf } from './command-run.ts'
import { type ArgumentValues, oidArgument, textArgument } from './function-arguments.ts'
import { quoteQualified } from './shard-schema.ts'

const TEXT = { typeOid: 25, typeSize: -1 }
const INT = { typeOid: 23, typeSize: 4 }
const BIGINT = { typeOid: 20, typeSize: 8 }
const BOOL = { typeOid: 16, typeSize: 1 }
const OUTCOME = [
  { name: 'success', ...BOOL },
  { name: 'result', ...TEXT },
]

type Outcome = readonly [success: string, result: string]

/** As in Citus, each command is its own transaction on a connection of its own, outside the client's. */
async function outcomeOf(
  connecting: Promise<BackendConnection>,
  command: string,
): Promise<Outcome> {
  try {
    const connection = await connecting
    const { rows, tag } = await query(connection, command)
    return ['t', rows[0]?.[0] ?? (rows.length > 0 ? '' : tag)]
  } catch (error) {
    if (!(error instanceof RouterError)) throw error
    return ['f', `ERROR: ${error.message}`]
  }
}

export async function runCommandOnWorkers(
  run: CommandRun,
  values: ArgumentValues,
): Promise<FunctionResult> {
  const command = textArgument(values, 'command')
  const catalog = await run.catalog()
  const workers = workersOf(catalog)
  const nodes = workers.length > 0 ? workers : activeNodes(catalog)
  const rows = await Promise.all(
    nodes.map(async ({ nodeId, host, port }) => [
      host,
      String(port),
      ...(await outcomeOf(run.context.sideConnection(nodeId), command)),
    ]),
  )
  return {
    columns: [{ name: 'nodename', ...TEXT }, { name: 'nodeport', ...INT }, ...OUTCOME],
    rows,
  }
}

export async function runCommandOnNodes(
  run: CommandRun,
  values: ArgumentValues,
  isMeant: (groupId: number) => boolean,
): Promise<FunctionResult> {
  const command = textArgument(values, 'command')
  const nodes = activeNodes(await run.catalog()).filter(({ groupId }) => isMeant(groupId))
  const rows = await Promise.all(
    nodes.map(async ({ nodeId }) => [
      String(nodeId),
      ...(await outcomeOf(run.context.sideConnection(nodeId), command)),
    ]),
  )
  return { columns: [{ name: 'nodeid', ...INT }, ...OUTCOME], rows }
}

/** `%s` in the command stands for the shard's qualified name. One shard after the other on each node. */
export async function runCommandOnShards(
  run: CommandRun,
  values: ArgumentValues,
): Promise<FunctionResult> {
  const command = textArgument(values, 'command')
  const catalog = await run.catalog()
  const table = tableByOid(catalog, oidArgument(values, 'table_name'))
  if (table === undefined) {
    throw new RouterError(SqlState.invalidParameterValue, 'the table is not a distributed table')
  }
  const coordinatorId = run.coordinator.node.nodeId
  const shards =
    table.kind === 'distributed'
      ? table.shards
      : [{ shardId: table.shardId, nodeId: coordinatorId, schema: table.schema }]
  const rows: (readonly string[])[] = []
  const connections = new Map<number, Promise<BackendConnection>>()
  for (const { shardId, nodeId, schema } of shards) {
    const name = quoteQualified(schema, table.name)
    const text = command.replaceAll('%s', () => name)
    const connection = connections.get(nodeId) ?? run.context.sideConnection(nodeId)
    connections.set(nodeId, connection)
    rows.push([String(shardId), ...(await outcomeOf(connection, text))])
  }
  return { columns: [{ name: 'shardid', ...BIGINT }, ...OUTCOME], rows }
}
