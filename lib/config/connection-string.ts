export type Pair = { readonly key: string; readonly value: string }

/** key=value, the value perhaps in single quotes, where two stand for one. */
const PAIR = /\s*([^\s=]+)\s*=\s*(?:'((?:[^']|'')*)'|([^\s']\S*))\s*/y

/** The value of an entry of [databases], [users] or [peers]. undefined: it is not of that form. */
export function readConnectionString(text: string): readonly Pair[] | undefined {
  const pairs: Pair[] = []
  const end = text.trimEnd().length
  let position = 0
  while (position < end) {
    PAIR.lastIndex = position
    const match = PAIR.exec(text)
    if (match === null) return undefined
    const [whole, key = '', quoted, plain = ''] = match
    const value = quoted?.replaceAll("''", "'") ?? plain
    // PgBouncer doesn't take empty values either
    if (value === '') return undefined
    pairs.push({ key, value })
    position += whole.length
  }
  return pairs
}
