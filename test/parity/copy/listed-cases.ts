import type { CopyCase } from './copy-case.ts'

const INT = 'by_int'
const TEXT = 'by_text'

function text(name: string, table: string, data: string, more: Partial<CopyCase> = {}): CopyCase {
  return { name, table, pieces: [Buffer.from(data)], ...more }
}

function csv(name: string, table: string, data: string, options = '', more = {}): CopyCase {
  return text(name, table, data, { options: `FORMAT csv${options}`, ...more })
}

function bytes(...parts: readonly (string | readonly number[])[]): Buffer {
  return Buffer.concat(
    parts.map((part) =>
      typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from(part),
    ),
  )
}

const BINARY_HEADER = bytes('PGCOPY\n\xff\r\n\0', [0, 0, 0, 0, 0, 0, 0, 0])
const BINARY_END = bytes([0xff, 0xff])
const int4 = (value: number): number[] => [
  0,
  0,
  0,
  4,
  ...new Uint8Array([value >> 24, value >> 16, value >> 8, value]),
]
const NULL_FIELD = [0xff, 0xff, 0xff, 0xff]
/** (k, t) */
const tuple = (key: readonly number[], value: string): Buffer =>
  bytes([0, 2], key, [0, 0, 0, value.length], value)

function binary(name: string, ...parts: readonly Buffer[]): CopyCase {
  return { name, table: INT, columns: '(k, t)', options: 'FORMAT binary', pieces: parts }
}

const many = (count: number, row: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => row(index)).join('')

