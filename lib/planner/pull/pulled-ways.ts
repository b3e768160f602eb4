import type { BroadcastChoice } from './broadcast-plans.ts'
import type { KeyReductions } from './key-reductions.ts'
import type { ValuesFirst } from './value-plans.ts'

/** Better ways to the answer of a pulled statement. Pure; absent: none is known. */
export type PulledWays = {
  /** Before any other. undefined: no subquery gives values. */
  readonly values?: () => ValuesFirst | undefined
  readonly broadcasts?: () => readonly BroadcastChoice[]
  /** Which rows of some pulls have partners in others. */
  readonly reductions?: () => KeyReductions
}
