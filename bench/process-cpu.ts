import { readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'

/** Of /proc/PID/stat; 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100
const US_PER_TICK = 1_000_000 / TICKS_PER_SECOND
const KIB_PER_MIB = 1024

/** False where there is no /proc: figures of CPU and memory are left out there. */
export const hasProcessFigures = process.platform === 'linux'

export type CpuTicks = { readonly own: number; readonly reaped: number }

/** Of the text of /proc/PID/stat: own time, and that of children that ended and were waited for. */
export function parseStat(text: string): CpuTicks {
  // The name in parentheses may have spaces and parentheses of its own.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const [user = 0, system = 0, reapedUser = 0, reapedSystem = 0] = fields.slice(11, 15).map(Number)
  return { own: user + system, reaped: reapedUser + reapedSystem }
}

/** Microseconds of CPU of a process and all that descend from it, those that ended included. */
export function treeCpuUs(pid: number): number {
  if (!hasProcessFigures) return 0
  return processTree(pid).reduce((sum, member) => sum + cpuUs(member), 0)
}

/** Microseconds of CPU of children of ours that have ended. */
export function endedChildrenCpuUs(): number {
  if (!hasProcessFigures) return 0
  return parseStat(readFileSync('/proc/self/stat', 'utf8')).reaped * US_PER_TICK
}

/** Microseconds of CPU that the whole machine has been busy. */
export function machineBusyUs(): number {
  if (!hasProcessFigures) return 0
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n')
  return parseBusyTicks(line) * US_PER_TICK
}

/** cpu user nice system idle iowait irq softirq steal guest guest_nice; guests are in user already. */
export function parseBusyTicks(line: string): number {
  const ticks = line.trim().split(/\s+/).slice(1, 9).map(Number)
  const [, , , idle = 0, iowait = 0] = ticks
  return ticks.reduce((sum, value) => sum + value, 0) - idle - iowait
}

/** Microseconds of CPU that the machine could give in `elapsedMs`. */
export function machineCapacityUs(elapsedMs: number): number {
  return elapsedMs * 1000 * availableParallelism()
}

/** Resident memory of a process and all that descend from it. */
export function treeRssMiB(pid: number): number {
  return processTree(pid).reduce((sum, member) => sum + rssMiB(member), 0)
}

function cpuUs(pid: number): number {
  const text = readOr(`/proc/${pid}/stat`)
  if (text === undefined) return 0
  const { own, reaped } = parseStat(text)
  return (own + reaped) * US_PER_TICK
}

function rssMiB(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readOr(`/proc/${pid}/status`) ?? '')?.[1]
  return Number(kib ?? 0) / KIB_PER_MIB
}

function processTree(pid: number): number[] {
  const children = threads(pid).flatMap((thread) => {
    const text = readOr(`/proc/${pid}/task/${thread}/children`) ?? ''
    return text.split(' ').filter(Boolean).map(Number)
  })
  return [pid, ...children.flatMap(processTree)]
}

function threads(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`)
  } catch {
    return []
  }
}

/** Processes end while we look at them. */
function readOr(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
