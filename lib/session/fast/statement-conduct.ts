import { StatementTimes } from '../../backend/service-time.ts'
import type { InsertRowsPlan, Plan, RoutedStatement, SessionCommand } from '../../planner/plan.ts'
import type { PointRead } from './point-read.ts'
import type { ScatterRead } from './scatter-read.ts'
import { SharedTexts } from './server-text.ts'

/** As Postgres plans a statement five times before it thinks of a plan for all values. */
const REPEATED_USES = 5

/**
 * What the fast path needs to know of a plan, found out once: plans are of many shapes, and to ask one of any shape is slow.
 * Shared by all statements of one shape.
 */
export class StatementConduct {
  /** Nothing is to be done before, besides or after it: it is sent, its answer is passed on. */
  readonly isPlain: boolean
  /** It leaves nothing behind and waits for nobody: others' statements may stand in line with it. */
  readonly isSociable: boolean
  /** It is the session's own to carry out. */
  readonly command: SessionCommand | undefined
  /** It goes to the coordinator as it is. */
  readonly isLocal: boolean
  readonly isReadOnly: boolean
  /** It may go to one shard, which depends on values. */
  readonly routed: RoutedStatement | undefined
  /** Its rows' keys say where it goes. */
  readonly insert: InsertRowsPlan | undefined
  /** What doesn't go to one shard may go to several at once. */
  readonly fansOut: boolean
  readonly times = new StatementTimes()
  readonly texts = new SharedTexts()
  #uses = 0
  /** As statistics show it; undefined: nobody has tracked it yet. */
  shownText: string | undefined = undefined
  /** How it is sent for simple clients outside of blocks; undefined: as it is. */
  readonly pointRead: PointRead | undefined
  /** The same where it goes to several shards. */
  readonly scatterRead: ScatterRead | undefined

  constructor(plan: Plan, pointRead?: PointRead, scatterRead?: ScatterRead) {
    this.isPlain = isPlain(plan)
    this.isSociable = isSociable(plan)
    this.command = plan.kind === 'session' ? plan.command : undefined
    this.isLocal = plan.kind === 'local'
    this.insert = plan.kind === 'insert-rows' ? plan : undefined
    this.fansOut = plan.kind === 'select'
    this.routed = routedOf(plan)
    this.isReadOnly = plan.kind === 'local' ? plan.isReadOnly : this.routed?.isReadOnly === true
    this.pointRead = this.isPlain && this.isSociable ? pointRead : undefined
    this.scatterRead = this.isPlain && this.isSociable ? scatterRead : undefined
  }

  /** The very same text, of a SELECT that servers may keep prepared, has come again, and its plan was kept. */
  usedAgain(): void {
    this.#uses++
  }

  /** It has come so often that servers may keep it prepared. */
  get isRepeated(): boolean {
    return this.#uses >= REPEATED_USES
  }
}

function routedOf(plan: Plan): RoutedStatement | undefined {
  const isRouted = plan.kind === 'select' || plan.kind === 'modify' || plan.kind === 'insert-rows'
  return isRouted ? plan.routed : undefined
}

function isPlain(plan: Plan): boolean {
  switch (plan.kind) {
    case 'local':
      return (
        plan.replacements.length === 0 &&
        !(plan.refreshesSizes || plan.changesCatalog || plan.runsCode) &&
        plan.readsSequences === 'none' &&
        plan.sessionViews.length === 0 &&
        plan.setsSettings.length === 0 &&
        plan.pin === undefined &&
        plan.cursor === undefined
      )
    case 'select':
    case 'insert-rows':
      return !plan.routed.runsCode
    case 'modify':
      return !plan.routed.runsCode && plan.currentOf === undefined
    default:
      return false
  }
}

function isSociable(plan: Plan): boolean {
  if (plan.kind === 'local') return plan.isReadOnly
  return plan.kind === 'select' && plan.routed.isReadOnly
}
