import type { Protocol } from './pgbench.ts'

/**
 * `stock`: every system is in front of one ordinary server. `cluster`: pgloom is in front of a coordinator and two workers
 * with the tables spread over 32 shards, while the others keep their ordinary server. `fresh`: as stock, but nothing has
 * run through the proxies before.
 */
export type Setting = 'stock' | 'cluster' | 'fresh'

export type Scenario = {
  readonly name: string
  readonly title: string
  readonly setting: Setting
  readonly workload: Workload
  /** What is run unless the arguments say otherwise. */
  readonly protocols: readonly Protocol[]
  readonly clients: readonly number[]
  /** Needs the large tables of loadAnalysis. */
  readonly isAnalysis?: boolean
  /** The choice of clients or protocols isn't the user's. */
  readonly isFixed?: boolean
}

export type Workload =
  | StatementsWorkload
  | MixedWorkload
  | StreamWorkload
  | IngestWorkload
  | FillWorkload
  | IdleWorkload

export type StatementsWorkload = {
  readonly kind: 'statements'
  /** pgbench's script. */
  readonly script: string
  /** Of transactions whose latency is logged. */
  readonly samplingRate: number
  /** Whether commits wait for the disk. */
  readonly isDurable?: boolean
  readonly isTransaction?: boolean
}

/** Readers alone, then readers with the disturbers beside them. */
export type MixedWorkload = {
  readonly kind: 'mixed'
  readonly script: string
  readonly samplingRate: number
  readonly disturbers: readonly { readonly script: string; readonly clients: number }[]
}

/** One statement with a large result, again and again. */
export type StreamWorkload = { readonly kind: 'stream'; readonly sql: string }

/** One COPY FROM STDIN of so many narrow rows; a turn takes as long as it takes. */
export type IngestWorkload = { readonly kind: 'ingest'; readonly rows: number }

/** One INSERT … SELECT; a turn takes as long as it takes. */
export type FillWorkload = {
  readonly kind: 'fill'
  /** That it reads. */
  readonly rows: number
  /** The table and its columns. */
  readonly into: string
  readonly byKey: string
  /** Its rows belong to other shards than those that they are made of. */
  readonly movesRows: boolean
  /** `schema`: what stands before the tables' names. */
  readonly sql: (schema: string) => string
}

/** Clients that log in and do nothing. */
export type IdleWorkload = { readonly kind: 'idle' }

const ALL_PROTOCOLS: readonly Protocol[] = ['simple', 'extended', 'prepared']
const ALL_CLIENTS = [1, 16, 64, 256]

const SELECT_ONLY = `
\\set aid random(1, 100000 * :scale)
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
`

const TPCB = `
\\set aid random(1, 100000 * :scale)
\\set bid random(1, 1 * :scale)
\\set tid random(1, 10 * :scale)
\\set delta random(-5000, 5000)
BEGIN;
UPDATE pgbench_accounts SET abalance = abalance + :delta WHERE aid = :aid;
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
UPDATE pgbench_tellers SET tbalance = tbalance + :delta WHERE tid = :tid;
UPDATE pgbench_branches SET bbalance = bbalance + :delta WHERE bid = :bid;
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (:tid, :bid, :aid, :delta, CURRENT_TIMESTAMP);
END;
`

const TRANSACTION = `
\\set aid random(1, 100000 * :scale)
BEGIN;
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = :aid;
COMMIT;
`

const TENANT_JOIN = `
\\set tenant random(1, 1000)
SELECT c.name, count(*) AS orders, sum(o.total) AS total FROM bench_customers c
  JOIN bench_orders o ON o.tenant_id = c.tenant_id AND o.customer_id = c.customer_id
  WHERE c.tenant_id = :tenant GROUP BY c.name ORDER BY total DESC LIMIT 5;
`

/** On every shard: the index that serves it isn't on the distribution column. */
const FAN_OUT = `
\\set id random(1, 200000)
SELECT * FROM bench_events WHERE event_id = :id;
`

const FAN_OUT_COUNT = `
\\set id random(1, 199980)
SELECT count(*), max(kind) FROM bench_events WHERE event_id BETWEEN :id AND :id + 20;
`

