import type { ServerCredential } from '../backend/server-credential.ts'

type Held = { credential: ServerCredential; holders: number }

/**
 * What clients have proved they know, in memory while sessions of theirs last: so that connections to servers can be made
 * without any stored password. The youngest login's counts. Keys are overwritten when the last session ends.
 */
export class HeldCredentials {
  readonly #held = new Map<string, Held>()

  /** Returns how to let go of it: to be called once. */
  hold(database: string, user: string, credential: ServerCredential): () => void {
    const key = `${database}\0${user}`
    const known = this.#held.get(key)
    const held = known ?? { credential, holders: 0 }
    if (known !== undefined) wipe(known.credential)
    held.credential = copyOf(credential)
    held.holders++
    this.#held.set(key, held)
    return () => this.#release(key, held)
  }

  /** A copy: it stays good when the session that has brought it ends. */
  of(database: string, user: string): ServerCredential | undefined {
    const held = this.#held.get(`${database}\0${user}`)
    return held === undefined ? undefined : copyOf(held.credential)
  }

  #release(key: string, held: Held): void {
    held.holders--
    if (held.holders > 0) return
    wipe(held.credential)
    this.#held.delete(key)
  }
}

function copyOf(credential: ServerCredential): ServerCredential {
  if (credential.kind !== 'scram-keys') return credential
  const { keys } = credential
  return { kind: 'scram-keys', keys: { ...keys, clientKey: Buffer.from(keys.clientKey) } }
}

function wipe(credential: ServerCredential): void {
  if (credential.kind === 'scram-keys') credential.keys.clientKey.fill(0)
}
