/** The little SVG that charts need. */
export type Attributes = Readonly<Record<string, string | number>>

export function element(name: string, attributes: Attributes, ...children: string[]): string {
  const written = Object.entries(attributes).map(([key, value]) => {
    return ` ${key}="${escaped(typeof value === 'number' ? rounded(value) : value)}"`
  })
  const head = `<${name}${written.join('')}`
  return children.length === 0 ? `${head}/>` : `${head}>${children.join('')}</${name}>`
}

export function label(x: number, y: number, text: string, attributes: Attributes = {}): string {
  return element('text', { x, y, 'text-anchor': 'middle', ...attributes }, escaped(text))
}

/** On white, so that it is legible on a dark page too. */
export function picture(width: number, height: number, title: string, body: string[]): string {
  const style = { 'font-family': 'system-ui, sans-serif', 'font-size': 11, fill: INK }
  const size = { width, height, viewBox: `0 0 ${width} ${height}` }
  const name = { role: 'img', 'aria-label': title }
  return `${element(
    'svg',
    { xmlns: 'http://www.w3.org/2000/svg', ...size, ...name, ...style },
    element('rect', { width, height, fill: '#ffffff' }),
    label(MARGIN, 20, title, { 'text-anchor': 'start', 'font-size': 13, 'font-weight': 600 }),
    ...body,
  )}\n`
}

/** Squares with the names beside them, in one line. */
export function legend(
  entries: readonly { readonly name: string; readonly fill: string; readonly opacity?: number }[],
  y: number,
): string[] {
  let x = MARGIN
  return entries.flatMap(({ name, fill, opacity = 1 }) => {
    const start = x
    x += 32 + name.length * 6.5
    return [
      element('rect', { x: start, y: y - 9, width: 10, height: 10, fill, opacity }),
      label(start + 15, y, name, { 'text-anchor': 'start' }),
    ]
  })
}

export const MARGIN = 56
export const INK = '#24292f'
export const GRID = '#d8dee4'

const COLOURS: Readonly<Record<string, string>> = {
  direct: '#8c959f',
  pgbouncer: '#d4762c',
  pgloom: '#2468d6',
}
const OTHER_COLOUR = '#7d4ec9'

export function colourOf(system: string): string {
  return COLOURS[system] ?? OTHER_COLOUR
}

function rounded(value: number): string {
  return String(Math.round(value * 100) / 100)
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
