import t, { type Test as Tap } from 'tap'
import { constant, statementKind, treesEqual, walk } from '../../lib/sql/ast.ts'
import { LexResult, SpanType } from '../../lib/sql/lexer.ts'
import { ParserHost } from '../../lib/sql/parser-host.ts'
import { ShapeCache } from '../../lib/sql/shape-cache.ts'
import { spliceText } from '../../lib/sql/splice.ts'
import { statements } from './support/corpus.ts'

const host = await ParserHost.create()
const lexed = new LexResult()

function shapeOf(cache: ShapeCache<string>, text: string): string | undefined {
  const bytes = Buffer.from(text)
  if (!cache.lex(bytes, 0, bytes.length, lexed)) return undefined
  return cache.lookup(bytes, 0, bytes.length, lexed)
}

function remember(cache: ShapeCache<string>, text: string, value = text): void {
  const bytes = Buffer.from(text)
  if (cache.lex(bytes, 0, bytes.length, lexed)) cache.store(bytes, 0, bytes.length, lexed, value)
}

t.test('literals and comments are holes, all else must be equal', async (t) => {
  const cache = new ShapeCache<string>()
  const text = "select /* one */ * from t where a = 1 and b = 'x' -- done"
  remember(cache, text)
  t.equal(shapeOf(cache, text), text)
  t.equal(shapeOf(cache, "select /* two */ * from t where a = 22 and b = '' -- "), text)
  for (const other of [
    "select * from t where a = 1 and b = 'x' -- done",
    "select /* one */ * from t where a = '1' and b = 'x' -- done",
    "select /* one */ * from t where a = 1 and b = E'x' -- done",
    "select /* one */ * from t where a = 1.0 and b = 'x' -- done",
    "select /* one */ * from t where a = 1234567890 and b = 'x' -- done",
    "select /* one */ * from u where a = 1 and b = 'x' -- done",
    "select /* one */ * from t where a = 1 and b = 'x' -- done\n",
    "select /* one */ * from t where a = $1 and b = 'x' -- done",
  ]) {
    t.equal(shapeOf(cache, other), undefined, other)
  }
})

t.test('a hash says nothing: equal hashes are told apart', async (t) => {
  const cache = new ShapeCache<string>()
  // the hash sees only the first byte, the last byte and the length of a word
  remember(cache, 'select abc from t')
  remember(cache, 'select axc from t')
  t.equal(shapeOf(cache, 'select abc from t'), 'select abc from t')
  t.equal(shapeOf(cache, 'select axc from t'), 'select axc from t')
  t.equal(shapeOf(cache, 'select azc from t'), undefined)
})

t.test('scripts and long texts are not kept', async (t) => {
  const cache = new ShapeCache<string>({ maxTextBytes: 100 })
  remember(cache, 'select 1; select 2')
  remember(cache, `select '${'x'.repeat(100)}'`)
  t.equal(cache.size, 0)
})

t.test('it is bounded, and keeps what is used', async (t) => {
  const cache = new ShapeCache<string>({ maxEntries: 50 })
  remember(cache, 'select favourite')
  for (let i = 0; i < 1000; i += 1) {
    remember(cache, `select column_${'x'.repeat(i % 97)}_${String.fromCharCode(97 + (i % 26))}`)
    t.equal(shapeOf(cache, 'select favourite'), 'select favourite')
  }
  t.equal(cache.size, 50)
  // one chain: words that the hash can't tell apart
  const chain = new ShapeCache<string>()
  for (let i = 10; i < 99; i += 1) remember(chain, `select a${i}z`)
  t.equal(chain.size, 8)
  t.equal(shapeOf(chain, 'select a98z'), 'select a98z')
  chain.clear()
  t.equal(shapeOf(chain, 'select a98z'), undefined)
  remember(chain, 'select 1', 'old')
  remember(chain, 'select 1', 'new')
  t.equal(shapeOf(chain, 'select 2'), 'new')
  t.equal(chain.size, 1)
})

const OTHER_LITERAL = new Map<number, readonly string[]>([
  [SpanType.string, ["''", "'other ''value'''"]],
  [SpanType.escapeString, ["E'\\n'"]],
  [SpanType.dollarString, ['$$x$$', "$t$'$t$"]],
  [SpanType.bitString, ["B'1'"]],
  [SpanType.integer, ['0', '999999999']],
  [SpanType.longInteger, ['9999999999']],
  [SpanType.float, ['.5', '1.25e3']],
  [SpanType.comment, ['/* other */']],
])

/** The text with each literal replaced by another of its type. */
function mutant(text: Buffer, variant: number): Buffer {
  const replacements = Array.from({ length: lexed.count }, (_, i) => {
    const others = OTHER_LITERAL.get(lexed.types[i] ?? 0) ?? []
    const isLineComment = text[lexed.starts[i] ?? 0] === 0x2d
    const other = isLineComment ? '-- other' : (others[variant % others.length] ?? '')
    return { start: lexed.starts[i] ?? 0, end: lexed.ends[i] ?? 0, text: other }
  })
  return spliceText(text, replacements)
}

/** The tree without the values of its constants. */
function skeleton(text: Buffer): unknown {
  const tree = structuredClone(host.parse(text))
  walk(tree, {
    A_Const: (node) => {
      const { kind } = constant(node)
      for (const field of Object.keys(node)) {
        if (field !== 'location') delete (node as Record<string, unknown>)[field]
      }
      // ten digits may be an ICONST or not: expressions don't care
      const isNumber = kind === 'integer' || kind === 'float'
      Object.assign(node, { sval: { sval: isNumber ? 'number' : kind } })
    },
  })
  return tree
}

const CACHED_KINDS = new Set(['SelectStmt', 'InsertStmt', 'UpdateStmt', 'DeleteStmt'])

t.test('key equality means tree equality: only constants differ', async (t) => {
  const cache = new ShapeCache<string>()
  let mutants = 0
  for (const text of statements(host)) {
    const [statement] = host.parse(text).stmts
    const kind = statement === undefined ? undefined : statementKind(statement)
    if (kind === undefined || !CACHED_KINDS.has(kind)) continue
    if (!cache.lex(text, 0, text.length, lexed) || lexed.count === 0) continue
    cache.store(text, 0, text.length, lexed, text.toString())
    for (const variant of [0, 1]) {
      mutants += 1
      checkMutant(t, cache, text, variant)
    }
  }
  t.ok(mutants > 400, `${mutants} mutants`)
})

function checkMutant(t: Tap, cache: ShapeCache<string>, text: Buffer, variant: number): void {
  cache.lex(text, 0, text.length, lexed)
  const other = mutant(text, variant)
  if (!cache.lex(other, 0, other.length, lexed)) t.fail(`not lexed: ${other}`)
  const found = cache.lookup(other, 0, other.length, lexed)
  if (found !== text.toString()) t.fail(`no hit: ${other}`)
  // constants that the grammar itself consumes, such as precisions
  if (hasGrammarConstants(text)) return
  if (!treesEqual(skeleton(text), skeleton(other))) t.fail(`another tree: ${other}`)
}

/** current_timestamp(3), interval(3): the precision is no A_Const. A planner must not call such a shape stable. */
function hasGrammarConstants(text: Buffer): boolean {
  let found = false
  walk(host.parse(text), {
    SQLValueFunction: (node) => {
      found ||= node.typmod !== undefined && node.typmod !== -1
    },
  })
  return found
}
