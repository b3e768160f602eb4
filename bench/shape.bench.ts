import { LexResult } from '../lib/sql/lexer.ts'
import { literalInteger } from '../lib/sql/literal-value.ts'
import { ShapeCache } from '../lib/sql/shape-cache.ts'

/**
 * Nanoseconds of CPU for a hit of the shape cache: lex, verify byte by byte, read the key. `node dist/bench/shape.bench.js`
 * prints one JSON line each. The goal is 2000 ns for a tenant's SELECT.
 */
const STATEMENTS: Readonly<Record<string, string>> = {
  'pgbench select': 'SELECT abalance FROM pgbench_accounts WHERE aid = 471123;',
  'tenant select': `SELECT event_id, event_type, event_data->>'page' AS page, created_at FROM events
    WHERE tenant_id = 42 AND event_type = 'click' AND created_at > '2026-11-01' ORDER BY created_at DESC LIMIT 20`,
  '3-join': `SELECT u.email, count(DISTINCT o.order_id) AS orders, sum(o.total) AS total, max(e.created_at) AS last_seen
    FROM users u JOIN orders o ON o.tenant_id = u.tenant_id AND o.user_id = u.user_id
    LEFT JOIN events e ON e.tenant_id = u.tenant_id AND e.event_data->>'user' = u.email
    WHERE u.tenant_id = 42 AND o.total > 10.5 AND e.event_type IN ('click', 'view') GROUP BY u.email
    HAVING sum(o.total) > 100 ORDER BY total DESC LIMIT 10`,
}

const RUNS = 200_000
const ROUNDS = 7

function nanosecondsPerHit(sql: string): number {
  const cache = new ShapeCache<number>()
  const lexed = new LexResult()
  const text = Buffer.from(sql)
  cache.lex(text, 0, text.length, lexed)
  cache.store(text, 0, text.length, lexed, keyLiteral(text, lexed))
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < ROUNDS; round += 1) {
    const before = process.cpuUsage()
    let sum = 0
    for (let i = 0; i < RUNS; i += 1) {
      cache.lex(text, 0, text.length, lexed)
      const literal = cache.lookup(text, 0, text.length, lexed) ?? 0
      sum += literalInteger(text, lexed.starts[literal] ?? 0, lexed.ends[literal] ?? 0)
    }
    const { user, system } = process.cpuUsage(before)
    if (sum <= 0) throw new Error('no hit')
    best = Math.min(best, ((user + system) * 1000) / RUNS)
  }
  return Math.round(best)
}

/** The first integer is the key in each of them. */
function keyLiteral(text: Buffer, lexed: LexResult): number {
  for (let i = 0; i < lexed.count; i += 1) {
    if (literalInteger(text, lexed.starts[i] ?? 0, lexed.ends[i] ?? 0) > 0) return i
  }
  return 0
}

for (const [name, sql] of Object.entries(STATEMENTS)) {
  const line = { statement: name, bytes: Buffer.byteLength(sql), nsPerHit: nanosecondsPerHit(sql) }
  process.stdout.write(`${JSON.stringify(line)}\n`)
}
