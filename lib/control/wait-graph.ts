/** A transaction over several nodes that waits, as its proxy has published it. */
export type WaitingTransaction = {
  readonly key: string
  readonly startedAtMs: number
  /** `nodeId:processId` */
  readonly backends: readonly string[]
}

/** One server process that waits, and for whom. */
export type WaitEdge = {
  readonly nodeId: number
  readonly processId: string
  /** The server's own word for when the wait began; '': it doesn't say yet. */
  readonly since: string
  readonly blockers: readonly string[]
}

export type Cycle = {
  readonly keys: readonly string[]
  /** Equal in two rounds: each of the waits lasted from the first to the second, so all of them stood at one moment. */
  readonly signature: string
}

/** Who waits for whom: transactions over several nodes by their keys, all other server processes for themselves. */
export class WaitGraph {
  readonly #owners = new Map<string, string>()
  readonly #edges = new Map<string, Map<string, string>>()

  constructor(transactions: readonly WaitingTransaction[], edges: readonly WaitEdge[]) {
    for (const { key, backends } of transactions) {
      for (const backend of backends) this.#owners.set(backend, key)
    }
    for (const edge of edges) this.#add(edge)
  }

  /** One that begins and ends with `key`; undefined: there is none. Depth first, so each process is looked at once. */
  cycleThrough(key: string): Cycle | undefined {
    const seen = new Set<string>()
    const path: { readonly to: string; readonly wait: string }[] = []
    const visit = (from: string): boolean => {
      for (const [to, wait] of this.#edges.get(from) ?? []) {
        path.push({ to, wait })
        if (to === key) return true
        if (!seen.has(to)) {
          seen.add(to)
          if (visit(to)) return true
        }
        path.pop()
      }
      return false
    }
    if (!visit(key)) return undefined
    const waits = path.map(({ wait }) => wait)
    // each may begin the cycle: its signature is the same for all
    const signature = [...waits].sort().join(' ')
    return { keys: path.map(({ to }) => to), signature }
  }

  #add({ nodeId, processId, since, blockers }: WaitEdge): void {
    if (since === '') return
    const from = this.#nodeOf(nodeId, processId)
    const known = this.#edges.get(from) ?? new Map<string, string>()
    this.#edges.set(from, known)
    for (const blocker of blockers) {
      // a prepared transaction; one of ours, which may still wait elsewhere, is there by its name as well
      if (blocker === '0') continue
      const to = this.#nodeOf(nodeId, blocker)
      if (to !== from) known.set(to, `${nodeId}:${processId}@${since}>${blocker}`)
    }
  }

  #nodeOf(nodeId: number, processId: string): string {
    const backend = `${nodeId}:${processId}`
    return this.#owners.get(backend) ?? backend
  }
}

/** The youngest; every proxy chooses the same. */
export function victimOf(
  { keys }: Cycle,
  transactions: readonly WaitingTransaction[],
): WaitingTransaction | undefined {
  let youngest: WaitingTransaction | undefined
  for (const one of transactions) {
    if (!keys.includes(one.key)) continue
    const age = youngest === undefined ? 1 : one.startedAtMs - youngest.startedAtMs
    if (age > 0 || (age === 0 && youngest !== undefined && one.key > youngest.key)) youngest = one
  }
  return youngest
}
