import type { Catalog } from '../../catalog/catalog.ts'
import { coordinatorOf } from '../../catalog/catalog-lookup.ts'
import { type KeyReader, resolveInsert, resolvePins } from '../../executor/route.ts'
import { routedShard } from '../../executor/routed.ts'
import type { RoutedStatement, Splice } from '../../planner/plan.ts'
import type { Target } from '../statement-runner.ts'
import type { StatementConduct } from './statement-conduct.ts'

const NO_SPLICES: readonly Splice[] = []

/** Where a plain statement goes. Reused from statement to statement: valid until the next resolve(). */
export class StatementAim implements Target {
  nodeId = 0
  access: 'read' | 'write' = 'read'
  shardIndex: number | undefined = undefined
  splices: readonly Splice[] = NO_SPLICES

  /** false: not to one connection, or only with preparations. Throws what the statement's keys are refused for. */
  resolve(conduct: StatementConduct, catalog: Catalog, keys: KeyReader): boolean {
    const { routed, insert, isLocal } = conduct
    if (routed !== undefined) {
      const route =
        insert === undefined ? resolvePins(routed.pins, keys) : resolveInsert(insert, keys)
      return this.#toShard(routed, route)
    }
    if (!isLocal) return false
    this.nodeId = coordinatorOf(catalog).nodeId
    this.access = conduct.isReadOnly ? 'read' : 'write'
    this.shardIndex = undefined
    this.splices = NO_SPLICES
    return true
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
