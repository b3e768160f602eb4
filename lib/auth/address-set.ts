import { BlockList, isIP } from 'node:net'
import { networkInterfaces } from 'node:os'

/** Which client addresses a rule is for. undefined stands for a Unix socket, which none matches. */
export type AddressSet =
  | { readonly kind: 'all' }
  | { readonly kind: 'block'; readonly block: BlockList }
  /** Our own addresses, or the networks they are in; read anew each time, for interfaces come and go. */
  | { readonly kind: 'samehost' | 'samenet' }
  /** A host's name, or with a dot in front the end of one; whether an address has it must be asked. */
  | { readonly kind: 'name'; readonly name: string }

/**
 * `text` is `all`, samehost, samenet, address/length, an address to which `mask` belongs, or a host's name. A string says
 * what is wrong.
 */
export function readAddressSet(text: string, mask: string | undefined): AddressSet | string {
  if (text === 'all' || text === 'samehost' || text === 'samenet') return { kind: text }
  const [address = '', length, ...rest] = text.split('/')
  const version = isIP(address)
  if (version === 0) {
    if (length !== undefined) return `"${text}" is a host name with a mask`
    return isHostName(text) ? { kind: 'name', name: text } : `"${text}" is no address`
  }
  const family = version === 4 ? 'ipv4' : 'ipv6'
  const bits = version === 4 ? 32 : 128
  const prefix = length === undefined ? prefixOfMask(mask, version) : Number(length || Number.NaN)
  const isLength = prefix !== undefined && Number.isInteger(prefix) && prefix >= 0 && prefix <= bits
  if (!isLength || rest.length > 0) return `"${text}" has no valid mask`
  const block = new BlockList()
  block.addSubnet(address, prefix, family)
  return { kind: 'block', block }
}

export function includesAddress(set: AddressSet, address: string | undefined): boolean {
  if (address === undefined) return false
  switch (set.kind) {
    case 'all':
      return true
    case 'block':
      return isInBlock(set.block, address)
    case 'name':
      return false
    case 'samehost':
    case 'samenet':
      return isInBlock(ownNetworks(set.kind), address)
  }
}

/** `.example.com` stands for all names that end so. */
export function isHostNamed(pattern: string, name: string): boolean {
  const [wanted, given] = [pattern.toLowerCase(), name.toLowerCase()]
  return wanted.startsWith('.')
    ? given.endsWith(wanted) && given.length > wanted.length
    : given === wanted
}

/** As Postgres shows it: an IPv4 client of a socket for both versions is an IPv4 client; no zone of a link. */
export function plainAddress(address: string): string {
  const [bare = ''] = address.split('%')
  return bare.toLowerCase().startsWith('::ffff:') && isIP(bare.slice(7)) === 4
    ? bare.slice(7)
    : bare
}

function isHostName(text: string): boolean {
  return /^\.?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?$/.test(text) && !/^[0-9.]+$/.test(text)
}

function isInBlock(block: BlockList, address: string): boolean {
  const version = isIP(address)
  return version !== 0 && block.check(address, version === 4 ? 'ipv4' : 'ipv6')
}

function ownNetworks(kind: 'samehost' | 'samenet'): BlockList {
  const block = new BlockList()
  for (const { address, cidr, family } of Object.values(networkInterfaces()).flatMap(
    (i) => i ?? [],
  )) {
    const bits = family === 'IPv4' ? 32 : 128
    const prefix = kind === 'samehost' ? bits : Number(cidr?.split('/')[1] ?? bits)
    block.addSubnet(address, prefix, family === 'IPv4' ? 'ipv4' : 'ipv6')
  }
  return block
}

/** 255.255.0.0 -> 16; undefined: no mask, or its bits aren't all in front. */
function prefixOfMask(mask: string | undefined, version: number): number | undefined {
  if (mask === undefined || isIP(mask) !== version) return undefined
  const bits = version === 4 ? maskBits4(mask) : maskBits6(mask)
  return /^1*0*$/.test(bits) ? bits.replaceAll('0', '').length : undefined
}

function maskBits4(mask: string): string {
  return mask
    .split('.')
    .map((part) => Number(part).toString(2).padStart(8, '0'))
    .join('')
}

function maskBits6(mask: string): string {
  const [head = '', tail] = mask.split('::')
  const groups = (part: string | undefined) => (part ? part.split(':') : [])
  const front = groups(head)
  const back = groups(tail)
  const middle = new Array<string>(8 - front.length - back.length).fill('0')
  return [...front, ...(tail === undefined ? [] : middle), ...back]
    .map((group) => Number.parseInt(group, 16).toString(2).padStart(16, '0'))
    .join('')
}
