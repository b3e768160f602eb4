import type { Shard } from '../catalog/catalog.ts'
import type { RoutedStatement } from '../planner/plan.ts'
import type { CommandTag, Execution, StatementContext } from './ports.ts'
import { PositionMap } from './relay/position-map.ts'
import { relayOn } from './relay/relay-on.ts'
import { shardAt } from './relay/splice-writer.ts'
import { MANY, NONE, type Route } from './route.ts'
import { ShardStatement } from './shard-statement.ts'

/** The shard of a statement that all pins lead to; undefined: they don't agree. */
export function routedShard({ pins }: RoutedStatement, route: Route): Shard | undefined {
  const table = pins[0]?.table
  if (route === MANY || table === undefined) return undefined
  return shardAt({ table }, route === NONE ? 0 : route)
}

/** Runs the client's own text on one shard. */
export async function runRouted(
  routed: RoutedStatement,
  shard: Shard,
  execution: Execution,
  context: StatementContext,
): Promise<CommandTag> {
  const positions = new PositionMap()
  const statement = new ShardStatement(execution.text, routed.splices)
  const text = statement.textFor(shard.index, positions, execution.positionBase)
  const access = routed.isReadOnly ? 'read' : 'write'
  return relayOn(shard.nodeId, access, { ...execution, text }, positions, context)
}
