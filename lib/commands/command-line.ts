import { parseArgs } from 'node:util'
import { UsageError } from '../config/usage-error.ts'

export type DevArguments = {
  readonly kind: 'dev'
  /** undefined: as many as the data directory has, 2 in a new one. */
  readonly workers: number | undefined
  readonly processes: number
  readonly port: number
  readonly httpPort: number
  readonly dataDirectory: string
  readonly database: string
  readonly postgresBin: string | undefined
}

export type ServeArguments = {
  readonly kind: 'serve'
  readonly configFile: string
  /** undefined: as the configuration says. */
  readonly processes: number | undefined
  /** Of the process that serves the same port now. */
  readonly takesOver: boolean
}

export type Command =
  | DevArguments
  | ServeArguments
  | { readonly kind: 'check'; readonly configFile: string }
  | { readonly kind: 'help' | 'version' }

export const USAGE = `pgloom turns ordinary Postgres servers into one sharded cluster.

Usage:
  pgloom dev [options]           start a cluster of Postgres servers here, and the proxy
  pgloom serve FILE              start the proxy for servers that run elsewhere
  pgloom check FILE              check a configuration file and the servers it names

FILE is in YAML, or a pgbouncer.ini; --config FILE says the same. Each key of it can be set by the environment, too:
PGLOOM_LISTEN_PORT is port of listen.

Options of dev:
  --workers N          workers beside the coordinator, 0 to 30 (default 2, or as many as there are)
  --processes N        processes of the proxy (default 1)
  --port P             port for clients, 0 picks a free one (default 6432)
  --http-port P        port for /metrics, /healthz and /readyz, 0 picks a free one (default 9432)
  --data DIR           where the cluster is kept between runs (default .pgloom)
  --database NAME      its database (default app)
  --postgres-bin DIR   a directory with initdb and postgres, to be used instead of the packaged ones

Options of serve:
  --processes N        processes that share the port (default: one for each core)
  --takeover           take the port over from the pgloom that serves it now; no client is refused meanwhile

  --help, --version

Exit codes: 0 stopped or all right, 1 failed, 2 wrong arguments or configuration.
`

/** All take a value. */
const OPTIONS = {
  dev: ['workers', 'processes', 'port', 'http-port', 'data', 'database', 'postgres-bin'],
  serve: ['config', 'processes'],
  check: ['config'],
} as const

const FLAGS: Readonly<Record<keyof typeof OPTIONS, readonly string[]>> = {
  dev: [],
  serve: ['takeover'],
  check: [],
}

const FLAG = { type: 'boolean' } as const
const STRING = { type: 'string' } as const

type Values = Readonly<Record<string, string | undefined>>
type Options = {
  readonly values: Values
  readonly flags: ReadonlySet<string>
  readonly positionals: readonly string[]
}

/** Node ids of workers fit the ranges of their sequences. */
const MAX_WORKERS = 30
const MAX_PROCESSES = 1024
const MAX_PORT = 65_535
const MAX_NAME_BYTES = 63

/** Throws UsageError. `args` are those after the script's name. */
export function readCommandLine(args: readonly string[]): Command {
  if (args.includes('--help') || args.includes('-h')) return { kind: 'help' }
  const [name, ...rest] = args
  switch (name) {
    case undefined:
      throw new UsageError('a command is missing: dev, serve or check (see pgloom --help)')
    case '--version':
      return { kind: 'version' }
    case 'dev':
      return readDev(readOptions(name, rest).values)
    case 'serve': {
      const options = readOptions(name, rest)
      const configFile = readConfigFile(name, options)
      const processes = processesOf(options.values)
      return { kind: name, configFile, processes, takesOver: options.flags.has('takeover') }
    }
    case 'check':
      return { kind: name, configFile: readConfigFile(name, readOptions(name, rest)) }
    default:
      throw new UsageError(`unknown command ${name}: dev, serve or check (see pgloom --help)`)
  }
}

function readOptions(command: keyof typeof OPTIONS, args: readonly string[]): Options {
  const options = {
    ...Object.fromEntries(OPTIONS[command].map((name) => [name, STRING] as const)),
    ...Object.fromEntries(FLAGS[command].map((name) => [name, FLAG] as const)),
  }
  try {
    const allowPositionals = command !== 'dev'
    const read = parseArgs({ args: [...args], options, strict: true, allowPositionals })
    return { ...sorted(read.values), positionals: read.positionals }
  } catch (cause) {
    const said = cause instanceof Error ? (cause.message.split('. ')[0] ?? '') : String(cause)
    throw new UsageError(`${said} (see pgloom --help)`, { cause })
  }
}

function sorted(read: Readonly<Record<string, string | boolean | undefined>>) {
  const values: Record<string, string> = {}
  const flags = new Set<string>()
  for (const [name, value] of Object.entries(read)) {
    if (typeof value === 'string') values[name] = value
    else if (value === true) flags.add(name)
  }
  return { values, flags }
}

function readDev(values: Values): DevArguments {
  return {
    kind: 'dev',
    workers: wholeNumber(values, 'workers', 0, MAX_WORKERS),
    processes: processesOf(values) ?? 1,
    port: wholeNumber(values, 'port', 0, MAX_PORT) ?? 6432,
    httpPort: wholeNumber(values, 'http-port', 0, MAX_PORT) ?? 9432,
    dataDirectory: text(values, 'data') ?? '.pgloom',
    database: databaseName(text(values, 'database') ?? 'app'),
    postgresBin: text(values, 'postgres-bin'),
  }
}

function readConfigFile(command: string, { values, positionals }: Options): string {
  const option = text(values, 'config')
  const files = option === undefined ? positionals : [option, ...positionals]
  const [file] = files
  if (file !== undefined && file !== '' && files.length === 1) return file
  throw new UsageError(`pgloom ${command} needs one FILE (see pgloom --help)`)
}

function processesOf(values: Values): number | undefined {
  return wholeNumber(values, 'processes', 1, MAX_PROCESSES)
}

function text(values: Values, name: string): string | undefined {
  const value = values[name]
  if (value === '') throw new UsageError(`--${name} must not be empty`)
  return value
}

function wholeNumber(values: Values, name: string, min: number, max: number): number | undefined {
  const value = text(values, name)
  if (value === undefined) return undefined
  const number = /^\d+$/.test(value) ? Number(value) : Number.NaN
  if (number >= min && number <= max) return number
  throw new UsageError(`--${name} must be a whole number from ${min} to ${max}, not ${value}`)
}

function databaseName(name: string): string {
  const bytes = Buffer.byteLength(name)
  if (bytes <= MAX_NAME_BYTES && !name.includes('\0')) return name
  throw new UsageError(`--database must be a name of at most ${MAX_NAME_BYTES} bytes`)
}
