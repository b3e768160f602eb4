/**
 * Postgres' own 32-bit type hashes (hash_bytes and hash_uint32 of src/common/hashfn.c, and the hash functions
 * of the default operator classes), bit for bit, as signed 32-bit numbers: what `hash_record(ROW(x))` returns.
 * Little-endian servers only: on others Postgres hashes some types differently, and we support none.
 */

const INITIAL = (0x9e3779b9 + 3923095) | 0
const TWO_TO_32 = 4294967296

/** The three registers of Jenkins' lookup3; shared, since nothing here calls out or waits. */
let a = 0
let b = 0
let c = 0

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}

function mix(): void {
  a = ((a - c) | 0) ^ rotate(c, 4)
  c = (c + b) | 0
  b = ((b - a) | 0) ^ rotate(a, 6)
  a = (a + c) | 0
  c = ((c - b) | 0) ^ rotate(b, 8)
  b = (b + a) | 0
  a = ((a - c) | 0) ^ rotate(c, 16)
  c = (c + b) | 0
  b = ((b - a) | 0) ^ rotate(a, 19)
  a = (a + c) | 0
  c = ((c - b) | 0) ^ rotate(b, 4)
  b = (b + a) | 0
}

function finish(): void {
  c = ((c ^ b) - rotate(b, 14)) | 0
  a = ((a ^ c) - rotate(c, 11)) | 0
  b = ((b ^ a) - rotate(a, 25)) | 0
  c = ((c ^ b) - rotate(b, 16)) | 0
  a = ((a ^ c) - rotate(c, 4)) | 0
  b = ((b ^ a) - rotate(a, 14)) | 0
  c = ((c ^ b) - rotate(b, 24)) | 0
}

/** Up to 4 bytes, little-endian; missing ones are 0. */
function word(bytes: Uint8Array, at: number, end: number): number {
  let value = 0
  for (let i = Math.min(at + 4, end) - 1; i >= at; i--) value = (value << 8) | (bytes[i] ?? 0)
  return value
}

/** hash_bytes() of bytes[start, end) */
export function hashBytes(bytes: Uint8Array, start = 0, end = bytes.length): number {
  a = (INITIAL + (end - start)) | 0
  b = a
  c = a
  let at = start
  for (; end - at >= 12; at += 12) {
    a = (a + word(bytes, at, end)) | 0
    b = (b + word(bytes, at + 4, end)) | 0
    c = (c + word(bytes, at + 8, end)) | 0
    mix()
  }
  a = (a + word(bytes, at, end)) | 0
  b = (b + word(bytes, at + 4, end)) | 0
  // The lowest byte of c is reserved for the length.
  c = (c + (word(bytes, at + 8, end) << 8)) | 0
  finish()
  return c
}

/** hash_uint32(): int2, int4, date, bool, oid. */
export function hashUint32(value: number): number {
  // as finish(), with registers of its own: this is asked for each row of a COPY
  let y = (INITIAL + 4) | 0
  let x = (y + value) | 0
  let z = ((y ^ y) - rotate(y, 14)) | 0
  x = ((x ^ z) - rotate(z, 11)) | 0
  y = ((y ^ x) - rotate(x, 25)) | 0
  z = ((z ^ y) - rotate(y, 16)) | 0
  x = ((x ^ z) - rotate(z, 4)) | 0
  y = ((y ^ x) - rotate(x, 14)) | 0
  return ((z ^ y) - rotate(y, 24)) | 0
}

/** hashint8() of high * 2^32 + (low as unsigned); equal to the hash of the same value as int4 or int2. */
export function hashInt8(high: number, low: number): number {
  return hashUint32(low ^ (high >= 0 ? high : ~high))
}

/** hashint8() of an integer within ±2^53. */
export function hashSafeInteger(value: number): number {
  const high = Math.floor(value / TWO_TO_32)
  return hashInt8(high | 0, (value - high * TWO_TO_32) | 0)
}

/** hashint8() of decimal digits; exact up to 19 of them. The caller has checked form and range. */
export function hashInt8Digits(digits: string, isNegative: boolean): number {
  let high = 0
  let low = 0
  for (let i = 0; i < digits.length; i++) {
    low = low * 10 + (digits.charCodeAt(i) - 48)
    high = high * 10 + Math.floor(low / TWO_TO_32)
    low %= TWO_TO_32
  }
  if (!isNegative) return hashInt8(high | 0, low | 0)
  const negatedLow = (~low + 1) | 0
  return hashInt8((~high + (negatedLow === 0 ? 1 : 0)) | 0, negatedLow)
}

const MICROSECONDS_PER_DAY = 86_400_000_000n

/** interval_hash(): a month is 30 days, a day 24 hours; the sum's low 64 bits. */
export function hashSpan(microseconds: bigint, days: number, months: number): number {
  const all = microseconds + (BigInt(months) * 30n + BigInt(days)) * MICROSECONDS_PER_DAY
  return hashInt8(Number(BigInt.asIntN(32, all >> 32n)), Number(BigInt.asIntN(32, all)))
}

const scratch = Buffer.alloc(1024)

/** hashtext() for deterministic collations: the bytes in UTF-8, the server's encoding. */
export function hashText(text: string): number {
  if (text.length * 3 > scratch.length) return hashBytes(Buffer.from(text))
  return hashBytes(scratch, 0, scratch.write(text, 0, 'utf8'))
}

/** hashbpchar(): trailing blanks do not count. */
export function hashBpchar(bytes: Uint8Array): number {
  let end = bytes.length
  while (end > 0 && bytes[end - 1] === 0x20) end--
  return hashBytes(bytes, 0, end)
}

const float = new Float64Array(1)
const floatBytes = new Uint8Array(float.buffer)

/** hashfloat8(), and hashfloat4() of the widened value. */
export function hashFloat(value: number): number {
  if (value === 0) return 0
  // Postgres' NaN is the quiet one, as is JavaScript's canonical NaN.
  float[0] = value
  return hashBytes(floatBytes)
}

/** hash_numeric() of NaN and the infinities. */
export const NUMERIC_SPECIAL_HASH = 0

/**
 * hash_numeric() of base-10000 digits, most significant first: zeros at both ends do not count.
 * `weight` is the power of 10000 of the first digit.
 */
export function hashNumericDigits(digits: readonly number[], weight: number): number {
  let first = 0
  let end = digits.length
  while (first < end && digits[first] === 0) first++
  while (end > first && digits[end - 1] === 0) end--
  if (first === end) return -1
  const bytes = Buffer.alloc((end - first) * 2)
  for (let i = first; i < end; i++) bytes.writeUInt16LE(digits[i] ?? 0, (i - first) * 2)
  return hashBytes(bytes) ^ (weight - first)
}
