import { resolve } from 'node:path'
import type { IniKind } from './ini-keys.ts'

/** Postgres' own limit; PgBouncer's default is twice that. */
const MAX_MESSAGE_BYTES = 1_073_741_822

const UNITS_MS: Readonly<Record<string, number>> = {
  us: 0.001,
  ms: 1,
  s: 1000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  '': 1000,
}

const PROTOCOLS = ['tlsv1.0', 'tlsv1.1', 'tlsv1.2', 'tlsv1.3']

/** `value` undefined: the parameter is as good as not set. */
export type IniValue =
  | { readonly value: unknown; readonly fault?: undefined }
  | { readonly fault: string }

export function readIniValue(text: string, kind: IniKind): IniValue {
  switch (kind) {
    case 'integer':
      return wholeNumber(text)
    case 'flag':
      return mapped(wholeNumber(text), (number) => number !== 0)
    case 'seconds':
      return milliseconds(text)
    case 'word':
      return { value: text === '' ? undefined : text.toLowerCase() }
    case 'text':
      return { value: text === '' ? undefined : text }
    case 'query':
      return { value: text }
    case 'names':
      return { value: splitList(text) }
    case 'addresses':
      return { value: splitList(text) }
    case 'file':
      return { value: text === '' ? undefined : resolve(text) }
    case 'protocols':
      return { value: protocols(text) }
    case 'ciphers':
      return { value: ciphers(text) }
    case 'message-bytes':
      return mapped(wholeNumber(text), (bytes) => Math.min(bytes, MAX_MESSAGE_BYTES))
    case 'verbosity':
      return mapped(wholeNumber(text), (level) => (level > 0 ? 'debug' : 'info'))
  }
}

function mapped(read: IniValue, map: (number: number) => unknown): IniValue {
  return 'value' in read ? { value: map(read.value as number) } : read
}

/** In the notations of C. */
function wholeNumber(text: string): IniValue {
  if (/^0[0-7]+$/.test(text)) return { value: Number.parseInt(text, 8) }
  if (/^(-?\d+|0[xX][0-9a-fA-F]+)$/.test(text)) return { value: Number(text) }
  return { fault: `must be a whole number, not ${text === '' ? 'empty' : text}` }
}

function milliseconds(text: string): IniValue {
  const [, number = '', unit = ''] = /^(\d+\.?\d*|\.\d+)\s*([a-z]*)$/i.exec(text) ?? []
  const factor = UNITS_MS[unit.toLowerCase()]
  if (number === '' || factor === undefined) {
    return { fault: `must be a number of seconds, not ${text === '' ? 'empty' : text}` }
  }
  return { value: Math.round(Number(number) * factor) }
}

function splitList(text: string): readonly string[] {
  const items = text.split(',').map((item) => item.trim())
  return [...new Set(items.filter((item) => item !== ''))]
}

function protocols(text: string): readonly string[] | undefined {
  const words = text.toLowerCase().split(/[,:\s]+/)
  const chosen = words.flatMap((word) => {
    if (word === 'all' || word === 'legacy') return PROTOCOLS
    if (word === 'secure') return PROTOCOLS.slice(2)
    return word === '' ? [] : [word]
  })
  return chosen.length === 0 ? undefined : [...new Set(chosen)]
}

function ciphers(text: string): string | undefined {
  if (/^(default|secure|fast|normal|)$/.test(text)) return undefined
  return text === 'all' ? 'ALL' : text
}
