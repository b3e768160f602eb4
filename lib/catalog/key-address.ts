/** Of network addresses, as inet's binary form numbers the families: length of the address in bytes. */
export const INET_LENGTHS: ReadonlyMap<number, number> = new Map([
  [2, 4],
  [3, 16],
])

const BYTE = '(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)'
const IPV4 = new RegExp(`^${[BYTE, BYTE, BYTE, BYTE].join('\\.')}(?:/(\\d{1,2}))?$`)
const IPV6 = /^([0-9a-f:]{2,39})(?:\/(\d{1,3}))?$/i

/** family, bits, address: what hashinet() hashes. undefined: another form, which Postgres may or may not know. */
export function inetBytes(text: string, isCidr: boolean): Buffer | undefined {
  const found = ipv4Bytes(text) ?? ipv6Bytes(text)
  if (found === undefined || (isCidr && hasHostBits(found))) return undefined
  return found
}

function ipv4Bytes(text: string): Buffer | undefined {
  const match = IPV4.exec(text)
  if (match === null) return undefined
  const bits = Number(match[5] ?? '32')
  return bits > 32 ? undefined : Buffer.from([2, bits, ...match.slice(1, 5).map(Number)])
}

function ipv6Bytes(text: string): Buffer | undefined {
  const match = IPV6.exec(text)
  const bits = Number(match?.[2] ?? '128')
  const groups = ipv6Groups(match?.[1] ?? '')
  if (groups === undefined || bits > 128) return undefined
  const bytes = Buffer.alloc(18)
  bytes[0] = 3
  bytes[1] = bits
  groups.forEach((group, index) => {
    bytes.writeUInt16BE(Number.parseInt(group, 16), 2 + index * 2)
  })
  return bytes
}

const GROUPS = 8

/** All eight; `::` stands for at least one that is zero. */
function ipv6Groups(address: string): readonly string[] | undefined {
  const halves = address.split('::')
  if (halves.length > 2) return undefined
  const [head = [], tail = []] = halves.map((half) => (half === '' ? [] : half.split(':')))
  const missing = GROUPS - head.length - tail.length
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined
  const groups = [...head, ...new Array<string>(missing).fill('0'), ...tail]
  return groups.every((group) => group.length >= 1 && group.length <= 4) ? groups : undefined
}

function hasHostBits(bytes: Buffer): boolean {
  const bits = bytes[1] ?? 0
  return bytes.subarray(2).some((byte, index) => {
    const kept = Math.min(8, Math.max(0, bits - index * 8))
    return (byte & (0xff >> kept)) !== 0
  })
}
