import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { runAs, type ServerAccount, serverAccount } from '../lib/embedded/server-account.ts'
import { Watchdog } from '../lib/embedded/watchdog.ts'

const POLL_MS = 20
const STOP_MS = 10_000

/** What the watchdogs do when we are killed: end what we started. One for each account, as it can end only its own. */
const watchdogs = new Map<string, Watchdog>()
const running = new Set<ChildProcess>()

/** A program of a system under test, as ourselves or as `account`; it doesn't outlive us, however we end. */
export function startChild(
  file: string,
  args: readonly string[],
  options: SpawnOptions,
  account?: ServerAccount,
): ChildProcess {
  const child = spawn(file, args, { ...options, ...runAs(account), cwd: '/' })
  const pid = child.pid
  if (pid === undefined) return child
  const watchdog = watchdogOf(account)
  watchdog.watch(pid)
  running.add(child)
  child.once('exit', () => {
    watchdog.forget(pid)
    running.delete(child)
  })
  return child
}

/** Kept too, so that it is ended with us: a pgbench or reader that is waited for. */
export function keepChild(child: ChildProcess): void {
  running.add(child)
  child.once('exit', () => running.delete(child))
}

/** SIGTERM, and after 10 s SIGKILL. Returns when it has ended. */
export async function stopChild(child: ChildProcess, first: NodeJS.Signals): Promise<void> {
  for (const signal of [first, 'SIGKILL'] as const) {
    child.kill(signal)
    const deadline = Date.now() + STOP_MS
    while (Date.now() < deadline) {
      if (child.exitCode !== null || child.signalCode !== null) return
      await delay(POLL_MS)
    }
  }
}

/** At once, for an end that can't wait. */
export function killChildren(): void {
  for (const child of running) child.kill('SIGKILL')
}

export function closeWatchdogs(): void {
  for (const watchdog of watchdogs.values()) watchdog.close()
  watchdogs.clear()
}

/** Programs that refuse to run as root run as this; undefined: as ourselves. */
export function unprivilegedAccount(): ServerAccount | undefined {
  return serverAccount()
}

function watchdogOf(account: ServerAccount | undefined): Watchdog {
  const name = account?.name ?? ''
  const known = watchdogs.get(name) ?? new Watchdog(account)
  watchdogs.set(name, known)
  return known
}
