import { StatementTimes } from '../../backend/service-time.ts'
import type { Plan } from '../../planner/plan.ts'
import type { PointRead } from './point-read.ts'

/** What the fast path needs to know of a plan, found out once. Shared by all statements of one shape. */
export class StatementConduct {
  /** Nothing is to be done before, besides or after it: it is sent, its answer is passed on. */
  readonly isPlain: boolean
  /** It leaves nothing behind and waits for nobody: others' statements may stand in line with it. */
  readonly isSociable: boolean
  /** Its shard depends on values. */
  readonly isRouted: boolean
  readonly times = new StatementTimes()
  /** How it is sent for simple clients outside of blocks; undefined: as it is. */
  readonly pointRead: PointRead | undefined

  constructor(plan: Plan, pointRead?: PointRead) {
    this.isPlain = isPlain(plan)
    this.isSociable = isSociable(plan)
    this.isRouted = plan.kind !== 'local'
    this.pointRead = this.isPlain && this.isSociable ? pointRead : undefined
  }
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
