/** Quoted things, words (which may hold a `$`), then parameters. */
const TOKEN =
  /[eE]'(?:[^'\\]|''|\\[\s\S])*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$([A-Za-z_]\w*)?\$[\s\S]*?\$\1\$|--[^\n]*|\/\*[\s\S]*?\*\/|[A-Za-z_\x80-\uffff][\w$\x80-\uffff]*|\$(\d+)/g

/** Puts an SQL literal in place of $number, for a statement that takes no parameters. */
export function inlineParameter(text: string, number: number, literal: string): string {
  return text.replaceAll(TOKEN, (token, _tag: unknown, digits: string | undefined) =>
    digits !== undefined && Number(digits) === number ? literal : token,
  )
}
