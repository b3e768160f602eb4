const MIB = 1024 * 1024
/** Of all sizes together. */
const MAX_SPARE_BYTES = 48 * MIB
/** Nobody has taken or given one for so long: the next who needs some can wait for new ones. */
const KEPT_MS = 10_000

/**
 * Blocks that are used again and again, by their size. Left to the collector, which sees small heads and not the bytes behind
 * them, they are gone late and leave holes in the process' memory.
 */
const spare = new Map<number, Buffer[]>()
let spareBytes = 0
let forgetting: NodeJS.Timeout | undefined

/** Of the taker alone, until given back. */
export function takeBlock(bytes: number): Buffer {
  const block = spare.get(bytes)?.pop()
  if (block === undefined) return Buffer.allocUnsafeSlow(bytes)
  spareBytes -= bytes
  return block
}

/** Nothing refers to it any more; from takeBlock(). */
export function giveBlock(block: Buffer): void {
  const bytes = block.length
  // of sizes that are not asked for now
  if (spareBytes + bytes > MAX_SPARE_BYTES) forget()
  const blocks = spare.get(bytes)
  if (blocks === undefined) spare.set(bytes, [block])
  else blocks.push(block)
  spareBytes += bytes
  if (forgetting === undefined) forgetting = setTimeout(forget, KEPT_MS).unref()
  else forgetting.refresh()
}

function forget(): void {
  spare.clear()
  spareBytes = 0
}
