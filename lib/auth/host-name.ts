import { promises as resolver } from 'node:dns'
import { BlockList, isIP } from 'node:net'

/** The operating system's own resolver, /etc/hosts included, as Postgres asks it. Rejects where there is no name or address. */
export type HostResolver = {
  readonly nameOf: (address: string) => Promise<string>
  readonly addressesOf: (name: string) => Promise<readonly string[]>
}

export const SYSTEM_RESOLVER: HostResolver = {
  nameOf: async (address) => (await resolver.lookupService(address, 0)).hostname,
  addressesOf: async (name) => {
    return (await resolver.lookup(name, { all: true })).map((found) => found.address)
  },
}

/**
 * The name of `address`, if that name's addresses are this one too: whoever may say what the name of his address is can't
 * take another's. undefined where anything of it fails, as in Postgres.
 */
export async function hostNameOf(
  address: string,
  { nameOf, addressesOf }: HostResolver,
): Promise<string | undefined> {
  try {
    const name = await nameOf(address)
    // some resolvers give the address back where there is no name
    if (isIP(name) !== 0) return undefined
    const addresses = await addressesOf(name)
    return addresses.some((one) => isSame(one, address)) ? name : undefined
  } catch {
    return undefined
  }
}

/** However they are written. */
function isSame(one: string, other: string): boolean {
  const [family, otherFamily] = [isIP(one), isIP(other)]
  if (family === 0 || family !== otherFamily) return false
  const name = family === 4 ? 'ipv4' : 'ipv6'
  const list = new BlockList()
  list.addAddress(one, name)
  return list.check(other, name)
}
