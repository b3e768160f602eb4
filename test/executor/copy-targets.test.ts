import t from 'tap'
import type { DistributedTable } from '../../lib/catalog/catalog.ts'
import { splitHashSpace } from '../../lib/catalog/shard-map.ts'
import { BlockPool } from '../../lib/executor/copy/split/block-pool.ts'
import { type CopyStatements, CopyTargets } from '../../lib/executor/copy/split/copy-targets.ts'
import { FrameWriter } from '../../lib/wire/frame-writer.ts'

const MIB = 1024 * 1024

/** A server that takes nothing until told to. */
class StalledConnection {
  readonly node = { nodeId: 1 }
  readonly state = 'ready'
  readonly out = new FrameWriter()
  readonly parameters = new Map<string, string>()
  isCongested = true
  sentBytes = 0
  readonly #waiting: (() => void)[] = []
  open(): void {}
  flush(): void {
    this.out.reset()
  }
  send(_chunk: Buffer, start: number, end: number): 'taken' {
    this.sentBytes += end - start
    return 'taken'
  }
  whenDrained(resume: () => void): void {
    if (this.isCongested) this.#waiting.push(resume)
    else setImmediate(resume)
  }
  goOn(): void {
    this.isCongested = false
    for (const resume of this.#waiting.splice(0)) resume()
  }
}

function stalledCopy(): { targets: CopyTargets; connection: StalledConnection } {
  const connection = new StalledConnection()
  const shards = splitHashSpace(32).map((range, index) => ({
    ...range,
    index,
    nodeId: 1,
    schema: `s${index}`,
  }))
  const table = { kind: 'distributed', name: 't', schema: 'public', shards } as unknown
  const context = {
    signal: new AbortController().signal,
    catalog: { nodes: [] },
    connection: async () => connection,
    client: {},
  } as unknown
  const targets = new CopyTargets({
    table: table as DistributedTable,
    context: context as CopyStatements['context'],
    showsLines: true,
    intoShard: () => ({ text: Buffer.from('COPY t FROM STDIN'), positions: 'drop' }),
    intoScratch: () => ({ text: Buffer.alloc(0), positions: 'drop' }),
  })
  return { targets, connection }
}

/** Places rows until there is no room; `room`: there is some again. */
async function fill(
  targets: CopyTargets,
  rowBytes: number,
): Promise<{ readonly room: Promise<void> }> {
  const rows = Buffer.alloc(64 * 1024, 'x')
  for (let row = 0; ; ) {
    for (let at = 0; at + rowBytes <= rows.length; at += rowBytes, row++) {
      targets.place(row % 32, rows, at, at + rowBytes, row + 1, 1)
    }
    let hasRoom = false
    const room = targets.makeRoom().then(() => {
      hasRoom = true
    })
    await new Promise((resolve) => setImmediate(resolve))
    if (!hasRoom) return { room }
    if (targets.waitingBytes > 256 * MIB) throw new Error('no end of rows')
  }
}

t.test('what waits for a stalled server is bounded, and goes on when it does', async (t) => {
  for (const rowBytes of [64, 5000]) {
    const { targets, connection } = stalledCopy()
    const { room } = await fill(targets, rowBytes)
    const all = new BlockPool()
    t.ok(targets.waitingBytes < 48 * MIB, `${targets.waitingBytes} bytes wait`)
    // each has less now
    const others = [all, ...Array.from({ length: 7 }, () => new BlockPool())]
    connection.goOn()
    await room
    t.ok(targets.waitingBytes < all.shareBytes)
    for (const other of others) other.close()
    // nobody answers it
    void targets.abort('enough')
  }
})
