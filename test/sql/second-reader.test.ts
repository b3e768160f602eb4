import { astVisitor, parse as parseOther } from 'pgsql-ast-parser'
import t from 'tap'
import { rangeVars, statementKind, walk } from '../../lib/sql/ast.ts'
import { ParserHost } from '../../lib/sql/parser-host.ts'
import { statements } from './support/corpus.ts'

const host = await ParserHost.create()
const DML = new Set(['SelectStmt', 'InsertStmt', 'UpdateStmt', 'DeleteStmt'])

/** Where the other parser is known to be wrong: beginnings of the texts. */
const MISREAD: readonly string[] = [
  // its visitor counts a precision as a constant
  'SELECT current_date, current_timestamp(3)',
  // beyond 2^53 it rounds
  'SELECT * FROM t WHERE user_id = 435090932899640449',
  // it takes x1F, o17, b11 and _000 for aliases
  'SELECT 0x1F',
  // its visitor leaves out the WHERE of ON CONFLICT
  'INSERT INTO t (a) SELECT b FROM u WHERE c = 5 ON CONFLICT',
]

type Reading = { readonly tables: string[]; readonly integers: number[] }

function ours(text: Buffer): Reading {
  const tree = host.parse(text)
  const integers: number[] = []
  walk(tree, {
    A_Const: ({ ival }) => {
      if (ival !== undefined) integers.push(Math.abs(ival.ival ?? 0))
    },
    // precisions and scales
    TypeName: () => 'skip',
  })
  return {
    tables: rangeVars(tree)
      .map(({ relname = '' }) => relname)
      .sort(),
    integers: integers.sort(),
  }
}

/** undefined: it can't read this. */
function theirs(text: string): Reading | undefined {
  const tables: string[] = []
  const integers: number[] = []
  const visitor = astVisitor(() => ({
    tableRef: ({ name }) => void tables.push(name),
    constant: (value) => {
      if (value.type === 'integer') integers.push(Math.abs(value.value))
    },
  }))
  try {
    for (const statement of parseOther(text)) visitor.statement(statement)
  } catch {
    return undefined
  }
  return { tables: tables.sort(), integers: integers.sort() }
}

t.test('an independent parser finds the same tables and integers where it can read', async (t) => {
  let compared = 0
  const differences: unknown[] = []
  for (const text of statements(host)) {
    const [statement] = host.parse(text).stmts
    if (statement === undefined || !DML.has(statementKind(statement) ?? '')) continue
    const other = theirs(text.toString())
    if (other === undefined) continue
    compared += 1
    const own = ours(text)
    if (JSON.stringify(own) === JSON.stringify(other)) continue
    if (MISREAD.some((beginning) => text.toString().startsWith(beginning))) continue
    differences.push({ text: text.toString(), own, other })
  }
  t.ok(compared > 150, `${compared} statements`)
  t.same(differences, [])
})