const ANALYSES: Readonly<Record<string, { title: string; sql: string }>> = {
  aggregates: {
    title: 'aggregates over 2,000,000 rows',
    sql: 'SELECT count(*), sum(spent), avg(spent), min(at), max(at) FROM bench_visits;',
  },
  'group-by': {
    title: '40 groups of 2,000,000 rows, sorted',
    sql: 'SELECT country, count(*), sum(spent) FROM bench_visits GROUP BY country ORDER BY 2 DESC, 1;',
  },
  'top-n': {
    title: 'the first 20 of 2,000,000 rows',
    sql: 'SELECT * FROM bench_visits ORDER BY spent DESC, visit_id LIMIT 20;',
  },
  'count-distinct': {
    title: 'count(DISTINCT) of 20,011 values in 2,000,000 rows',
    sql: 'SELECT count(DISTINCT page) FROM bench_visits;',
  },
  'count-distinct-users': {
    title: 'count(DISTINCT) of the distribution column, 100,000 values in 2,000,000 rows',
    sql: 'SELECT count(DISTINCT user_id) FROM bench_visits;',
  },
  join: {
    title: 'join of 100,000 with 2,000,000 rows on the distribution column, 5 groups',
    sql: 'SELECT u.plan, count(*), sum(v.spent) FROM bench_users u JOIN bench_visits v USING (user_id) GROUP BY u.plan ORDER BY 1;',
  },
  rows: {
    title: 'half of 2,000,000 rows as they are',
    sql: 'SELECT * FROM bench_visits WHERE page % 2 = 0;',
  },
}

/** 200 ms each; the function's name tells nobody so. */
const SLOW = `SELECT bench_report(0.2);\n`

const HOLDING = `
\\set aid random(1, 100000 * :scale)
BEGIN;
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
\\sleep 300 ms
COMMIT;
`

