import { ServerError } from '../../base/errors.ts'
import { SqlState } from '../../base/sqlstate.ts'
import type { PositionMap } from './position-map.ts'

/**
 * Mends what a server's ErrorResponse or NoticeResponse tells of our physical names. Byte1 Int32 { Byte1 String }* Byte1(0).
 * Only these: the schema (field s), names in the message texts of the classes that are about names, the position (P).
 */

/** pgloom_<shardgroupid> for public, pgloom_<shardgroupid>_<user schema> otherwise. */
const PHYSICAL_SCHEMA = /^pgloom_\d+(?:_(.+))?$/s
/** Plain or quoted, with the dot that follows. */
const QUALIFIED_NAME = /(?<!\w)(?:pgloom_\d+(?:_(\w+))?|"pgloom_\d+(?:_((?:[^"]|"")+))?")\./g
const SCHEMA_NAME = /schema "pgloom_\d+(?:_([^"]+))?"/g
/** In any language. */
const SHARD_NAME = /"pgloom_\d+[^"]*"/

/** Undefined if the name is no shard's schema. */
export function userSchema(physical: string): string | undefined {
  const match = PHYSICAL_SCHEMA.exec(physical)
  return match === null ? undefined : (match[1] ?? 'public')
}

/** Errors that said, before they were mended, that a shard is not there. */
const ofMissingShards = new WeakSet<object>()

/** A server has no shard of the name that we gave it: nothing of the statement ran there, and our map may be old. */
export function missesShard(error: unknown): error is ServerError {
  if (!(error instanceof ServerError)) return false
  const { sqlState, message } = error
  return ofMissingShards.has(error) || tellsOfMissingShard(sqlState, message)
}

function tellsOfMissingShard(sqlState: string, message: string): boolean {
  const isMissing = sqlState === SqlState.undefinedTable || sqlState === SqlState.invalidSchemaName
  return isMissing && SHARD_NAME.test(message)
}

/** A scratch table's name and the user's table it stands for. */
export type Alias = {
  /** How values of our own end the row that an error shows. */
  readonly hidden?: RegExp
  readonly schema: string
  readonly name: string
  readonly shownSchema: string
  readonly shownName: string
}

/** One field of the message: its code and text. */
type Field = [code: string, value: string]

export type Mending = {
  /** 'drop': the text was made by us, so a position in it means nothing to the client. undefined: sent as it was. */
  readonly positions: PositionMap | 'drop' | undefined
  /** Tables of our own that stand for the user's. */
  readonly aliases?: readonly Alias[]
  /** Of the field W, CONTEXT; undefined: it is left out. */
  readonly where?: (where: string) => string | undefined
}

/** For rows that we send by COPY, which the client knows nothing of. */
export const UNSEEN_COPY: Mending = { positions: undefined, where: withoutCopy }

/** CONTEXT of an error, without our own COPY. */
export function withoutCopy(where: string): string | undefined {
  const shown = where.replace(/(?:^|\n)COPY [^\n]*, line \d+[^\n]*$/, '')
  return shown === '' ? undefined : shown
}

/** A private copy of the message in [start, end), as the client should see it. */
export function mendMessage(chunk: Buffer, start: number, end: number, mending: Mending): Buffer {
  const fields = readFields(chunk, start, end)
  const sqlState = fields.find(([code]) => code === 'C')?.[1] ?? ''
  let isChanged = false
  const mendedFields: Field[] = []
  const table = fields.find(([code]) => code === 't')?.[1]
  const own = mending.aliases?.filter(({ name }) => name === table) ?? []
  const [alias] = own.length > 0 ? own : (mending.aliases ?? [])
  for (const [code, value] of fields) {
    const mended = mendField(code, value, sqlState, mending, alias)
    isChanged ||= mended !== value
    if (mended !== undefined) mendedFields.push([code, mended])
  }
  if (!isChanged) return Buffer.from(chunk.subarray(start, end))
  return writeFields(chunk[start] ?? 0, mendedFields)
}

/** The error in [start, end) as the client should see it. */
export function mendError(
  chunk: Buffer,
  start: number,
  end: number,
  mending: Mending,
): ServerError {
  const frame = mendMessage(chunk, start, end, mending)
  const fields = new Map(readFields(frame, 0, frame.length))
  const detail = fields.get('D')
  const hint = fields.get('H')
  const error = new ServerError(frame, fields.get('C') ?? 'XX000', fields.get('M') ?? '', {
    severity: severityOf(fields.get('V') ?? fields.get('S')),
    ...(detail === undefined ? {} : { detail }),
    ...(hint === undefined ? {} : { hint }),
  })
  const [, sent = ''] = readFields(chunk, start, end).find(([code]) => code === 'M') ?? []
  if (tellsOfMissingShard(error.sqlState, sent)) ofMissingShards.add(error)
  return error
}

function severityOf(value: string | undefined): 'ERROR' | 'FATAL' | 'PANIC' {
  return value === 'FATAL' || value === 'PANIC' ? value : 'ERROR'
}

/** undefined: the field is left out. */
function mendField(
  code: string,
  value: string,
  sqlState: string,
  mending: Mending,
  alias: Alias | undefined,
): string | undefined {
  const { aliases = [], positions } = mending
  switch (code) {
    case 's':
      if (alias !== undefined && value === alias.schema) return alias.shownSchema
      return userSchema(value) ?? value
    case 'P':
      if (positions === 'drop') return undefined
      return positions === undefined ? value : String(positions.toOriginal(Number(value)))
    case 'M':
      return withoutAliases(aboutNames(sqlState) ? mendNames(value) : value, aliases)
    case 'W': {
      const where = withoutAliases(value, aliases)
      return mending.where === undefined ? where : mending.where(where)
    }
    case 'D':
      return withoutAliases(
        alias?.hidden === undefined ? value : value.replace(alias.hidden, ').'),
        aliases,
      )
    case 't':
    case 'n':
    case 'H':
      return withoutAliases(value, aliases)
    default:
      return value
  }
}

/** Undefined or ambiguous names, and missing schemas: there the text quotes names, elsewhere it may quote data. */
function aboutNames(sqlState: string): boolean {
  return sqlState.startsWith('42') || sqlState === '3F000' || sqlState === '55P03'
}

function mendNames(text: string): string {
  return text
    .replace(QUALIFIED_NAME, (_, plain?: string, quoted?: string) => {
      const schema = plain ?? quoted
      return schema === undefined ? '' : `${schema}.`
    })
    .replace(SCHEMA_NAME, (_, schema?: string) => `schema "${schema ?? 'public'}"`)
}

/** A scratch table's name is random, so it never stands in a text by chance. */
function withoutAliases(text: string, aliases: readonly Alias[]): string {
  return aliases.reduce((shown, { name, shownName }) => shown.replaceAll(name, shownName), text)
}

function readFields(chunk: Buffer, start: number, end: number): Field[] {
  const fields: Field[] = []
  let at = start + 5
  while (at < end) {
    const code = chunk[at] ?? 0
    if (code === 0) break
    const close = chunk.indexOf(0, at + 1)
    const stop = close === -1 || close >= end ? end : close
    fields.push([String.fromCharCode(code), chunk.toString('utf8', at + 1, stop)])
    at = stop + 1
  }
  return fields
}

function writeFields(type: number, fields: readonly Field[]): Buffer {
  const body = Buffer.from(`${fields.map(([code, value]) => `${code}${value}\0`).join('')}\0`)
  const frame = Buffer.allocUnsafe(body.length + 5)
  frame[0] = type
  frame.writeInt32BE(body.length + 4, 1)
  body.copy(frame, 5)
  return frame
}
