import { type ChildProcess, spawn } from 'node:child_process'
import { runAs, type ServerAccount } from './server-account.ts'

/**
 * Reads `watch PID` and `forget PID` until its input ends, which is when our process has gone, however it went
 * (kill -9 included): then it stops the servers that are still watched, fast, and after 10 s immediately.
 */
const SCRIPT = `
trap '' HUP INT TERM
pids=' '
while read -r verb pid; do
  case $verb in
    watch) pids="$pids$pid " ;;
    forget) pids="\${pids%% $pid *} \${pids#* $pid }" ;;
  esac
done
for pid in $pids; do kill -INT "$pid" 2>/dev/null; done
for wait in 1 2 3 4 5 6 7 8 9 10; do
  alive=
  for pid in $pids; do kill -0 "$pid" 2>/dev/null && alive="$alive $pid"; done
  [ -n "$alive" ] || exit 0
  sleep 1
done
for pid in $alive; do kill -QUIT "$pid" 2>/dev/null; done
`

/**
 * Sees to it that no server outlives us. It is a shell in a session of its own, so that neither a terminal's Ctrl-C nor
 * our death ends it, and it runs as the servers' account, so that a PID used again can't make it hit anyone else's process.
 */
export class Watchdog {
  readonly #shell: ChildProcess | undefined

  constructor(account: ServerAccount | undefined) {
    this.#shell = process.platform === 'win32' ? undefined : startShell(account)
  }

  watch(pid: number): void {
    this.#shell?.stdin?.write(`watch ${pid}\n`)
  }

  /** Must be called as soon as a server has ended: its PID may belong to another process from then on. */
  forget(pid: number): void {
    this.#shell?.stdin?.write(`forget ${pid}\n`)
  }

  /** The shell ends; servers that are still watched are stopped. */
  close(): void {
    this.#shell?.stdin?.end()
  }
}

function startShell(account: ServerAccount | undefined): ChildProcess {
  const shell = spawn('/bin/sh', ['-c', SCRIPT, 'pgloom-watchdog'], {
    ...runAs(account),
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  // Should the shell be killed, servers merely lose their guard: nothing to do about a broken pipe.
  shell.on('error', () => undefined)
  shell.stdin.on('error', () => undefined)
  shell.unref()
  const pipe: unknown = shell.stdin
  if (hasUnref(pipe)) pipe.unref()
  return shell
}

/** The pipe is a net.Socket, which the types of child_process don't say. */
function hasUnref(pipe: unknown): pipe is { unref(): void } {
  return typeof pipe === 'object' && pipe !== null && 'unref' in pipe
}
