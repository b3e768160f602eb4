import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'

/** The command line of a living process, words joined by spaces; undefined when it has ended (a zombie has). */
export function commandLine(pid: number): string | undefined {
  try {
    const words = existsSync('/proc/self/cmdline')
      ? readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
      : execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' }).trim()
    return words === '' ? undefined : words
  } catch {
    return undefined
  }
}

/**
 * Tells a process from a later one with the same PID: its start in clock ticks since boot. Empty where the system doesn't
 * say; then the PID alone must do.
 */
export function startTime(pid: number): string {
  try {
    const status = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name in parentheses may hold anything; field 22 is the 20th after it.
    return status.slice(status.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  } catch {
    return ''
  }
}

export function isAlive(pid: number): boolean {
  return commandLine(pid) !== undefined
}