export const LISTED: readonly CopyCase[] = [
  text('nothing', INT, ''),
  text('plain', INT, '1.5\t1\ta\n2\t2\tb\n\\N\t3\t\\N\n'),
  text('no newline at the end', INT, '1\t1\ta\n2\t2\tb'),
  text('escapes', INT, '1\t1\ta\\tb\\n\\\\\n2\t2\tx\\\ny\n3\t\\4\tz\n4\t\\x35\tq\n'),
  text(
    'escaped line end in the key',
    TEXT,
    'a\\\nb\t1\t2020-01-01\na\\tb\t2\t2020-01-01\nb\\\\\t3\t\\N\n',
  ),
  text('carriage returns', INT, '1\t1\ta\r\n2\t2\tb\r\n'),
  text('only carriage returns', INT, '1\t1\ta\r2\t2\tb\r'),
  text('mixed line ends', INT, '1\t1\ta\n2\t2\tb\r\n3\t3\tc\n'),
  text('mixed line ends, the other way', INT, '1\t1\ta\r\n2\t2\tb\n3\t3\tc\n'),
  text('a return alone', INT, '1\t1\ta\r\n2\t2\tb\r3\t3\tc\r\n'),
  text('end marker', INT, '1\t1\ta\n\\.\n2\t2\tb\n'),
  text('end marker first', INT, '\\.\n2\t2\tb\n'),
  text('end marker, other line end', INT, '1\t1\ta\n\\.\r\n'),
  text('end marker with something after it', INT, '1\t1\ta\n\\.x\n'),
  text('end marker within a line', INT, '1\t1\ta\n2\t2\tb\\.c\n'),
  text('end marker without line end', INT, '1\t1\ta\n\\.'),
  text(
    'a bad number',
    INT,
    many(40, (i) => `${i}\t${i === 33 ? 'x' : i}\ta\n`),
  ),
  text(
    'a bad number of another column',
    INT,
    many(40, (i) => `${i === 33 ? 'x' : i}\t${i}\ta\n`),
  ),
  text(
    'too large',
    INT,
    many(40, (i) => `${i}\t${i === 20 ? 3_000_000_000 : i}\ta\n`),
  ),
  text('missing columns', INT, '1\t1\ta\n2\t2\n3\t3\tc\n'),
  text('missing key', INT, '1\t1\ta\n2\n3\t3\tc\n'),
  text('an empty line', INT, '1\t1\ta\n\n3\t3\tc\n'),
  text('extra columns', INT, '1\t1\ta\n2\t2\tb\tc\n'),
  text(
    'a check',
    INT,
    many(50, (i) => `${i === 47 ? 1000 : i}\t${i}\ta\n`),
  ),
  text('not null', TEXT, 'a\t1\t\\N\n\\N\t1\t\\N\nb\t1\t\\N\n'),
  text(
    'unique',
    TEXT,
    many(60, (i) => `key ${i % 59}\t1\t\\N\n`),
  ),
  text('default', INT, '1\n2\n3\n', { columns: '(k)' }),
  text('columns in another order', INT, 'a\t1\nb\t2\n', { columns: '(t, k)' }),
  text('unknown column', INT, 'a\n', { columns: '(nothing)' }),
  text('unknown option', INT, 'a\n', { options: 'COLOUR red' }),
  text('long delimiter', INT, 'a\n', { options: "DELIMITER '||'" }),
  text('delimiter', INT, '1|1|a\tb\n2|2|\\|\n', { options: "DELIMITER '|'" }),
  text('null', INT, '1\t1\tnil\nnil\t2\t\n', { options: "NULL 'nil'" }),
  text('header', INT, 'n\tk\tt\n1\t1\ta\n', { options: 'HEADER' }),
  text('header only', INT, 'n\tk\tt\n', { options: 'HEADER' }),
  text('header matches', INT, 'n\tk\tt\n1\t1\ta\n2\t2\tb\n', { options: 'HEADER match' }),
  text('header does not match', INT, 'n\tq\tt\n1\t1\ta\n2\t2\tb\n', { options: 'HEADER match' }),
  text(
    'error after a header',
    INT,
    `n\tk\tt\n${many(30, (i) => `${i}\t${i}\t${i}${i === 21 ? '\tx' : ''}\n`)}`,
    { options: 'HEADER' },
  ),
  text(
    'where',
    INT,
    many(30, (i) => `${i}\t${i}\ta\n`),
    { where: 'WHERE k % 3 = 0 AND n > 5' },
  ),
  text(
    'where with a function',
    INT,
    many(30, (i) => `${i}\t${i}\ta\n`),
    { where: 'WHERE abs(k) > 3 AND t <> upper(t)' },
  ),
  text(
    'where by the time',
    INT,
    many(9, (i) => `${i}\t${i}\ta\n`),
    { where: "WHERE now() > '2020-01-01' AND k > 2" },
  ),
  text(
    'where by qualified names',
    INT,
    many(30, (i) => `${i}\t${i}\ta\n`),
    { where: 'WHERE by_int.k % 3 = 0 AND public . "by_int" . n > 5 AND t = \'a\'' },
  ),
  text(
    'where by qualified names, by the time',
    INT,
    many(9, (i) => `${i}\t${i}\ta\n`),
    { where: "WHERE now() > '2020-01-01' AND by_int.k > 2" },
  ),
  text("where by another table's name", INT, '', { where: 'WHERE by_text.k > 2' }),
  text('where by a wrong qualified name', INT, '', { where: 'WHERE by_int.nothing > 2' }),
  text('where by a wrong schema', INT, '', { where: 'WHERE nowhere.by_int.k > 2' }),
  text('reference table, where by qualified names', 'labels', 'a\t1\nb\t2\n', {
    where: 'WHERE labels.n > 1',
  }),
  text('where is wrong', INT, '', { where: 'WHERE nothing' }),
  text('bytes that are no UTF-8', INT, '', {
    pieces: [bytes('1\t1\ta\n2\t2\t', [0xff, 0xfe], '\n')],
  }),
  text('a zero byte', INT, '', { pieces: [bytes('1\t1\ta\n2\t2\tx', [0], 'y\n')] }),
  text('no UTF-8 in the key', TEXT, '', { pieces: [bytes('a\t1\t\\N\nb', [0xff], '\t1\t\\N\n')] }),
  text('latin1', TEXT, '', {
    pieces: [bytes('gr', [0xfc], 'n\t1\t\\N\nplain\t2\t\\N\n')],
    options: "ENCODING 'latin1'",
  }),
  text('shift-jis', TEXT, '', {
    pieces: [bytes([0x95, 0x5c], '\t1\t\\N\n', [0x83, 0x5c], '\t2\t\\N\n')],
    options: "ENCODING 'sjis'",
  }),
  text(
    'keys with blanks and signs',
    INT,
    '1\t 5\ta\n2\t+6 \tb\n3\t-007\tc\n4\t0x10\td\n5\t1_000\te\n',
  ),
  text(
    'keys of several types',
    'by_time',
    'a\t2020-01-01 10:00:00+00\t\\N\nb\tJan 5 2021 3:04 PM PST\t\\N\nc\t2020-01-01\t6F9619FF-8B86-D011-B42D-00C04FC964FF\n',
  ),
  text('a time that is none', 'by_time', 'a\t2020-01-01 10:00:00+00\t\\N\nb\tsoon\t\\N\n'),
  text('a generated column', '"By ""Key"""', '1\n2\n3\n4\n5\n', { columns: '("K k")' }),
  text('a generated column is given', '"By ""Key"""', '1\t2\n', { columns: '("K k", twice)' }),
  text('an error names the odd table', '"By ""Key"""', '1\n2\nx\n', { columns: '("K k")' }),
  text('a table that refers to itself', 'tree', '1\t1\t2\n1\t2\t3\n1\t3\t\\N\n2\t1\t\\N\n'),
  text('a reference that leads nowhere', 'tree', '1\t1\t2\n1\t2\t4\n'),
  text('reference table', 'labels', 'a\t1\nb\t2\n'),
  text('reference table, defaults', 'labels', 'a\nb\n', { columns: '(code)' }),
  text('reference table, error', 'labels', 'a\t1\nb\t0\n'),
  text('reference table, where', 'labels', 'a\t1\nb\t2\n', { where: 'WHERE n > 1' }),
  text('gives up', INT, '1\t1\ta\n2\t2\tb\n', { reason: 'changed my mind' }),
  text('gives up within a line', INT, '1\t1\ta\n2\t2\tb\n3\t', { reason: 'changed my mind' }),
  text('gives up at once', INT, '', { reason: '' }),

  csv('plain', INT, '1,1,a\n,2,""\n3,3,\n'),
  csv('quotes', INT, '1,1,"a,b"\n2,"2","x""y"\n"3",3,z"q,"z\n'),
  csv('quoted keys', TEXT, '"a,b",1,2020-01-01\n"a""b",2,2020-01-01\n"a\nb",3,\nx"y"z,4,\n"",5,\n'),
  csv('null keys', TEXT, 'a,1,\n,2,\n'),
  csv('newlines in fields', INT, `${many(30, (i) => `${i},${i},"line\nline ${i}\n"\n`)}x,5,c\n`),
  csv(
    'newlines in fields and an error within',
    INT,
    `${many(30, (i) => `${i},${i},"line\nline ${i}\n"${i === 17 ? ',more' : ''}\n`)}`,
  ),
  csv('newlines in the first field', INT, '"1\n",1,a\n2,2,b\n'),
  csv('newlines, CRLF', INT, `${many(20, (i) => `${i},${i},"a\r\nb"\r\n`)}1,x,y\r\n`),
  csv('newlines, CRLF inside only', INT, `${many(20, (i) => `${i},${i},"a\r\nb"\n`)}1,x,y\n`),
  csv('unquoted return', INT, '1,1,a\n2,2,b\rc\n'),
  csv('unquoted newline', INT, '1,1,a\r\n2,2,b\nc\r\n'),
  csv('never closed', INT, '1,1,a\n2,2,"b\n3,3,c\n'),
  csv('too few fields, over several lines', INT, '1,1,a\n"2\n\n\n"\n3,3,c\n'),
  csv('gives up within quotes', INT, '1,1,a\n2,2,"b\nb\nb', '', { reason: 'enough' }),
  csv('never closed, in the key', INT, '1,1,a\n2,"2,b\n3,3,c\n'),
  csv('end marker', INT, '1,1,a\n\\.\n2,2,b\n'),
  csv('end marker alone', TEXT, '\\.,1,\n'),
  csv('end marker in quotes', TEXT, '"\\.",1,\n"x\n\\.\n",2,\n'),
  csv('header', INT, 'n,k,"t\nt"\n1,1,a\n2,2,b,c\n', ', HEADER'),
  csv('header matches', INT, 'n,k,t\n1,1,a\n', ', HEADER match'),
  csv('header too short', INT, 'n,k\n1,1,a\n', ', HEADER match'),
  csv('escape', INT, "1,1,'a\\'b\\\\'\n2,2,'\\n'\n3,'3','c'\n", ", QUOTE '''', ESCAPE '\\'"),
  csv('escape in the key', TEXT, '"a\\"b",1,\n"a\\\\b",2,\n"a\\c",3,\nd\\e,4,\n', ", ESCAPE '\\'"),
  csv('force null', TEXT, 'a,1,\n"",2,\n', ', FORCE_NULL (k)'),
  csv('force not null', TEXT, 'a,1,\n,2,\n', ', FORCE_NOT_NULL (k)'),
  csv('null text', INT, '1,1,NULL\nNULL,2,"NULL"\n', ", NULL 'NULL'"),
  csv('delimiter', INT, '1;1;a,b\n2;2;"c;d"\n', ", DELIMITER ';'"),
  csv(
    'a bad number',
    INT,
    many(40, (i) => `${i},${i === 33 ? '"x"' : i},a\n`),
  ),
  csv('empty lines', INT, '1,1,a\n\n'),
  csv('force quote is for output', INT, '', ', FORCE_QUOTE *'),

  binary('plain', BINARY_HEADER, tuple(int4(1), 'a'), tuple(int4(-2), 'b'), BINARY_END),
  binary('no end', BINARY_HEADER, tuple(int4(1), 'a')),
  binary('half an end', BINARY_HEADER, tuple(int4(1), 'a'), bytes([0xff])),
  binary('no rows', BINARY_HEADER, BINARY_END),
  binary('nothing'),
  binary('no header', tuple(int4(1), 'a')),
  binary('half a header', BINARY_HEADER.subarray(0, 13)),
  binary(
    'with an extension',
    BINARY_HEADER.subarray(0, 15),
    bytes([0, 0, 0, 3], 'abc'),
    tuple(int4(1), 'a'),
    BINARY_END,
  ),
  binary(
    'critical flags',
    BINARY_HEADER.subarray(0, 11),
    bytes([0, 2, 0, 0, 0, 0, 0, 0]),
    tuple(int4(1), 'a'),
    BINARY_END,
  ),
  binary('something after the end', BINARY_HEADER, tuple(int4(1), 'a'), BINARY_END, bytes('x')),
  binary(
    'wrong count',
    BINARY_HEADER,
    tuple(int4(1), 'a'),
    bytes([0, 3], int4(1), int4(2), int4(3)),
    BINARY_END,
  ),
  binary(
    'wrong length',
    BINARY_HEADER,
    tuple(int4(1), 'a'),
    bytes([0, 2], [0, 0, 0, 2, 1, 1], int4(3)),
    BINARY_END,
  ),
  binary(
    'negative length',
    BINARY_HEADER,
    tuple(int4(1), 'a'),
    bytes([0, 2], int4(2), [0xff, 0xff, 0xff, 0xf0]),
    BINARY_END,
  ),
  binary('cut off', BINARY_HEADER, tuple(int4(1), 'a'), tuple(int4(2), 'b').subarray(0, 9)),
  binary(
    'bad text',
    BINARY_HEADER,
    ...[1, 2, 3, 4, 5].map((k) => tuple(int4(k), k === 4 ? '\xff' : 'a')),
    BINARY_END,
  ),
]

/** Known to end differently on purpose: NULL has no shard. */
export const NULL_KEYS: readonly CopyCase[] = [
  text('without the key', INT, 'a\nb\n', { columns: '(t)' }),
  text('null key', INT, '1\t1\ta\n2\t\\N\tb\n'),
  csv('null key', INT, '1,1,a\n2,,b\n'),
  binary('null key', BINARY_HEADER, tuple(NULL_FIELD, 'a'), BINARY_END),
]
