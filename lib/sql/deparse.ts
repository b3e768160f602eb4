import type { Node, RawStmt } from '@pgsql/types'
import { deparseSync } from 'pgsql-deparser'
import { as, treesEqual } from './ast.ts'
import type { ParserHost } from './parser-host.ts'

/**
 * The printed text doesn't mean what the tree says (the printer drops WITH TIES, for instance) or can't be read.
 * Internal: whoever needs the text refuses the statement or takes another way.
 */
export class DeparseMismatch extends Error {
  constructor(message: string, options: ErrorOptions = {}) {
    super(message, options)
    this.name = new.target.name
  }
}

/**
 * SQL of one statement, verified: the text parses to `statement` again. For SQL that we make up; what is merely passed
 * on is spliced, never printed. Costs a print and a parse, some 60 µs.
 */
export function deparse(host: ParserHost, statement: Node | RawStmt): string {
  const node = isRawStatement(statement) ? statement.stmt : statement
  if (node === undefined) return ''
  const text = print([node])
  const [parsed, ...others] = parse(host, text)
  if (others.length > 0 || !treesEqual(parsed?.stmt, node)) {
    throw new DeparseMismatch('the printed statement has another tree')
  }
  return text
}

/** SQL of an expression (an `a_expr` of the grammar), verified as the only target of a SELECT. */
export function deparseExpression(host: ParserHost, expression: Node): string {
  const text = print(expression)
  const [parsed, ...others] = parse(host, `SELECT (${text})`)
  const select = as('SelectStmt', parsed?.stmt)
  const target = as('ResTarget', select?.targetList?.[0])
  const isSame =
    others.length === 0 &&
    Object.keys(select ?? {}).every((field) => PLAIN_SELECT_FIELDS.has(field)) &&
    select?.targetList?.length === 1 &&
    target?.name === undefined &&
    target?.indirection === undefined &&
    treesEqual(target?.val, expression)
  if (!isSame) throw new DeparseMismatch('the printed expression has another tree')
  return text
}

const PLAIN_SELECT_FIELDS: ReadonlySet<string> = new Set(['targetList', 'limitOption', 'op'])

function isRawStatement(statement: Node | RawStmt): statement is RawStmt {
  return 'stmt' in statement
}

function print(tree: Node | Node[]): string {
  try {
    return deparseSync(tree, { pretty: false })
  } catch (error) {
    throw new DeparseMismatch('the tree can not be printed', { cause: error })
  }
}

function parse(host: ParserHost, text: string): readonly RawStmt[] {
  try {
    return host.parse(Buffer.from(text)).stmts
  } catch (error) {
    throw new DeparseMismatch('the printed text can not be read', { cause: error })
  }
}
