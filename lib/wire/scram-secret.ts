import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'

export const SCRAM_SHA_256 = 'SCRAM-SHA-256'
/** The same, bound to the TLS connection that it runs in. */
export const SCRAM_SHA_256_PLUS = 'SCRAM-SHA-256-PLUS'
/** Postgres' SCRAM_SHA_256_DEFAULT_ITERATIONS */
export const DEFAULT_ITERATIONS = 4096
/** More would keep a thread busy for minutes: nobody may make us compute that. */
export const MAX_ITERATIONS = 1_000_000
const KEY_BYTES = 32
const SALT_BYTES = 16

/** What a server keeps of a password: rolpassword of pg_authid. */
export type ScramSecret = {
  readonly iterations: number
  readonly salt: Buffer
  readonly storedKey: Buffer
  readonly serverKey: Buffer
  /** true: made up for a user who has no secret; no proof can match. */
  readonly isFake: boolean
}

/**
 * Enough to log in to a server whose secret has this salt and iteration count, and to know the server again: as good
 * as the password there, so never stored or logged. A client's proof reveals it to us.
 */
export type ScramKeys = {
  readonly iterations: number
  readonly salt: Buffer
  readonly clientKey: Buffer
  readonly serverKey: Buffer
}

const derive = promisify(pbkdf2)

export function hmac(key: Buffer, data: string | Buffer): Buffer {
  return createHmac('sha256', key).update(data).digest()
}

export function sha256(data: Buffer): Buffer {
  return createHash('sha256').update(data).digest()
}

/** Runs on a thread of libuv's pool: the event loop goes on. */
function saltedPassword(password: string, salt: Buffer, iterations: number): Promise<Buffer> {
  return derive(saslPrep(password), salt, iterations, KEY_BYTES, 'sha256')
}

const SECRET = /^SCRAM-SHA-256\$(\d{1,9}):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)$/

/** undefined: `text` isn't of the form SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey. */
export function parseScramSecret(text: string): ScramSecret | undefined {
  const match = SECRET.exec(text)
  if (match === null) return undefined
  const [, iterations = '', salt = '', storedKey = '', serverKey = ''] = match
  const secret = {
    iterations: Number(iterations),
    salt: Buffer.from(salt, 'base64'),
    storedKey: Buffer.from(storedKey, 'base64'),
    serverKey: Buffer.from(serverKey, 'base64'),
    isFake: false,
  }
  const isSound =
    secret.iterations > 0 &&
    secret.storedKey.length === KEY_BYTES &&
    secret.serverKey.length === KEY_BYTES
  return isSound ? secret : undefined
}

export function formatScramSecret({ iterations, salt, storedKey, serverKey }: ScramSecret): string {
  const base64 = (bytes: Buffer) => bytes.toString('base64')
  return `${SCRAM_SHA_256}$${iterations}:${base64(salt)}$${base64(storedKey)}:${base64(serverKey)}`
}

export async function makeScramSecret(
  password: string,
  salt: Buffer = randomBytes(SALT_BYTES),
  iterations: number = DEFAULT_ITERATIONS,
): Promise<ScramSecret> {
  const { clientKey, serverKey } = await makeScramKeys(password, salt, iterations)
  return { iterations, salt, storedKey: sha256(clientKey), serverKey, isFake: false }
}

export async function makeScramKeys(
  password: string,
  salt: Buffer,
  iterations: number,
): Promise<ScramKeys> {
  const salted = await saltedPassword(password, salt, iterations)
  const clientKey = hmac(salted, 'Client Key')
  return { iterations, salt, clientKey, serverKey: hmac(salted, 'Server Key') }
}

/** The keys of `password`, if `secret` was made of it in bounded time. Takes equally long for a secret made up. */
export async function keysOfPassword(
  password: string,
  secret: ScramSecret,
): Promise<ScramKeys | undefined> {
  if (secret.iterations > MAX_ITERATIONS) return undefined
  const keys = await makeScramKeys(password, secret.salt, secret.iterations)
  const isRight = timingSafeEqual(sha256(keys.clientKey), secret.storedKey)
  return isRight && !secret.isFake ? keys : undefined
}

/** Stable for a name: real secrets that we make of plain passwords and fake ones can't be told apart. */
export function saltOf(user: string, key: Buffer): Buffer {
  return hmac(key, user).subarray(0, SALT_BYTES)
}

/**
 * For a user who does not exist: the conversation goes on as with one who does and fails at its end. The salt
 * depends only on `key` (one for all processes of a proxy) and the name, as a real one would stay the same.
 */
export function fakeScramSecret(
  user: string,
  key: Buffer,
  iterations = DEFAULT_ITERATIONS,
): ScramSecret {
  return {
    iterations,
    salt: saltOf(user, key),
    storedKey: randomBytes(KEY_BYTES),
    serverKey: randomBytes(KEY_BYTES),
    isFake: true,
  }
}

const NON_ASCII_SPACES = /[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/g
const MAPPED_TO_NOTHING =
  /\u034f|\u200d|[\u00ad\u1806\u200c\u2060\ufeff]|[\u180b-\u180d]|[\ufe00-\ufe0f]/g
const PROHIBITED =
  /\u0340|\u0341|[\p{Cc}\p{Co}\p{Cs}\p{Noncharacter_Code_Point}\u200e\u200f\u202a-\u202e\u206a-\u206f\u2028\u2029\ufff9-\ufffd\u2ff0-\u2ffb]/u

/** RFC 4013 as Postgres applies it: a password that it can't prepare is used as it is. */
function saslPrep(password: string): string {
  if (!/[^\x20-\x7e]/.test(password)) return password
  const prepared = password
    .replace(NON_ASCII_SPACES, ' ')
    .replace(MAPPED_TO_NOTHING, '')
    .normalize('NFKC')
  return prepared === '' || PROHIBITED.test(prepared) ? password : prepared
}
