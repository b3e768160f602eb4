import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import { quoteIdentifier, quoteQualified } from './shard-schema.ts'
import type { SequenceDescription, TableDescription } from './table-description.ts'

/**
 * Every node draws from its own part of a sequence, so that a default needs no round trip:
 * bigint by the high bits (group g: g * 2^48 + 1 and on; groups below 32 stay below 2^53), smaller types by stride
 * (group g: g, g + 32, g + 64 …). Group 0, the coordinator, keeps the values it had.
 */
const HIGH_BITS = 48n
const STRIDE = 32

export type SequenceNode = { readonly groupId: number }

/** On the coordinator, before the table is handed to other nodes. Idempotent. `lastValue`: the next one it would give. */
export function adoptSequenceSql(sequence: SequenceDescription, nextValue: string): string[] {
  requireSimple(sequence)
  if (isAdopted(sequence)) return []
  const name = quoteQualified(sequence.schema, sequence.name)
  if (sequence.type === 'bigint') {
    if (BigInt(nextValue) >= 1n << HIGH_BITS) {
      refuse(sequence, 'has passed 2^48, so its values cannot be told from those of other nodes')
    }
    return [`ALTER SEQUENCE ${name} MAXVALUE ${(1n << HIGH_BITS) - 1n}`]
  }
  return [
    `ALTER SEQUENCE ${name} INCREMENT BY ${STRIDE} MINVALUE 0 RESTART WITH ${strideBase(nextValue)}`,
  ]
}

/** The first multiple of the stride that is neither used nor 0. */
function strideBase(nextValue: string): bigint {
  const stride = BigInt(STRIDE)
  const next = BigInt(nextValue)
  return next <= 0n ? stride : ((next + stride - 1n) / stride) * stride
}

/** On another node, where it may exist already (shared by several tables). */
export function createSequenceSql(
  sequence: SequenceDescription,
  nextValue: string,
  { groupId }: SequenceNode,
): string {
  const name = quoteQualified(sequence.schema, sequence.name)
  const start = `CREATE SEQUENCE IF NOT EXISTS ${name} AS ${sequence.type} CACHE ${sequence.cache}`
  if (sequence.type === 'bigint') {
    const first = (BigInt(groupId) << HIGH_BITS) + 1n
    const last = (BigInt(groupId + 1) << HIGH_BITS) - 1n
    return `${start} MINVALUE ${first} MAXVALUE ${last} START ${first}`
  }
  if (groupId >= STRIDE)
    refuse(sequence, `has no values left for node group ${groupId}; use bigint`)
  return `${start} INCREMENT BY ${STRIDE} MINVALUE 0 START ${strideBase(nextValue) + BigInt(groupId)}`
}

/** So that dropping the shell, or the column, drops it too. */
export function ownSequenceSql(table: TableDescription, sequence: SequenceDescription): string[] {
  if (sequence.column === null) return []
  const column = `${quoteQualified(table.schema, table.name)}.${quoteIdentifier(sequence.column)}`
  return [`ALTER SEQUENCE ${quoteQualified(sequence.schema, sequence.name)} OWNED BY ${column}`]
}

function isAdopted(sequence: SequenceDescription): boolean {
  return sequence.type === 'bigint'
    ? BigInt(sequence.maximum) < 1n << HIGH_BITS
    : sequence.increment === String(STRIDE) && sequence.minimum === '0'
}

function requireSimple(sequence: SequenceDescription): void {
  const isUsual = sequence.increment === '1' || isAdopted(sequence)
  if (!isUsual || sequence.isCycled || BigInt(sequence.minimum) < 0n) {
    refuse(sequence, 'has an increment, a minimum or a CYCLE of its own')
  }
}

function refuse(sequence: SequenceDescription, reason: string): never {
  throw new RouterError(SqlState.featureNotSupported, `sequence "${sequence.name}" ${reason}`, {
    hint: 'Drop the column default that uses it, or use a bigserial column.',
  })
}
