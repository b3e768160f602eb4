/** JSON as EXPLAIN gives it. Numbers keep the digits they came with: no double rounds a query identifier. */
export type Json = string | boolean | null | RawNumber | readonly Json[] | JsonObject
export type JsonObject = { readonly [key: string]: Json }

export class RawNumber {
  readonly digits: string

  constructor(digits: string) {
    this.digits = digits
  }

  toString(): string {
    return this.digits
  }
}

export function isObject(value: Json | undefined): value is JsonObject {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof RawNumber)
  )
}

/** In front of the digits while JSON.parse and JSON.stringify handle them as a string. */
const MARK = '\u{f8ff}number:'
const TOKENS = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g

export function parseJson(text: string): Json {
  const marked = text.replace(TOKENS, (token) =>
    token.startsWith('"') ? token : `"${MARK}${token}"`,
  )
  return JSON.parse(marked, (_key, value: Json) =>
    typeof value === 'string' && value.startsWith(MARK)
      ? new RawNumber(value.slice(MARK.length))
      : value,
  ) as Json
}

export function printJson(value: Json): string {
  const text = JSON.stringify(
    value,
    (_key, item: Json) => (item instanceof RawNumber ? `${MARK}${item.digits}` : item),
    2,
  )
  return text.replaceAll(new RegExp(`"${MARK}([^"]*)"`, 'g'), '$1')
}

export function printYaml(value: Json): string {
  return yamlLines(value, '').join('\n')
}

function yamlLines(value: Json, pad: string): string[] {
  if (Array.isArray(value)) return value.flatMap((item: Json) => yamlItem(item, pad))
  if (!isObject(value)) return [`${pad}${yamlScalar(value)}`]
  return Object.entries(value).flatMap(([key, item]) =>
    isNested(item) && Object.keys(item).length > 0
      ? [`${pad}${yamlKey(key)}: `, ...yamlLines(item, `${pad}  `)]
      : [`${pad}${yamlKey(key)}: ${yamlScalar(item)}`],
  )
}

function yamlItem(item: Json, pad: string): string[] {
  const [first = '', ...others] = yamlLines(item, `${pad}  `)
  return [`${pad}- ${first.trimStart()}`, ...others]
}

function isNested(value: Json): value is readonly Json[] | JsonObject {
  return Array.isArray(value) || isObject(value)
}

/** Labels of EXPLAIN are plain words; names of settings and triggers need not be. */
function yamlKey(key: string): string {
  return /^[A-Za-z][\w /.()-]*$/.test(key) ? key : JSON.stringify(key)
}

/** A JSON string is a YAML string. */
function yamlScalar(value: Json): string {
  if (value instanceof RawNumber) return value.digits
  if (isNested(value)) return Array.isArray(value) ? '[]' : '{}'
  return typeof value === 'string' ? JSON.stringify(value) : String(value)
}

const ITEM_TAGS: ReadonlyMap<string, string> = new Map([
  ['Plans', 'Plan'],
  ['Workers', 'Worker'],
  ['Triggers', 'Trigger'],
  ['Grouping Sets', 'Grouping-Set'],
  ['Tasks', 'Task'],
  ['Subplans', 'Subplan'],
])

/** One document of one query. */
export function printXml(query: JsonObject): string {
  return [
    '<explain xmlns="http://www.postgresql.org/2009/explain">',
    ...xmlElement('Query', query, '  '),
    '</explain>',
  ].join('\n')
}

function xmlElement(label: string, value: Json, pad: string): string[] {
  const tag = xmlTag(label)
  if (label === 'Remote Plan')
    return [`${pad}<${tag}>`, ...remotePlan(value, pad), `${pad}</${tag}>`]
  if (!isNested(value)) return [`${pad}<${tag}>${xmlText(String(value))}</${tag}>`]
  const inner = Array.isArray(value)
    ? value.flatMap((item: Json) => xmlElement(ITEM_TAGS.get(label) ?? 'Item', item, `${pad}  `))
    : Object.entries(value).flatMap(([key, item]) => xmlElement(key, item, `${pad}  `))
  return [`${pad}<${tag}>`, ...inner, `${pad}</${tag}>`]
}

/** A whole document of another server, as Citus nests it. */
function remotePlan(value: Json, pad: string): string[] {
  return [value]
    .flat(2)
    .filter((query: Json) => isObject(query))
    .flatMap((query) => printXml(query).split('\n'))
    .map((line) => `${pad}  ${line}`)
}

/** Postgres' own rule (ExplainXMLTag). */
function xmlTag(label: string): string {
  return label.replaceAll(/[^A-Za-z0-9_.-]/g, '-')
}

function xmlText(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('\r', '&#x0d;')
}
