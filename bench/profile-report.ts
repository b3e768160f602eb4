import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'

/** The part of V8's format that is read. */
export type CpuProfile = {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: {
      readonly functionName: string
      readonly url: string
      readonly lineNumber: number
    }
  }[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

const LINES = 30
/** Time in which nothing was to be done. */
const IDLE = new Set(['(idle)', '(root)'])

/** For each profile in the directory, the functions in which most time was spent, callees not included. */
export function profileReport(directory: string): string {
  const files = readdirSync(directory).filter((file) => file.endsWith('.cpuprofile'))
  return files
    .map((file) => {
      const profile = JSON.parse(readFileSync(join(directory, file), 'utf8')) as CpuProfile
      return `${file}\n${selfTimes(profile).slice(0, LINES).map(line).join('\n')}`
    })
    .join('\n\n')
}

export type SelfTime = { readonly name: string; readonly percent: number }

/** Percent of the time that the process was busy, most first. */
export function selfTimes({ nodes, samples, timeDeltas }: CpuProfile): SelfTime[] {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]))
  const times = new Map<string, number>()
  samples.forEach((id, index) => {
    const name = names.get(id) ?? ''
    if (!IDLE.has(name)) times.set(name, (times.get(name) ?? 0) + (timeDeltas[index] ?? 0))
  })
  const total = [...times.values()].reduce((sum, time) => sum + time, 0)
  return [...times]
    .map(([name, time]) => ({ name, percent: (100 * time) / total }))
    .sort((a, b) => b.percent - a.percent)
}

function nameOf({
  functionName,
  url,
  lineNumber,
}: CpuProfile['nodes'][number]['callFrame']): string {
  const name = functionName === '' ? '(anonymous)' : functionName
  return url === '' ? name : `${name} ${basename(url)}:${lineNumber + 1}`
}

function line({ name, percent }: SelfTime): string {
  return `${percent.toFixed(1).padStart(6)} %  ${name}`
}
