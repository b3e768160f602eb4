import type { Protocol } from './pgbench.ts'

/**
 * `stock`: every system is in front of one ordinary server. `cluster`: pgloom is in front of a coordinator and two workers
 * with the tables spread over 32 shards, while the others keep their ordinary server.
 */
export type Setting = 'stock' | 'cluster'

export type Scenario = {
  readonly name: string
  readonly title: string
  readonly setting: Setting
  readonly kind: 'statements'
  /** pgbench's script. */
  readonly script: string
  /** Whether commits wait for the disk. */
  readonly isDurable: boolean
  /** What is run unless the arguments say otherwise. */
  readonly protocols: readonly Protocol[]
  readonly clients: readonly number[]
  /** Of transactions whose latency is logged. */
  readonly samplingRate: number
}

const ALL_PROTOCOLS: readonly Protocol[] = ['simple', 'extended', 'prepared']
const ALL_CLIENTS = [1, 16, 64, 256]

const SELECT_ONLY = `
\\set aid random(1, 100000 * :scale)
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
`

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'select-only',
    title: "Point reads (pgbench's select-only)",
    setting: 'stock',
    kind: 'statements',
    script: SELECT_ONLY,
    isDurable: false,
    protocols: ALL_PROTOCOLS,
    clients: ALL_CLIENTS,
    samplingRate: 0.1,
  },
]
