import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import { writeDataRow } from '../wire/backend-messages.ts'
import { FrameWriter } from '../wire/frame-writer.ts'
import { writeRowDescription } from '../wire/row-description.ts'
import { formatOf } from './bound-parameters.ts'
import type { CommandTag, Execution, FunctionResult, StatementContext } from './ports.ts'

/** Writes what a cluster function returned, as if Postgres had run it. */
export function writeFunctionResult(
  { columns, rows }: FunctionResult,
  execution: Execution,
  { client }: StatementContext,
): CommandTag {
  const out = new FrameWriter()
  const formats = columns.map((_, index) => formatOf(execution.resultFormats, index))
  if (execution.sendsRowDescription) {
    const fields = columns.map(({ name, typeOid, typeSize }, index) => ({
      name,
      tableOid: 0,
      attributeNumber: 0,
      typeOid,
      typeSize,
      typeModifier: -1,
      format: formats[index] ?? 0,
    }))
    writeRowDescription(out, fields)
  }
  for (const row of rows) {
    const values = row.map((text, index) =>
      text === undefined || formats[index] !== 1
        ? text
        : binaryForm(text, columns[index]?.typeOid ?? 0),
    )
    writeDataRow(out, values)
  }
  const frames = out.take()
  client.write(frames, 0, frames.length)
  return `SELECT ${rows.length}`
}

const BOOL = 16
const INT8 = 20
const INT2 = 21
const INT4 = 23
const TEXT = 25
const OID = 26
const FLOAT8 = 701
const VARCHAR = 1043
const NAME = 19
const VOID = 2278
const REGCLASS = 2205

/** Only the types that cluster functions return. */
function binaryForm(text: string, typeOid: number): Buffer {
  switch (typeOid) {
    case BOOL:
      return Buffer.from([text === 't' || text === 'true' ? 1 : 0])
    case INT2:
      return withView(2, (view) => view.setInt16(0, Number(text)))
    case INT4:
      return withView(4, (view) => view.setInt32(0, Number(text)))
    case OID:
    case REGCLASS:
      return withView(4, (view) => view.setUint32(0, Number(text)))
    case INT8:
      return withView(8, (view) => view.setBigInt64(0, BigInt(text)))
    case FLOAT8:
      return withView(8, (view) => view.setFloat64(0, Number(text)))
    case TEXT:
    case VARCHAR:
    case NAME:
    case VOID:
      return Buffer.from(text)
    default:
      throw new RouterError(
        SqlState.featureNotSupported,
        `results of type ${typeOid} of this function are not available in binary`,
        { hint: 'Ask for the result in text format.' },
      )
  }
}

function withView(size: number, fill: (view: DataView) => void): Buffer {
  const bytes = Buffer.alloc(size)
  fill(new DataView(bytes.buffer, bytes.byteOffset, size))
  return bytes
}
