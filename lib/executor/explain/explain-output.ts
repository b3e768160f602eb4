import type { Catalog } from '../../catalog/catalog.ts'
import type { ExplainPlan } from '../../planner/plan.ts'
import { writeDataRow } from '../../wire/backend-messages.ts'
import { FrameWriter } from '../../wire/frame-writer.ts'
import { type FieldDescription, writeRowDescription } from '../../wire/row-description.ts'
import { formatOf } from '../bound-parameters.ts'
import type { CommandTag, Execution, StatementContext } from '../ports.ts'
import { type JsonObject, printJson, printXml, printYaml, RawNumber } from './explain-json.ts'
import type { DistributedScan, ServerPlan } from './explain-plan.ts'
import { scanLines } from './explain-text.ts'
import { scanTree } from './explain-tree.ts'

const TYPES = { text: 25, json: 114, xml: 142, yaml: 25 } as const

/** All that is to be shown: a scan of ours at the top, or the coordinator's plan with it inside. */
export type Explained = {
  readonly planningMs: number
  readonly executionMs: number
} & (
  | { readonly scan: DistributedScan; readonly tree?: never }
  | { readonly tree: ServerPlan; readonly scan?: never }
)

/** The one column of EXPLAIN's answer. */
export function explainField(format: ExplainPlan['format']): FieldDescription {
  return {
    name: 'QUERY PLAN',
    tableOid: 0,
    attributeNumber: 0,
    typeOid: TYPES[format],
    typeSize: -1,
    typeModifier: -1,
    format: 0,
  }
}

export function writeExplained(
  plan: ExplainPlan,
  explained: Explained,
  execution: Execution,
  { client, catalog }: StatementContext,
): CommandTag {
  const out = new FrameWriter()
  if (execution.sendsRowDescription) {
    const format = formatOf(execution.resultFormats, 0)
    writeRowDescription(out, [{ ...explainField(plan.format), format }])
  }
  for (const line of output(plan, explained, catalog)) writeDataRow(out, [Buffer.from(line)])
  const frames = out.take()
  client.write(frames, 0, frames.length)
  return 'EXPLAIN'
}

/** The rows: of text one a line, of other formats the whole document as one. */
function output(plan: ExplainPlan, explained: Explained, catalog: Catalog): readonly string[] {
  switch (plan.format) {
    case 'text':
      return textLines(plan, explained, catalog)
    case 'json':
      return [printJson([queryTree(plan, explained, catalog)])]
    case 'yaml':
      return [printYaml([queryTree(plan, explained, catalog)])]
    case 'xml':
      return [printXml(queryTree(plan, explained, catalog))]
  }
}

function shownPlan(
  { scan, tree }: Explained,
  render: (scan: DistributedScan) => ServerPlan,
): ServerPlan {
  return scan === undefined ? tree : render(scan)
}

function linesOf(plan: ServerPlan): readonly string[] {
  return plan.kind === 'text' ? plan.lines : []
}

const TOP_SUMMARY = /^(?:Planning|Execution) Time: /

function textLines(plan: ExplainPlan, explained: Explained, catalog: Catalog): readonly string[] {
  const { planningMs, executionMs } = explained
  const shown = shownPlan(explained, (scan) => ({
    kind: 'text',
    lines: scanLines(scan, plan, catalog),
  }))
  const lines = linesOf(shown).filter((line) => !TOP_SUMMARY.test(line))
  if (plan.showsSummary) lines.push(`Planning Time: ${planningMs.toFixed(3)} ms`)
  if (plan.showsSummary && plan.analyzes) {
    lines.push(`Execution Time: ${executionMs.toFixed(3)} ms`)
  }
  return lines
}

function queryTree(plan: ExplainPlan, explained: Explained, catalog: Catalog): JsonObject {
  const { planningMs, executionMs } = explained
  const shown = shownPlan(explained, (scan) => ({
    kind: 'tree',
    query: { Plan: scanTree(scan, plan, catalog) },
  }))
  const times: Record<string, RawNumber> = {}
  if (plan.showsSummary) times['Planning Time'] = new RawNumber(planningMs.toFixed(3))
  if (plan.showsSummary && plan.analyzes) {
    times['Execution Time'] = new RawNumber(executionMs.toFixed(3))
  }
  return { ...(shown.kind === 'tree' ? shown.query : {}), ...times }
}
