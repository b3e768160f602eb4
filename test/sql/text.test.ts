import t from 'tap'
import { as, constantText, type Nodes, rangeVars, walk } from '../../lib/sql/ast.ts'
import { LexResult, lexStatement } from '../../lib/sql/lexer.ts'
import { literalInteger, literalText } from '../../lib/sql/literal-value.ts'
import { ParserHost } from '../../lib/sql/parser-host.ts'
import { splitScript, statementRange } from '../../lib/sql/script.ts'
import { characterPosition, spliceText, splitAt } from '../../lib/sql/splice.ts'
import {
  identifierEnd,
  matchingParenthesis,
  qualifiedNameEnd,
  qualifiedNameParts,
  skipBlanks,
  valuesRows,
} from '../../lib/sql/text-navigation.ts'
import { scripts, statements } from './support/corpus.ts'

const host = await ParserHost.create()
const lexed = new LexResult()

t.test('scripts are split where the parser splits them', async (t) => {
  for (const { name, text } of scripts()) {
    const parsed = host.parse(text).stmts.map((statement) => statementRange(statement, text.length))
    const isPlain = !/BEGIN ATOMIC|AS ON INSERT/.test(text.toString())
    const mine = splitScript(text)
    if (isPlain) t.same(mine, parsed, name)
    else t.ok(mine.length > parsed.length, name)
  }
  t.same(splitScript(Buffer.from(' ;; -- x\n')), [])
  t.same(splitScript(Buffer.from('a; b')), [
    { start: 0, end: 1 },
    { start: 3, end: 4 },
  ])
})

type Literal = { readonly mine: string; readonly wanted: string; readonly integer: number }

/** A constant of the tree and what we make of its span; undefined where that is not plainly known. */
function literalOf(text: Buffer, node: Nodes['A_Const']): Literal | undefined {
  const start = node.location ?? 0
  const isNegative = text[start] === 0x2d
  const at = isNegative ? skipBlanks(text, start + 1) : start
  const span = lexed.starts.subarray(0, lexed.count).indexOf(at)
  if (span < 0) return undefined
  const end = lexed.ends[span] ?? 0
  const value = literalText(text, at, end, lexed.types[span] ?? 0)
  if (value === undefined) return undefined
  // integers may be written with leading zeros
  const mine = node.ival === undefined ? value : String(Number(value))
  return {
    mine: isNegative && value !== '0' ? `-${mine}` : mine,
    wanted: constantText(node) ?? '',
    integer: literalInteger(text, at, end),
  }
}

t.test('the value of a literal is the constant of the tree', async (t) => {
  const literals: Literal[] = []
  for (const text of statements(host)) {
    if (!lexStatement(text, 0, text.length, lexed)) continue
    walk(host.parse(text), {
      A_Const: (node) => {
        const literal = literalOf(text, node)
        if (literal !== undefined) literals.push(literal)
      },
    })
  }
  t.same(
    literals.map(({ mine }) => mine),
    literals.map(({ wanted }) => wanted),
  )
  const integers = literals.filter(({ integer }) => integer >= 0)
  t.same(
    integers.map(({ integer }) => integer),
    integers.map(({ wanted }) => Math.abs(Number(wanted))),
  )
  t.ok(literals.length > 600, `${literals.length} literals`)
})

t.test('names end where they should', async (t) => {
  let compared = 0
  for (const text of statements(host)) {
    for (const node of rangeVars(host.parse(text))) {
      const { location } = node
      if (location === undefined || location < 0) continue
      const end = qualifiedNameEnd(text, location)
      // REPLACE etc. have no range; U&"…" is for the parser
      const wanted = [node.catalogname, node.schemaname, node.relname].filter(
        (n) => n !== undefined,
      )
      const mine = qualifiedNameParts(text, location, end).map(({ start, end: to }) =>
        unquote(text.toString('utf8', start, to)),
      )
      t.same(mine, wanted, text.toString('utf8', location, end))
      compared += 1
    }
  }
  t.ok(compared > 650, `${compared} names`)
  const text = Buffer.from('a."b""c" /* x */ . -- y\n d.* , e')
  t.equal(qualifiedNameEnd(text, 0), text.indexOf(' d') + 2)
  t.equal(identifierEnd(text, 2), 8)
  t.equal(identifierEnd(text, 1), 1)
})

function unquote(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name.toLowerCase()
}

t.test('rows of VALUES', async (t) => {
  const rows = (text: string): string[] | undefined => {
    const bytes = Buffer.from(text)
    return valuesRows(bytes)?.map(({ start, end }) => bytes.toString('utf8', start, end))
  }
  t.same(rows("insert into t (a) values (1, ')'), /* ( */ (f(2), $$)$$) returning (1)"), [
    "(1, ')')",
    '(f(2), $$)$$)',
  ])
  t.same(rows('with x as (values (9)) insert into t as values (a) values (1)'), ['(1)'])
  t.equal(rows('insert into t select 1'), undefined)
  for (const text of statements(host)) {
    const insert = as('InsertStmt', host.parse(text).stmts[0]?.stmt)
    const lists = as('SelectStmt', insert?.selectStmt)?.valuesLists
    if (insert === undefined || lists === undefined || lists.length === 0) continue
    t.equal(valuesRows(text)?.length, lists.length, text.toString())
  }
})

t.test('parentheses, splices, positions', async (t) => {
  const text = Buffer.from('f(a, \')\', (b), "(") x')
  t.equal(matchingParenthesis(text, 1), 18)
  t.equal(matchingParenthesis(Buffer.from('(('), 0), -1)
  const replaced = spliceText(text, [
    { start: 0, end: 1, text: 'g' },
    { start: 2, end: 3, text: Buffer.from('ä') },
  ])
  t.equal(replaced.toString(), 'g(ä, \')\', (b), "(") x')
  t.same(splitAt(Buffer.from('abc'), [{ start: 1, end: 2 }]).map(String), ['a', 'c'])
  t.throws(
    () =>
      splitAt(text, [
        { start: 5, end: 6 },
        { start: 0, end: 1 },
      ]),
    RangeError,
  )
  t.equal(characterPosition(Buffer.from('äöü x'), 7), 5)
})
