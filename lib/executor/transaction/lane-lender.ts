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
  readonly #groups = new Map<number, LaneGroup>()
  #catalog: Catalog | undefined
  /** Found last. */
  #lastNodeId = 0
  #last: LaneGroup | undefined

  constructor(options: LaneLenderOptions) {
    this.#options = options
  }

  /** undefined: none takes a statement now, or one is being opened. See LaneGroup. */
  take(nodeId: number, nowMs: number, patienceMs: number): Lane | undefined {
    return this.#group(nodeId)?.take(this.#options.settings.session, nowMs, patienceMs)
  }

  #group(nodeId: number): LaneGroup | undefined {
    const catalog = this.#options.catalog.current()
    if (catalog !== this.#catalog) {
      this.#catalog = catalog
      this.#groups.clear()
      this.#last = undefined
    }
    if (nodeId !== this.#lastNodeId) this.#last = this.#groups.get(nodeId)
    this.#lastNodeId = nodeId
    if (this.#last !== undefined && !this.#last.isEmpty) return this.#last
    const node = catalog.nodes.find((one) => one.nodeId === nodeId)
    if (node === undefined) return undefined
    const { pools, database, user } = this.#options
    const group = lanesOf(pools.get(node, database, user), synchronise)
    this.#groups.set(nodeId, group)
    this.#last = group
    return group
  }
}
