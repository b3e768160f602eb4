import { ProtocolError, type RouterError } from '../../base/errors.ts'
import type { Catalog } from '../../catalog/catalog.ts'
import { coordinatorOf } from '../../catalog/catalog-lookup.ts'
import type { ValueForm } from '../../catalog/user-types.ts'
import {
  FIRST_USER_OID,
  RECORD,
  RECORD_ARRAY,
  typeOnCoordinator,
  userTypeRefusal,
} from './row-description-mapping.ts'

/** Message type and length. */
const HEADER_BYTES = 5
/** ROW(ROW(…)) is as deep as somebody makes it. */
const MAX_DEPTH = 500
/** MAXDIM of Postgres. */
const MAX_DIMENSIONS = 6
const ANY_ROW: ValueForm = { form: 'composite', of: 0 }
const ANY_ROWS: ValueForm = { form: 'array', of: RECORD }

type Direction = Pick<Catalog, 'userTypes' | 'nodes'>

/**
 * Puts the OIDs of types that one node knows in the place of another's, in binary values, in place: an OID has four bytes
 * everywhere.
 *
 *     array       Int32(dimensions) Int32(has NULLs) Int32(element type) { Int32(count) Int32(lower bound) } values
 *     composite   Int32(n) { Int32(type) value }[n]
 *     range       Byte1(flags) values, and multirange   Int32(n) values
 *     value       Int32(length, -1 = NULL) bytes
 */
export class ValueOids {
  readonly #catalog: Direction
  readonly #from: number
  readonly #to: number
  readonly #forms: readonly (ValueForm | undefined)[]

  private constructor(
    catalog: Direction,
    [from, to]: readonly [number, number],
    forms: readonly (ValueForm | undefined)[],
  ) {
    this.#catalog = catalog
    this.#from = from
    this.#to = to
    this.#forms = forms
  }

  /**
   * For rows, or parameters, that go from one node to another and have these types, 0 for those in text form. The types are those
   * that the coordinator knows. undefined: nothing in them is to be changed.
   */
  static between(
    from: number,
    to: number,
    types: readonly number[],
    catalog: Direction,
  ): ValueOids | undefined {
    if (from === to || catalog.userTypes === undefined) return undefined
    const forms = types.map((oid) => formOf(oid, catalog))
    return forms.some((form) => form !== undefined)
      ? new ValueOids(catalog, [from, to], forms)
      : undefined
  }

  /** Int16(n) and values, as in a DataRow, a Bind or a tuple of COPY. */
  mapRow(bytes: Buffer, start: number, end: number): void {
    if (start + 2 > end) throw malformed()
    const count = bytes.readInt16BE(start)
    let at = start + 2
    for (let index = 0; index < count; index++) {
      at = this.#value(bytes, at, end, this.#forms[index], 0)
    }
  }

  /** DataRow or CopyData messages, all of them rows. */
  mapMessages(bytes: Buffer, start: number, end: number): void {
    let at = start
    while (at < end) {
      const next = at + 1 + bytes.readInt32BE(at + 1)
      this.mapRow(bytes, at + HEADER_BYTES, next)
      at = next
    }
  }

  /** Copies of those that are changed. `isBinary`: of each. */
  mapValues(
    values: readonly (Buffer | undefined)[],
    isBinary: (index: number) => boolean,
  ): readonly (Buffer | undefined)[] {
    return values.map((value, index) => {
      const form = this.#forms[index]
      if (value === undefined || form === undefined || !isBinary(index)) return value
      const own = Buffer.from(value)
      this.#content(own, 0, own.length, form, 0)
      return own
    })
  }

  /** Returns where it ends. */
  #value(
    bytes: Buffer,
    start: number,
    end: number,
    form: ValueForm | undefined,
    depth: number,
  ): number {
    if (start + 4 > end) throw malformed()
    const length = bytes.readInt32BE(start)
    const at = start + 4
    if (length < 0) return at
    if (at + length > end) throw malformed()
    if (form !== undefined) this.#content(bytes, at, at + length, form, depth)
    return at + length
  }

  #content(bytes: Buffer, start: number, end: number, { form, of }: ValueForm, depth: number) {
    if (depth > MAX_DEPTH) throw userTypeRefusal()
    const inner = formOf(of, this.#catalog)
    if (form === 'array') this.#array(bytes, start, end, depth + 1)
    else if (form === 'composite') this.#composite(bytes, start, end, depth + 1)
    else if (form === 'range') this.#values(bytes, start + 1, end, inner, depth + 1)
    else if (form === 'multirange') this.#values(bytes, start + 4, end, inner, depth + 1)
    else if (inner !== undefined) this.#content(bytes, start, end, inner, depth + 1)
  }

  #array(bytes: Buffer, start: number, end: number, depth: number): void {
    if (start + 12 > end) throw malformed()
    const dimensions = bytes.readInt32BE(start)
    if (dimensions < 0 || dimensions > MAX_DIMENSIONS) throw malformed()
    const element = this.#type(bytes, start + 8)
    if (element !== undefined) {
      this.#values(bytes, start + 12 + 8 * dimensions, end, element, depth)
    }
  }

  #composite(bytes: Buffer, start: number, end: number, depth: number): void {
    let at = start + 4
    while (at < end) {
      if (at + 4 > end) throw malformed()
      at = this.#value(bytes, at + 4, end, this.#type(bytes, at), depth)
    }
  }

  #values(
    bytes: Buffer,
    start: number,
    end: number,
    form: ValueForm | undefined,
    depth: number,
  ): void {
    if (form === undefined) return
    for (let at = start; at < end; ) at = this.#value(bytes, at, end, form, depth)
  }

  /** Changes the OID that stands there; returns what values of that type hold themselves. */
  #type(bytes: Buffer, at: number): ValueForm | undefined {
    const { userTypes, nodes } = this.#catalog
    const oid = bytes.readUInt32BE(at)
    if (oid < FIRST_USER_OID) return formOf(oid, this.#catalog)
    const coordinatorId = nodes[0]?.nodeId
    const own =
      this.#from === coordinatorId ? oid : typeOnCoordinator(this.#catalog, this.#from, oid)
    const theirs = this.#to === coordinatorId ? own : userTypes?.onNode.get(`${this.#to}/${own}`)
    if (own === undefined || theirs === undefined) throw userTypeRefusal()
    bytes.writeUInt32BE(theirs, at)
    return formOf(own, this.#catalog)
  }
}

/** `oid`: on the coordinator. */
function formOf(oid: number, { userTypes }: Direction): ValueForm | undefined {
  if (oid === RECORD) return ANY_ROW
  if (oid === RECORD_ARRAY) return ANY_ROWS
  return userTypes?.carriers.get(oid)
}

function malformed(): RouterError {
  return new ProtocolError('malformed binary value', { severity: 'ERROR' })
}

/** Of the columns of a node's answer, as far as they come in binary. */
export function answerOids(
  nodeId: number,
  fields: readonly { readonly typeOid: number; readonly format: number }[],
  catalog: Catalog,
): ValueOids | undefined {
  const coordinatorId = coordinatorOf(catalog).nodeId
  const types = fields.map(({ typeOid, format }) =>
    format === 1 ? (typeOnCoordinator(catalog, nodeId, typeOid) ?? 0) : 0,
  )
  return ValueOids.between(nodeId, coordinatorId, types, catalog)
}
