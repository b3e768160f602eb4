/**
 * Turns rows into columns: gathered DataRow bodies into the binary form of one-dimensional arrays, one a column.
 *
 *     row    Byte1 Int32 Int16(n) { Int32(length, -1 = NULL) bytes }[n]
 *     array  Int32(dimensions) Int32(has NULLs) Int32(element type) Int32(count) Int32(lower bound) { Int32(length) bytes }[count]
 */
export function binaryArrays(
  rows: Buffer,
  rowCount: number,
  elementTypeOids: readonly number[],
): Buffer[] {
  const columnCount = elementTypeOids.length
  const sizes = new Float64Array(columnCount)
  const nulls = new Uint8Array(columnCount)
  eachValue(rows, columnCount, (column, _start, length) => {
    sizes[column] = (sizes[column] ?? 0) + 4 + Math.max(length, 0)
    if (length === -1) nulls[column] = 1
  })
  const arrays = elementTypeOids.map((typeOid, column) =>
    emptyArray(typeOid, rowCount, sizes[column] ?? 0, nulls[column] === 1),
  )
  const ends = arrays.map((array) => array.length - 0)
  for (const [column, size] of sizes.entries()) ends[column] = (ends[column] ?? 0) - size
  eachValue(rows, columnCount, (column, start, length) => {
    const array = arrays[column]
    const at = ends[column] ?? 0
    const size = 4 + Math.max(length, 0)
    // the length stands before the value in a row as in an array
    if (array !== undefined) rows.copy(array, at, start - 4, start - 4 + size)
    ends[column] = at + size
  })
  return arrays
}

function emptyArray(typeOid: number, count: number, size: number, hasNulls: boolean): Buffer {
  if (count === 0) {
    const array = Buffer.alloc(12)
    array.writeUInt32BE(typeOid, 8)
    return array
  }
  const array = Buffer.allocUnsafe(20 + size)
  array.writeInt32BE(1, 0)
  array.writeInt32BE(hasNulls ? 1 : 0, 4)
  array.writeUInt32BE(typeOid, 8)
  array.writeInt32BE(count, 12)
  array.writeInt32BE(1, 16)
  return array
}

function eachValue(
  rows: Buffer,
  columnCount: number,
  visit: (column: number, start: number, length: number) => void,
): void {
  let at = 0
  while (at < rows.length) {
    if (rows.readInt16BE(at + 5) !== columnCount) throw new Error('rows of different width')
    at += 7
    for (let column = 0; column < columnCount; column++) {
      const length = rows.readInt32BE(at)
      at += 4
      visit(column, at, length)
      if (length > 0) at += length
    }
  }
}
