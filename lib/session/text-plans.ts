import { LruMap } from '../base/lru-map.ts'
import { mayNameMoment } from '../sql/moment-literal.ts'
import type { PlannedStatement, PlanningWorld } from './statement-planner.ts'

const MAX_PLANS = 256
const MAX_TEXT_BYTES = 4096

/** They depend on nothing but the text and the world; what else is planned is rare, or says something of its moment. */
const KEPT: ReadonlySet<string> = new Set(['select', 'modify', 'insert-rows', 'unique-write'])

/**
 * Plans by text, letter for letter, of what isn't routed to one shard: its plan holds for no other literals. Drivers that prepare
 * each statement anew, and dashboards, send the same text again and again. Shared by all sessions of one database.
 */
export class TextPlans {
  readonly #plans = new LruMap<string, PlannedStatement>(MAX_PLANS)
  /** Servers must parse them each time. */
  readonly #ofMoment = new WeakSet<PlannedStatement>()

  find(text: Buffer, world: PlanningWorld): PlannedStatement | undefined {
    if (text.length > MAX_TEXT_BYTES || !isCommon(world)) return undefined
    const known = this.#plans.get(text.toString('latin1'))
    const isCurrent = known?.catalog === world.catalog && known.searchPath === world.searchPath
    if (!isCurrent) return undefined
    if (known.plan.kind === 'select' && !this.#ofMoment.has(known)) known.conduct.usedAgain()
    return known
  }

  /** No effect unless it holds for whoever sends the text. */
  keep(planned: PlannedStatement, world: PlanningWorld): void {
    const { text, base, plan, views } = planned
    if (base > 0 || views.length > 0 || !KEPT.has(plan.kind) || !planned.isOwn) return
    if (text.length > MAX_TEXT_BYTES || !isCommon(world)) return
    this.#plans.set(text.toString('latin1'), planned)
    if (mayNameMoment(text)) this.#ofMoment.add(planned)
  }
}

/** Nothing in it is one session's own. */
function isCommon({ isShared, temporaryNames, temporaryViews }: PlanningWorld): boolean {
  return isShared && temporaryNames.size === 0 && (temporaryViews?.size ?? 0) === 0
}
