import { RawBenchClient } from './raw-client.ts'

/**
 * A process of its own, so that the reader's CPU can be told from the bench's: `node drain.js PORT SECONDS SQL` runs the
 * statement for that long, reads to the end, and prints bytes and seconds as JSON.
 */
export type Drained = { readonly bytes: number; readonly seconds: number }

const [port = '', seconds = '', sql = ''] = process.argv.slice(2)
const client = await RawBenchClient.connect(Number(port))
const startMs = performance.now()
let bytes = 0
do {
  bytes += await client.run(sql)
} while (performance.now() - startMs < Number(seconds) * 1000)
const drained: Drained = { bytes, seconds: (performance.now() - startMs) / 1000 }
process.stdout.write(JSON.stringify(drained))
client.close()
