const HOLE = /\{([^{}]*)\}/g

/**
 * A script with holes, as plain SQL. `{n}` is a number below n, and `{a|b|c}`, inside a text literal, one of the words:
 * both a hash of the row's number `i` and the hole's own, so that every server makes the same rows of it.
 */
export function dataScript(text: string): string {
  let hole = 0
  return text.replaceAll(/^--.*$/gm, '').replaceAll(HOLE, (_hole, content: string) => {
    hole += 1
    const words = content.split('|')
    const number = (below: number | string) =>
      `((pg_catalog.hashint8extended(i, ${hole}) & 9223372036854775807) % ${below})`
    if (words.length === 1) return number(content)
    const list = words.map((word) => `'${word}'`).join(', ')
    return `' || (ARRAY[${list}])[1 + ${number(words.length)}] || '`
  })
}
