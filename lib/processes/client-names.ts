import type { ClientName } from '../session/client/client-slots.ts'

/** Clients of one worker, by name; there may be many of the same. */
export class ClientNames {
  readonly #counts = new Map<string, { readonly client: ClientName; count: number }>()

  add(client: ClientName): void {
    const key = keyOf(client)
    const known = this.#counts.get(key)
    if (known === undefined) this.#counts.set(key, { client, count: 1 })
    else known.count++
  }

  remove(client: ClientName): void {
    const key = keyOf(client)
    const known = this.#counts.get(key)
    if (known === undefined) return
    known.count--
    if (known.count === 0) this.#counts.delete(key)
  }

  /** All there were, each as often as it was added. */
  clear(): ClientName[] {
    const all = [...this.#counts.values()].flatMap(({ client, count }) => {
      return Array.from({ length: count }, () => client)
    })
    this.#counts.clear()
    return all
  }
}

function keyOf({ database, user }: ClientName): string {
  return JSON.stringify([database, user])
}
