import { noTotals, runTaggedClients } from '../test/support/tagged-clients.ts'

/**
 * Mixed clients through a running proxy, with errors, cancels and disconnects, 1 % of each; every answer is checked against its
 * tag. Exit code 1 if one was another client's. As long as one likes, Ctrl-C
 * ends it with what there was:
 * `LANE_VERIFY_STATEMENTS=10000000 npm run verify-lanes -- postgres://app@127.0.0.1:6432/app`. With LANE_VERIFY_PLACE='all shards'
 * rows are looked for on all of them.
 */
const { LANE_VERIFY_STATEMENTS, LANE_VERIFY_CLIENTS, LANE_VERIFY_PLACE } = process.env
const [url = 'postgres://app@127.0.0.1:6432/app'] = process.argv.slice(2)
const totals = noTotals()
const say = () => process.stdout.write(`${JSON.stringify(totals)}\n`)
const progress = setInterval(say, 10_000)
process.once('SIGINT', () => {
  say()
  process.exit(totals.wrong.length === 0 ? 0 : 1)
})
const startedMs = performance.now()
await runTaggedClients(
  url,
  Number(LANE_VERIFY_CLIENTS ?? 64),
  Number(LANE_VERIFY_STATEMENTS ?? 100_000),
  totals,
  LANE_VERIFY_PLACE === 'all shards' ? 'all shards' : 'coordinator',
)
clearInterval(progress)
process.stdout.write(`${JSON.stringify({ ...totals, ms: performance.now() - startedMs })}\n`)
process.exitCode = totals.wrong.length === 0 ? 0 : 1
