const BASE = 10_000n
const HEADER_BYTES = 8
const NEGATIVE = 0x4000

/**
 * A whole number in the binary format of Postgres' type numeric: Int16 count of digits, Int16 weight of the first, Int16
 * sign, Int16 scale, then the digits of base 10000, without zeros at the end.
 */
export function binaryNumeric(value: bigint): Buffer {
  const digits: number[] = []
  for (let rest = value < 0n ? -value : value; rest > 0n; rest /= BASE) {
    digits.unshift(Number(rest % BASE))
  }
  const weight = Math.max(0, digits.length - 1)
  while (digits.at(-1) === 0) digits.pop()
  const bytes = Buffer.alloc(HEADER_BYTES + 2 * digits.length)
  bytes.writeInt16BE(digits.length, 0)
  bytes.writeInt16BE(weight, 2)
  bytes.writeUInt16BE(value < 0n ? NEGATIVE : 0, 4)
  for (const [index, digit] of digits.entries()) {
    bytes.writeInt16BE(digit, HEADER_BYTES + 2 * index)
  }
  return bytes
}
