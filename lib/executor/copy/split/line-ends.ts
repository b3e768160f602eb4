import { CopyFault } from './copy-fault.ts'

export const LF = 0x0a
export const CR = 0x0d
const BACKSLASH = 0x5c
const DOT = 0x2e

/** Not yet clear that there is an end of data, that there is none. */
export const UNCLEAR = -1
export const NO_MARKER = 0

/** The first line's end says what all others must be. */
export type LineEnd = 'unknown' | 'LF' | 'CR' | 'CRLF'

const WORDS = {
  text: {
    kind: 'literal',
    ofCr: 'Use "\\r" to represent carriage return.',
    ofLf: 'Use "\\n" to represent newline.',
  },
  csv: {
    kind: 'unquoted',
    ofCr: 'Use quoted CSV field to represent carriage return.',
    ofLf: 'Use quoted CSV field to represent newline.',
  },
} as const

/** The rules of CopyReadLineText about line ends and the end-of-copy marker. */
export class LineEnds {
  style: LineEnd = 'unknown'
  readonly #format: 'text' | 'csv'
  /** Before version 18 CSV had the marker too. */
  readonly #hasMarker: boolean
  readonly #corruptText: string

  constructor(format: 'text' | 'csv', serverMajor: number) {
    this.#format = format
    this.#hasMarker = format === 'text' || serverMajor < 18
    this.#corruptText =
      serverMajor < 18
        ? 'end-of-copy marker corrupt'
        : 'end-of-copy marker is not alone on its line'
  }

  /** The bytes of the line end at `at`, where a LF or CR is; UNCLEAR: the next byte must be seen. Throws when it is not as the first. */
  lengthAt(bytes: Buffer, at: number, end: number, isLast: boolean): number {
    return bytes[at] === LF ? this.#lineFeed() : this.#carriageReturn(bytes, at, end, isLast)
  }

  #lineFeed(): number {
    const { kind, ofLf } = WORDS[this.#format]
    if (this.style === 'CR' || this.style === 'CRLF') {
      throw new CopyFault(`${kind} newline found in data`, ofLf)
    }
    this.style = 'LF'
    return 1
  }

  #carriageReturn(bytes: Buffer, at: number, end: number, isLast: boolean): number {
    const isHalf = at + 1 >= end && !isLast
    if (isHalf && this.#format === 'csv') return UNCLEAR
    if (this.style === 'LF') throw this.#strayReturn()
    if (this.style === 'CR') return 1
    if (isHalf) return UNCLEAR
    const isPair = at + 1 < end && bytes[at + 1] === LF
    if (!isPair && this.style === 'CRLF') throw this.#strayReturn()
    this.style = isPair ? 'CRLF' : 'CR'
    return isPair ? 2 : 1
  }

  #strayReturn(): CopyFault {
    const { kind, ofCr } = WORDS[this.#format]
    return new CopyFault(`${kind} carriage return found in data`, ofCr)
  }

  /** true: bytes at `at` may be a marker: `\.` or the first half of it. */
  mayBeMarker(bytes: Buffer, at: number, end: number): boolean {
    if (!this.#hasMarker || bytes[at] !== BACKSLASH) return false
    return at + 1 >= end || bytes[at + 1] === DOT
  }

  /** After mayBeMarker() at a row's start: bytes of the marker and its line end, NO_MARKER or UNCLEAR. */
  markerAt(bytes: Buffer, at: number, end: number, isLast: boolean): number {
    if (at + 1 >= end) return isLast ? NO_MARKER : UNCLEAR
    let next = at + 2
    if (this.style === 'CRLF' && next < end) {
      if (bytes[next] === LF) return this.#otherStyle(this.#format === 'csv')
      if (bytes[next] !== CR) return this.#corrupt()
      next++
    }
    if (next >= end) return isLast ? this.#corrupt() : UNCLEAR
    return this.#markerEnd(bytes[next]) === NO_MARKER ? NO_MARKER : next + 1 - at
  }

  #markerEnd(byte: number | undefined): number {
    if (byte !== LF && byte !== CR) return this.#corrupt()
    const wanted = this.style === 'CR' ? CR : LF
    return this.style !== 'unknown' && byte !== wanted ? this.#otherStyle(false) : 1
  }

  /** `\.` somewhere else in a line of text format: an error in most versions. */
  strayMarker(): CopyFault {
    return new CopyFault(this.#corruptText)
  }

  #corrupt(): number {
    if (this.#format === 'csv') return NO_MARKER
    throw this.strayMarker()
  }

  #otherStyle(isData: boolean): number {
    if (isData) return NO_MARKER
    throw new CopyFault('end-of-copy marker does not match previous newline style')
  }
}
