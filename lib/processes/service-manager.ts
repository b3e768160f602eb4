import { execFile } from 'node:child_process'

/** What systemd is told, as in sd_notify(3). */
export type ServiceState = 'ready' | 'reloading' | 'stopping'

const NS_PER_US = 1000n

/**
 * Tells the service manager, where there is one. Node has no datagram sockets of Unix, so systemd's own command speaks; the
 * unit needs NotifyAccess=all. Never fails.
 */
export function tellServiceManager(state: ServiceState): void {
  if (process.env['NOTIFY_SOCKET'] === undefined) return
  const child = execFile('systemd-notify', messageOf(state), () => undefined)
  child.on('error', () => undefined)
}

function messageOf(state: ServiceState): string[] {
  switch (state) {
    case 'ready':
      return ['READY=1', `MAINPID=${process.pid}`]
    case 'stopping':
      return ['STOPPING=1']
    case 'reloading':
      return ['RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / NS_PER_US}`]
  }
}
