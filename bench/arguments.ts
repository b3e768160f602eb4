import { parseArgs } from 'node:util'
import type { Protocol } from './pgbench.ts'
import { SCENARIOS, type Scenario } from './scenarios.ts'
import type { ServerTransport } from './system.ts'

export const BENCH_USAGE = `Compares pgloom with PgBouncer and with Postgres alone: npm run bench -- [options]

  --scenario LIST      of: ${SCENARIOS.map(({ name }) => name).join(', ')} (default all)
  --protocol LIST      of: simple, extended, prepared (default: what the scenario is about)
  --clients LIST       for instance 16,64 (default: what the scenario is about)
  --systems LIST       of: direct, pgbouncer, pgloom (default all), and variants: pgloom+pooled (a database that is pooled
                       only), pgloom+unpipelined (no sharing of server connections), pgloom@DIST/lib/main.js (another build)
  --rounds N           turns of each system, interleaved (default 5)
  --seconds N          of each turn (default 5)
  --scale N            pgbench's scale: 100,000 accounts each (default 10)
  --servers-by KIND    how the proxies reach Postgres: unix (default) or tcp; clients come by TCP
  --pgbouncer PATH     (default pgbouncer)
  --pgbench PATH       (default pgbench)
  --postgres-bin DIR   a directory with initdb and postgres, instead of the packaged ones
  --out DIR            where results are saved (default bench/results)
  --profile DIR        pgloom's CPU profiles are kept there; where it spent its time is printed. Disturbs figures a little
  --publish FILE.json  runs nothing: writes docs/benchmarks.md and its charts from a saved result
`

export type SystemName = 'direct' | 'pgbouncer' | `pgloom${string}`

export type BenchArguments = {
  readonly scenarios: readonly Scenario[]
  /** undefined: each scenario's own. */
  readonly protocols: readonly Protocol[] | undefined
  readonly clients: readonly number[] | undefined
  readonly systems: readonly SystemName[]
  readonly rounds: number
  readonly seconds: number
  readonly scale: number
  readonly serverTransport: ServerTransport
  readonly pgbouncer: string
  readonly pgbench: string
  readonly postgresBin: string | undefined
  readonly out: string
  readonly profile: string | undefined
  /** A saved result to make the documentation of, instead of a run. */
  readonly publish: string | undefined
}

/** What the user can mend: ends the process with code 2. */
export class BenchUsageError extends Error {
  override readonly name = 'BenchUsageError'
}

const STRING = { type: 'string' } as const
const OPTIONS = {
  scenario: STRING,
  protocol: STRING,
  clients: STRING,
  systems: { ...STRING, default: 'direct,pgbouncer,pgloom' },
  rounds: { ...STRING, default: '5' },
  seconds: { ...STRING, default: '5' },
  scale: { ...STRING, default: '10' },
  'servers-by': { ...STRING, default: 'unix' },
  pgbouncer: { ...STRING, default: 'pgbouncer' },
  pgbench: { ...STRING, default: 'pgbench' },
  'postgres-bin': STRING,
  out: { ...STRING, default: 'bench/results' },
  profile: STRING,
  publish: STRING,
} as const

const PROTOCOLS: readonly Protocol[] = ['simple', 'extended', 'prepared']

/** Throws BenchUsageError. */
export function readArguments(args: readonly string[]): BenchArguments {
  const values = parse(args)
  return {
    scenarios: scenarios(values.scenario),
    protocols: list(values.protocol)?.map(protocol),
    clients: list(values.clients)?.map((text) => wholeNumber('clients', text)),
    systems: list(values.systems)?.map(system) ?? [],
    rounds: wholeNumber('rounds', values.rounds),
    seconds: wholeNumber('seconds', values.seconds),
    scale: wholeNumber('scale', values.scale),
    serverTransport: serverTransport(values['servers-by']),
    pgbouncer: values.pgbouncer,
    pgbench: values.pgbench,
    postgresBin: values['postgres-bin'],
    out: values.out,
    profile: values.profile,
    publish: values.publish,
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, strict: true }).values
  } catch (cause) {
    throw new BenchUsageError(cause instanceof Error ? cause.message : String(cause), { cause })
  }
}

function list(text: string | undefined): string[] | undefined {
  return text?.split(',').map((item) => item.trim())
}

function scenarios(text: string | undefined): readonly Scenario[] {
  const names = list(text)
  if (names === undefined) return SCENARIOS
  return names.map((name) => {
    const found = SCENARIOS.find((scenario) => scenario.name === name)
    if (found !== undefined) return found
    throw new BenchUsageError(
      `unknown scenario ${name}: one of ${SCENARIOS.map((scenario) => scenario.name).join(', ')}`,
    )
  })
}

function protocol(text: string): Protocol {
  const found = PROTOCOLS.find((name) => name === text)
  if (found !== undefined) return found
  throw new BenchUsageError(`unknown protocol ${text}: one of ${PROTOCOLS.join(', ')}`)
}

function serverTransport(text: string): ServerTransport {
  if (text === 'unix' || text === 'tcp') return text
  throw new BenchUsageError(`--servers-by is unix or tcp, not ${text}`)
}

function system(text: string): SystemName {
  if (text === 'direct' || text === 'pgbouncer') return text
  if (/^pgloom(\+pooled|\+unpipelined)*(@.+)?$/.test(text)) {
    return `pgloom${text.slice('pgloom'.length)}`
  }
  throw new BenchUsageError(`unknown system ${text}: direct, pgbouncer or pgloom (see --help)`)
}

function wholeNumber(name: string, text: string): number {
  const number = /^\d+$/.test(text) ? Number(text) : 0
  if (number > 0) return number
  throw new BenchUsageError(`--${name} must be a whole number above 0, not ${text}`)
}
