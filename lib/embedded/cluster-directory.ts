import { chmodSync, existsSync, mkdirSync, mkdtempSync, realpathSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { canEnter, type ServerAccount } from './server-account.ts'

/** Where root keeps the servers' files when their account can't reach the directory that was asked for. */
const REACHABLE_PLACE = '/var/lib/pgloom'

/** Makes the directory (its parents too) where it is missing. */
export function makeClusterDirectory(directory: string): string {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o755 })
    return realpathSync(directory)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`cannot use the data directory ${directory}: ${reason}`, { cause })
  }
}

/**
 * The directory that holds one directory for each server: `nodes` in the cluster's directory. Below a closed one, such as
 * /root, Postgres' own account couldn't reach it; then it lies in /var/lib/pgloom and `nodes` is a symlink to it.
 */
export function nodesDirectory(
  clusterDirectory: string,
  account: ServerAccount | undefined,
): string {
  const nodes = join(clusterDirectory, 'nodes')
  if (!existsSync(nodes)) makeNodesDirectory(clusterDirectory, nodes, account)
  const real = realpathSync(nodes)
  if (canEnter(account, real)) return real
  throw new Error(
    `user ${account?.name}, who runs Postgres for root, cannot enter ${real}: open the directories above it (chmod o+x), or choose another directory with --data`,
  )
}

function makeNodesDirectory(
  clusterDirectory: string,
  nodes: string,
  account: ServerAccount | undefined,
): void {
  if (canEnter(account, clusterDirectory)) {
    mkdirSync(nodes, { mode: 0o755 })
    return
  }
  mkdirSync(REACHABLE_PLACE, { recursive: true, mode: 0o755 })
  const elsewhere = mkdtempSync(join(REACHABLE_PLACE, 'nodes-'))
  chmodSync(elsewhere, 0o755)
  symlinkSync(elsewhere, nodes)
}
