import type { Column } from '../catalog/catalog.ts'
import { comparedType } from '../catalog/key-value.ts'
import { TypeOid } from '../catalog/type-oid.ts'
import { SpanType } from '../sql/lexer.ts'
import { TIME_PARAMETER } from './expressions.ts'
import type { KeySource } from './plan.ts'
import type { PlanInput } from './plan-input.ts'
import { type Constant, strings, type Tree, type TypeName } from './tree.ts'

const INTEGERS: ReadonlySet<number> = new Set([TypeOid.int2, TypeOid.int4, TypeOid.int8])
const STRINGS: ReadonlySet<number> = new Set([TypeOid.text, TypeOid.varchar])

const TYPE_NAMES: Readonly<Record<string, number>> = {
  bool: TypeOid.bool,
  int2: TypeOid.int2,
  int4: TypeOid.int4,
  int8: TypeOid.int8,
  text: TypeOid.text,
  varchar: TypeOid.varchar,
  uuid: TypeOid.uuid,
  date: TypeOid.date,
  timestamp: TypeOid.timestamp,
  timestamptz: TypeOid.timestamptz,
  numeric: TypeOid.numeric,
  float8: TypeOid.float8,
  bytea: TypeOid.bytea,
  time: TypeOid.time,
  timetz: TypeOid.timetz,
  interval: TypeOid.interval,
  inet: TypeOid.inet,
  cidr: TypeOid.cidr,
  macaddr: TypeOid.macaddr,
  macaddr8: TypeOid.macaddr8,
}

/** Whether `=` between the two columns' types compares the values themselves, and equal values hash alike. */
export function areComparable(left: Column | undefined, right: Column | undefined): boolean {
  return areComparableTypes(comparedType(left), comparedType(right))
}

function areComparableTypes(left: number | undefined, right: number | undefined): boolean {
  if (left === undefined || right === undefined) return false
  if (left === right) return true
  return sameSet(INTEGERS, left, right) || sameSet(STRINGS, left, right)
}

function sameSet(set: ReadonlySet<number>, left: number, right: number): boolean {
  return set.has(left) && set.has(right)
}

/** The value that `expression` has when it is compared with or stored into the column; undefined: not sure. */
export function keySource(
  input: PlanInput,
  expression: Tree | undefined,
  column: Column,
): KeySource | undefined {
  if (expression?.ParamRef !== undefined) {
    const number = expression.ParamRef.number ?? 0
    return number === TIME_PARAMETER ? undefined : { kind: 'parameter', number }
  }
  if (expression?.A_Const !== undefined) {
    return constantSource(input, expression.A_Const, comparedType(column) ?? 0)
  }
  const cast = expression?.TypeCast
  if (cast?.arg === undefined || cast.arg.TypeCast !== undefined) return undefined
  if (!castsTo(cast.typeName, column)) return undefined
  return keySource(input, cast.arg, column)
}

/** What the cast gives has the same hash as the column's value that equals it. */
function castsTo(type: TypeName | undefined, column: Column): boolean {
  const named = column.hashing?.named
  const isPlain = type?.typmods === undefined && type?.arrayBounds === undefined
  if (named !== undefined && isPlain) {
    const names = strings(type?.names)
    if (names.at(-1) === named.name) return names.length === 1 || names.at(-2) === named.schema
  }
  const target = plainTypeOid(type)
  return target !== undefined && areComparableTypes(target, comparedType(column))
}

function plainTypeOid(type: TypeName | undefined): number | undefined {
  const names = strings(type?.names)
  const isQualified = names.length === 2 && names[0] === 'pg_catalog'
  if (type?.typmods !== undefined || type?.arrayBounds !== undefined) return undefined
  return names.length === 1 || isQualified ? TYPE_NAMES[names.at(-1) ?? ''] : undefined
}

function constantSource(
  input: PlanInput,
  constant: Constant,
  typeOid: number,
): KeySource | undefined {
  if (constant.isnull === true) return { kind: 'nothing' }
  if (constant.boolval !== undefined) {
    const text = constant.boolval.boolval === true ? 'true' : 'false'
    return typeOid === TypeOid.bool ? { kind: 'constant', text } : undefined
  }
  const text = literalText(constant, typeOid)
  return text === undefined ? undefined : literalSource(input, constant, text)
}

function literalText(constant: Constant, typeOid: number): string | undefined {
  if (constant.sval !== undefined) return constant.sval.sval ?? ''
  const number = constant.ival === undefined ? constant.fval?.fval : String(constant.ival.ival ?? 0)
  if (number === undefined || !INTEGERS.has(typeOid)) return undefined
  return /^-?[0-9]+$/.test(number) ? number : undefined
}

function literalSource(input: PlanInput, constant: Constant, text: string): KeySource {
  const fallback: KeySource = { kind: 'constant', text }
  const location = constant.location ?? 0
  const { literals } = input
  if (literals === undefined || location < 0) return fallback
  let ordinal = 0
  while (ordinal < literals.count && (literals.starts[ordinal] ?? 0) < location) ordinal += 1
  if (ordinal === literals.count || literals.types?.[ordinal] === SpanType.comment) return fallback
  const between = input.text.toString('latin1', location, literals.starts[ordinal])
  if (between === '') return { kind: 'literal', ordinal, negative: false }
  return /^-\s*$/.test(between) ? { kind: 'literal', ordinal, negative: true } : fallback
}
