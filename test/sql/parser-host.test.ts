import t from 'tap'
import { RouterError } from '../../lib/base/errors.ts'
import {
  as,
  columnRefs,
  constantText,
  funcCalls,
  functionName,
  rangeVars,
  statementKind,
  walk,
} from '../../lib/sql/ast.ts'
import { DeparseMismatch, deparse, deparseExpression } from '../../lib/sql/deparse.ts'
import { ParserHost } from '../../lib/sql/parser-host.ts'

const host = await ParserHost.create({ maxTextBytes: 1024 * 1024 })

function failure(text: string | Buffer, parser = host, key = ''): RouterError {
  try {
    parser.parse(Buffer.from(text), key)
  } catch (error) {
    if (error instanceof RouterError) return error
    throw error
  }
  throw new Error('was accepted')
}

t.test('statements keep their byte ranges', async (t) => {
  const { stmts } = host.parse(Buffer.from("select 'ä'; delete from x ;"))
  t.same(
    stmts.map((s) => [s.stmt_location ?? 0, s.stmt_len ?? 0]),
    [
      [0, 11],
      [13, 14],
    ],
  )
  t.same(stmts.map(statementKind), ['SelectStmt', 'DeleteStmt'])
  t.same(host.parse(Buffer.from('')).stmts, [])
  t.same(host.parse(Buffer.from(' -- nothing\n;;')).stmts, [])
})

t.test('a syntax error is Postgres’ own, its position in characters', async (t) => {
  const error = failure("select 'äöü' fro m x")
  t.match(error, { sqlState: '42601', message: 'syntax error at or near "m"', position: 18 })
  t.match(failure('select 1 +'), { message: 'syntax error at end of input', position: 11 })
  t.match(failure("select 'a"), {
    message: 'unterminated quoted string at or near "\'a"',
    position: 8,
  })
})

t.test('what the parser would misread is refused before it', async (t) => {
  t.match(failure('select 1\0; drop table x'), { sqlState: '08P01' })
  t.match(failure(Buffer.from([0x27, 0xff, 0x27])), {
    sqlState: '22021',
    message: 'invalid byte sequence for encoding "UTF8": 0xff',
  })
  t.match(failure(`select '${'x'.repeat(1024 * 1024)}'`), { sqlState: '54000' })
})

const deep = (terms: number) => `select ${Array(terms).fill('1').join('+')}`

t.test('over-deep statements are refused, and the parser survives them', async (t) => {
  t.equal(host.parse(Buffer.from(deep(1500))).stmts.length, 1)
  t.match(failure(deep(5000)), { sqlState: '54001' })
  const crashing = await ParserHost.create({ maxCrashes: 3 })
  const states: string[] = []
  for (let i = 0; i < 40; i += 1) {
    states.push(failure(deep(12_000), crashing, 'mallory').sqlState)
    // a spare takes a few turns of the event loop
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.ok(states.every((state) => state === '54001' || state === '57P03'))
  t.equal(crashing.parse(Buffer.from('select 1'), 'mallory').stmts.length, 1)
  t.match(failure(deep(12_000), crashing, 'mallory').message, 'too many over-complex statements')
  t.equal(crashing.parse(Buffer.from(deep(1500)), 'alice').stmts.length, 1)
})

t.test('walking finds bare and wrapped nodes, in text order', async (t) => {
  const tree = host.parse(
    Buffer.from(`with w as (select * from a) insert into s.b as bb select f(x), c.d.e, 0, false from w
      join "C" using (id) where not exists (select from d union select from e) on conflict do nothing`),
  )
  t.same(
    rangeVars(tree)
      .map((r) => r.relname)
      .sort(),
    ['C', 'a', 'b', 'd', 'e', 'w'],
  )
  t.same(funcCalls(tree).map(functionName), [{ schema: undefined, name: 'f' }])
  t.equal(columnRefs(tree).length, 3)
  const kinds: string[] = []
  const constants: (string | undefined)[] = []
  walk(tree, {
    WithClause: () => void kinds.push('with'),
    SelectStmt: (_node, isBare) => void kinds.push(isBare ? 'bare select' : 'select'),
    OnConflictClause: () => void kinds.push('conflict'),
    A_Const: (node) => void constants.push(constantText(node)),
  })
  t.same(kinds.sort(), [
    'bare select',
    'bare select',
    'conflict',
    'select',
    'select',
    'select',
    'with',
  ])
  t.same(constants, ['0', 'false'])
  const visited: string[] = []
  walk(tree, { InsertStmt: () => 'skip', RangeVar: () => void visited.push('table') })
  t.same(visited, [])
})

t.test('constants are exact', async (t) => {
  const tree = host.parse(
    Buffer.from(`select 9223372036854775807, -5, 1.50, 'it''s', null, B'01', 0`),
  )
  const found: (string | undefined)[] = []
  walk(tree, { A_Const: (node) => void found.push(constantText(node)) })
  t.same(found, ['9223372036854775807', '-5', '1.50', "it's", undefined, 'b01', '0'])
})

t.test('printing is verified', async (t) => {
  const [statement] = host.parse(
    Buffer.from('select sum(a + 1) as s, "B" from t where x in (1,2)'),
  ).stmts
  if (statement === undefined) throw new Error('no statement')
  t.match(deparse(host, statement), /SELECT sum\(a \+ 1\) AS s, "B" FROM t/i)
  const select = as('SelectStmt', statement.stmt)
  t.equal(deparseExpression(host, select?.whereClause ?? ({} as never)), 'x IN (1, 2)')
  const [ties] = host.parse(
    Buffer.from('select a from t order by a fetch first 2 rows with ties'),
  ).stmts
  t.throws(() => deparse(host, ties ?? {}), DeparseMismatch)
})
