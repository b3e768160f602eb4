/** What Postgres' regular expressions have and JavaScript's don't, or mean otherwise. */
const OTHERWISE = /^\*\*\*|\(\?|\[[.:=]|\\(?![^A-Za-z0-9]|d)/

/**
 * A name in a rule that begins with a slash: the rest is a regular expression, as in Postgres 16. Only what means the
 * same here is taken; throws for the rest.
 */
export function namePattern(text: string): RegExp {
  const source = text.slice(1)
  if (OTHERWISE.test(source)) {
    throw new Error(`regular expression "${source}": only plain ones are supported`)
  }
  return new RegExp(source, 'su')
}
