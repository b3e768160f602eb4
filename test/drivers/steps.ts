import { readFileSync } from 'node:fs'
import { projectPath } from '../support/project.ts'

/** One step that every driver runs in its own way; see steps.json. */
export type Step = {
  readonly sql: string
  /** A type's name and a value; what the driver makes of it is its own affair. */
  readonly parameters?: readonly (readonly [string, string | number | boolean | null])[]
  readonly repeat?: number
}

/** What a driver made of one answer; compared as JSON. */
export type Line = unknown

export const STEPS_FILE = projectPath('test', 'drivers', 'steps.json')

export function readSteps(): readonly Step[] {
  return JSON.parse(readFileSync(STEPS_FILE, 'utf8'))
}

/** Values as JavaScript drivers take them. */
export function stepParameters(step: Step): (string | number | boolean | null | Buffer)[] {
  return (step.parameters ?? []).map(([type, value]) => {
    if (type === 'bytes') return Buffer.from(String(value), 'hex')
    // JSON can't carry it exactly, and both drivers take text.
    return type === 'bigint' ? String(value) : value
  })
}
