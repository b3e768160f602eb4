import type { Lane } from '../../backend/lane.ts'
import { type LaneGroup, lanesOf } from '../../backend/lane-group.ts'
import type { Catalog } from '../../catalog/catalog.ts'
import { type LenderOptions, synchronise } from './connection-lender.ts'

export type LaneLenderOptions = Pick<
  LenderOptions,
  'pools' | 'catalog' | 'database' | 'user' | 'settings'
>

/** Finds one session the lanes that hold its settings. */
export class LaneLender {
  readonly #options: LaneLenderOptions
  /** By node id, of #groupsOf. */
  readonly #groups: (LaneGroup | undefined)[] = []
  #groupsOf: Catalog | undefined

  constructor(options: LaneLenderOptions) {
    this.#options = options
  }

  /** undefined: none takes a statement now, or one is being opened. See LaneGroup. */
  take(nodeId: number, nowMs: number, patienceMs: number): Lane | undefined {
    return this.#group(nodeId)?.take(this.#options.settings.session, nowMs, patienceMs)
  }

  #group(nodeId: number): LaneGroup | undefined {
    const catalog = this.#options.catalog.current()
    if (catalog !== this.#groupsOf) {
      this.#groups.length = 0
      this.#groupsOf = catalog
    }
    const known = this.#groups[nodeId]
    if (known !== undefined && !known.isEmpty) return known
    const node = catalog.nodes.find((one) => one.nodeId === nodeId)
    if (node === undefined) return undefined
    const { pools, database, user } = this.#options
    const group = lanesOf(pools.get(node, database, user), synchronise)
    this.#groups[nodeId] = group
    return group
  }
}
