import type { Catalog } from '../../catalog/catalog.ts'
import { coordinatorOf } from '../../catalog/catalog-lookup.ts'
import { type KeyReader, resolveInsert, resolvePins } from '../../executor/route.ts'
import { routedShard } from '../../executor/routed.ts'
import type { Plan, RoutedStatement, Splice } from '../../planner/plan.ts'
import type { Target } from '../statement-runner.ts'

const NO_SPLICES: readonly Splice[] = []

/** Where a plain statement goes. Reused from statement to statement: valid until the next resolve(). */
export class StatementAim implements Target {
  nodeId = 0
  access: 'read' | 'write' = 'read'
  shardIndex: number | undefined = undefined
  splices: readonly Splice[] = NO_SPLICES

  /** false: not to one connection, or only with preparations. Throws what the statement's keys are refused for. */
  resolve(plan: Plan, catalog: Catalog, keys: KeyReader): boolean {
    switch (plan.kind) {
      case 'local':
        this.nodeId = coordinatorOf(catalog).nodeId
        this.access = plan.isReadOnly ? 'read' : 'write'
        this.shardIndex = undefined
        this.splices = NO_SPLICES
        return true
      case 'select':
      case 'modify':
        return this.#toShard(plan.routed, resolvePins(plan.routed.pins, keys))
      case 'insert-rows':
        return this.#toShard(plan.routed, resolveInsert(plan, keys))
      default:
        return false
    }
  }

  #toShard(routed: RoutedStatement, route: number): boolean {
    const shard = routedShard(routed, route)
    if (shard === undefined) return false
    this.nodeId = shard.nodeId
    this.access = routed.isReadOnly ? 'read' : 'write'
    this.shardIndex = shard.index
    this.splices = routed.splices
    return true
  }
}
