import type { Catalog } from '../../catalog/catalog.ts'
import { isObject, type Json, type JsonObject } from './explain-json.ts'
import type { DistributedScan, ServerPlan, Showing } from './explain-plan.ts'
import { detailLines, scanLines } from './explain-text.ts'
import { detailsTree, providerTree, scanTree } from './explain-tree.ts'

/** How the source of a combine query (alias s) shows in its plan: arrays, or a temporary table. */
const SOURCE_LINE =
  /^(\s*(?:-> {2})?)(?:Function Scan on (?:pg_catalog\.)?(?:unnest |generate_series |json_to_recordset )?s(?:_\d+)?|Seq Scan on (?:pg_temp(?:_\d+)?\.)?pgloom_gathered s(?:_\d+)?)(?= |$)/
const SOURCE_ALIAS = /^s(?:_\d+)?$/
/** Its arrays would be printed with all their elements. */
const OWN_KEYS: ReadonlySet<string> = new Set([
  'Alias',
  'Function Name',
  'Function Call',
  'Relation Name',
  'Schema',
])

/** The combine query's plan with our scan in the place of its source; below the top where it has no source any more. */
export function withScan(
  plan: ServerPlan,
  scan: DistributedScan,
  showing: Showing,
  catalog: Catalog,
): ServerPlan {
  if (plan.kind === 'text') {
    return { kind: 'text', lines: linesWithScan(plan.lines, scan, showing, catalog) }
  }
  const root = plan.query['Plan']
  if (!isObject(root)) return plan
  const replaced = treeWithScan(root, (source) => ({
    'Node Type': 'Custom Scan',
    ...providerTree(scan),
    ...withoutOwnKeys(source),
    ...detailsTree(scan, showing, catalog),
  }))
  const shown = replaced ?? withChild(root, scanTree(scan, showing, catalog))
  return { kind: 'tree', query: { ...plan.query, Plan: shown } }
}

function linesWithScan(
  lines: readonly string[],
  scan: DistributedScan,
  showing: Showing,
  catalog: Catalog,
): string[] {
  const at = lines.findIndex((line) => SOURCE_LINE.test(line))
  if (at === -1) {
    const [top = '', ...others] = lines
    const child = scanLines(scan, showing, catalog)
    return [
      top,
      ...child.map((line, index) => `${index === 0 ? '  ->  ' : '      '}${line}`),
      ...others,
    ]
  }
  const line = lines[at] ?? ''
  const lead = SOURCE_LINE.exec(line)?.[1] ?? ''
  const details = ' '.repeat(lead.length + 2)
  const below = lines
    .slice(at + 1)
    .filter((other) => !other.startsWith(`${details}Function Call: `))
  const outputs = below[0]?.startsWith(`${details}Output: `) === true ? 1 : 0
  return [
    ...lines.slice(0, at),
    line.replace(SOURCE_LINE, `$1Custom Scan (${scan.provider})`),
    ...below.slice(0, outputs),
    ...detailLines(scan, showing, catalog).map((detail) => details + detail),
    ...below.slice(outputs),
  ]
}

/** undefined: there is no source in it. */
function treeWithScan(
  node: JsonObject,
  replace: (source: JsonObject) => JsonObject,
): JsonObject | undefined {
  if (isSource(node)) return replace(node)
  const children = node['Plans']
  if (!Array.isArray(children)) return undefined
  for (const [index, child] of (children as readonly Json[]).entries()) {
    const replaced = isObject(child) ? treeWithScan(child, replace) : undefined
    if (replaced === undefined) continue
    return { ...node, Plans: (children as readonly Json[]).with(index, replaced) }
  }
  return undefined
}

function isSource(node: JsonObject): boolean {
  const alias = node['Alias']
  if (typeof alias !== 'string' || !SOURCE_ALIAS.test(alias)) return false
  const relation = node['Relation Name']
  return node['Node Type'] === 'Function Scan' || relation === 'pgloom_gathered'
}

function withoutOwnKeys(source: JsonObject): JsonObject {
  const kept = Object.entries(source).filter(([key]) => key !== 'Node Type' && !OWN_KEYS.has(key))
  return Object.fromEntries(kept)
}

function withChild(root: JsonObject, child: JsonObject): JsonObject {
  const children = Array.isArray(root['Plans']) ? (root['Plans'] as readonly Json[]) : []
  return { ...root, Plans: [child, ...children] }
}
