import t from 'tap'
import { LexResult, lexStatement, SpanType } from '../../lib/sql/lexer.ts'
import { ParserHost } from '../../lib/sql/parser-host.ts'
import { fragments, scripts, statements } from './support/corpus.ts'
import { createScanner, type Token, TokenType } from './support/scanner.ts'

const host = await ParserHost.create()
const scan = await createScanner()
const lexed = new LexResult()

const TYPES_OF_TOKEN = new Map<number, readonly number[]>([
  [TokenType.float, [SpanType.float, SpanType.longInteger]],
  [TokenType.string, [SpanType.string, SpanType.escapeString, SpanType.dollarString]],
  [TokenType.bits, [SpanType.bitString]],
  [TokenType.hexBits, [SpanType.bitString]],
  [TokenType.integer, [SpanType.integer, SpanType.longInteger]],
  [TokenType.lineComment, [SpanType.comment]],
  [TokenType.blockComment, [SpanType.comment]],
])

/** undefined: agreement. */
function disagreement(text: Buffer, tokens: Token[]): unknown {
  const wanted = tokens.filter(({ tokenType }) => TYPES_OF_TOKEN.has(tokenType))
  const found = Array.from({ length: lexed.count }, (_, i) => [lexed.starts[i], lexed.ends[i]])
  const areSame =
    wanted.length === found.length &&
    wanted.every(
      ({ start, end, tokenType }, i) =>
        start === found[i]?.[0] &&
        end === found[i]?.[1] &&
        TYPES_OF_TOKEN.get(tokenType)?.includes(lexed.types[i] ?? 0),
    )
  return areSame ? undefined : { text: text.toString(), wanted, found }
}

t.test('literals and comments are those of Postgres’ scanner', async (t) => {
  const texts = [...statements(host), ...fragments(), ...scripts().map(({ text }) => text)]
  const wrong: unknown[] = []
  let compared = 0
  let spans = 0
  for (const text of texts) {
    if (!lexStatement(text, 0, text.length, lexed)) continue
    const tokens = scan(text)
    // what the scanner refuses never gets into a cache, so anything goes
    if (tokens === undefined) continue
    compared += 1
    spans += lexed.count
    const difference = disagreement(text, tokens)
    if (difference !== undefined) wrong.push(difference)
  }
  t.same(wrong, [])
  t.ok(compared > 450, `${compared} texts, ${spans} spans`)
})

t.test('it leaves to the parser what it should', async (t) => {
  const left = [
    "U&'a'",
    'u&"a"',
    "n'a'",
    "'a'\n'b'",
    '0x1F',
    '1_000',
    '$1a',
    "'a",
    '"a',
    '$$a',
    '/* a',
    '1\0',
  ]
  for (const text of left) {
    t.equal(lexStatement(Buffer.from(text), 0, text.length, lexed), false, JSON.stringify(text))
  }
})

t.test('every prefix of a text is harmless', async (t) => {
  for (const text of statements(host)) {
    for (let end = 0; end <= Math.min(text.length, 300); end += 1) {
      if (!lexStatement(text, 0, end, lexed)) continue
      const last = lexed.count === 0 ? 0 : (lexed.ends[lexed.count - 1] ?? 0)
      if (last > end) t.fail(`${text.subarray(0, end)}`)
    }
  }
})

t.test('semicolons', async (t) => {
  const isScript = (text: string): boolean => {
    t.ok(lexStatement(Buffer.from(text), 0, text.length, lexed))
    return lexed.isScript
  }
  t.notOk(isScript("select ';' -- ;\n;; /* ; */ ; "))
  t.ok(isScript('select 1; select 2'))
  t.notOk(isScript('select 1'))
  t.ok(isScript("select 1; 'x'"))
})

t.test('many spans', async (t) => {
  const text = Buffer.from(`values ${Array(3000).fill("(1, 'a')").join(',')}`)
  t.ok(lexStatement(text, 0, text.length, lexed))
  t.equal(lexed.count, 6000)
  const tooMany = Buffer.from(`select ${Array(1_100_000).fill('1').join(',')}`)
  t.notOk(lexStatement(tooMany, 0, tooMany.length, new LexResult()))
})