const MILLION_ROWS = `SELECT generate_series(1, 1000000), '${'x'.repeat(90)}'`

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'idle',
    title: 'Memory of the proxy with 5,000 idle clients',
    setting: 'fresh',
    workload: { kind: 'idle' },
    protocols: ['simple'],
    clients: [5000],
    isFixed: true,
  },
  {
    name: 'select-only',
    title: "Point reads (pgbench's select-only)",
    setting: 'stock',
    workload: { kind: 'statements', script: SELECT_ONLY, samplingRate: 0.1 },
    protocols: ALL_PROTOCOLS,
    clients: ALL_CLIENTS,
  },
  {
    name: 'transaction',
    title: 'BEGIN, SELECT, UPDATE, COMMIT (fsync off)',
    setting: 'stock',
    workload: { kind: 'statements', script: TRANSACTION, samplingRate: 0.5, isTransaction: true },
    protocols: ['simple', 'prepared'],
    clients: [16, 64],
  },
  {
    name: 'tpcb',
    title: "pgbench's TPC-B-like transaction, durable",
    setting: 'stock',
    workload: {
      kind: 'statements',
      script: TPCB,
      samplingRate: 1,
      isDurable: true,
      isTransaction: true,
    },
    protocols: ['simple', 'prepared'],
    clients: [64],
  },
  {
    name: 'sharded-select',
    title: 'Point reads by key; pgloom over 32 shards on 2 workers, the others on one server',
    setting: 'cluster',
    workload: { kind: 'statements', script: SELECT_ONLY, samplingRate: 0.1 },
    protocols: ['simple', 'prepared'],
    clients: ALL_CLIENTS,
  },
  {
    name: 'tenant-join',
    title: "A tenant's join; pgloom over 32 shards on 2 workers, the others on one server",
    setting: 'cluster',
    workload: { kind: 'statements', script: TENANT_JOIN, samplingRate: 0.2 },
    protocols: ['simple', 'prepared'],
    clients: [16, 64],
  },
  {
    name: 'fan-out',
    title: 'Index lookups on all 32 shards of 2 workers, the others on one server',
    setting: 'cluster',
    workload: { kind: 'statements', script: FAN_OUT, samplingRate: 1 },
    protocols: ['prepared', 'simple'],
    clients: [1, 16],
  },
  {
    name: 'fan-out-count',
    title: 'Aggregates of 21 rows of 32 shards of 2 workers, the others on one server',
    setting: 'cluster',
    workload: { kind: 'statements', script: FAN_OUT_COUNT, samplingRate: 1 },
    protocols: ['prepared', 'simple'],
    clients: [1, 16],
  },
  ...Object.entries(ANALYSES).map(
    ([name, { title, sql }]): Scenario => ({
      name: `analysis-${name}`,
      title: `pgloom over 32 shards on 2 workers, the others on one server: ${title}`,
      setting: 'cluster',
      workload: { kind: 'statements', script: `${sql}\n`, samplingRate: 1 },
      protocols: ['prepared'],
      clients: [1],
      isAnalysis: true,
      isFixed: true,
    }),
  ),
  {
    name: 'mixed',
    title: 'Point readers beside 4 clients with 200 ms queries and 4 that hold transactions open',
    setting: 'stock',
    workload: {
      kind: 'mixed',
      script: SELECT_ONLY,
      samplingRate: 0.2,
      disturbers: [
        { script: SLOW, clients: 4 },
        { script: HOLDING, clients: 4 },
      ],
    },
    protocols: ['simple', 'prepared'],
    clients: [64],
  },
  {
    name: 'stream',
    title: 'One client reads 1,000,000 rows (118 MB)',
    setting: 'stock',
    workload: { kind: 'stream', sql: MILLION_ROWS },
    protocols: ['simple'],
    clients: [1],
    isFixed: true,
  },
  {
    name: 'copy-out',
    title: 'One client copies 1,000,000 rows out',
    setting: 'stock',
    workload: { kind: 'stream', sql: `COPY (${MILLION_ROWS}) TO STDOUT` },
    protocols: ['simple'],
    clients: [1],
    isFixed: true,
  },
  {
    name: 'copy-in',
    title:
      'One psql copies 10,000,000 narrow rows; pgloom into 32 shards on 2 workers, the others into one server',
    setting: 'cluster',
    workload: { kind: 'ingest', rows: 10_000_000 },
    protocols: ['simple'],
    clients: [1],
    isFixed: true,
  },
  {
    name: 'copy-in-short',
    title:
      'One psql copies 2,000,000 narrow rows; pgloom into 32 shards on 2 workers, the others into one server',
    setting: 'cluster',
    workload: { kind: 'ingest', rows: 2_000_000 },
    protocols: ['simple'],
    clients: [1],
    isFixed: true,
  },
  {
    name: 'insert-select',
    title:
      'INSERT … SELECT: 2,000,000 rows to 100,000 groups; pgloom in 32 shards of 2 workers, the others in one server',
    setting: 'cluster',
    workload: {
      kind: 'fill',
      rows: 2_000_000,
      into: 'bench_visitors (user_id int, visits bigint, spent numeric, PRIMARY KEY (user_id))',
      byKey: 'user_id',
      movesRows: false,
      sql: (schema) =>
        `INSERT INTO ${schema}bench_visitors SELECT user_id, count(*), sum(spent) FROM ${schema}bench_visits GROUP BY user_id`,
    },
    protocols: ['simple'],
    clients: [1],
    isFixed: true,
    isAnalysis: true,
  },
  {
    name: 'insert-select-moved',
    title:
      'INSERT … SELECT: 2,000,000 rows to the shards of another key; pgloom in 32 shards of 2 workers, the others in one server',
    setting: 'cluster',
    workload: {
      kind: 'fill',
      rows: 2_000_000,
      into: 'bench_pages (page int, user_id int, spent numeric, at timestamptz)',
      byKey: 'page',
      movesRows: true,
      sql: (schema) =>
        `INSERT INTO ${schema}bench_pages SELECT page, user_id, spent, at FROM ${schema}bench_visits`,
    },
    protocols: ['simple'],
    clients: [1],
    isFixed: true,
    isAnalysis: true,
  },
]

export function isDurable({ workload }: Scenario): boolean {
  return workload.kind === 'statements' && workload.isDurable === true
}

export function unitOf({ workload }: Scenario): string {
  switch (workload.kind) {
    case 'statements':
    case 'mixed':
      return 'tps'
    case 'stream':
      return 'MB/s'
    case 'ingest':
    case 'fill':
      return 'krows/s'
    case 'idle':
      return 'clients'
  }
}
