import type { DistinctExchange } from './distinct-exchange-plan.ts'
import type { LockedSelect } from './locked-plans.ts'
import type {
  CombineQuery,
  CopyPlan,
  CopyQueryPlan,
  DdlPlan,
  KeySource,
  ModifyPlan,
  Pin,
  Plan,
  PulledPlan,
  RefusalPlan,
  RoutedStatement,
  ScatterSelect,
  SelectPlan,
  ShardText,
} from './plan.ts'
import type {
  ChosenModify,
  InsertThroughScratchPlan,
  MirroredPlan,
  Repartition,
  ScatterModify,
} from './write/write-plans.ts'

/** A plan in words, for golden cases. `text` is the statement that it was made from. */
export function describePlan(plan: Plan, text: Buffer): string {
  switch (plan.kind) {
    case 'local': {
      const flags = [
        plan.pin === undefined ? '' : `pin: ${plan.pin}`,
        plan.isReadOnly ? 'read only' : '',
        plan.changesCatalog ? 'changes catalog' : '',
        plan.refreshesSizes ? 'refreshes sizes' : '',
        ...plan.replacements.map(({ start, end, text: by }) => `${start}-${end} -> ${by}`),
      ]
      return `local ${flags.filter((flag) => flag !== '').join(', ')}`.trim()
    }
    case 'select':
    case 'modify':
      return [
        `${plan.kind} ${describeRouted(plan.routed)}${describeCurrentOf(plan)}`,
        ...describeMulti(plan.routed, plan.multi),
      ].join('\n')
    case 'pulled':
      return describePulled(plan).join('\n')
    case 'insert-rows': {
      const rows = plan.rows.map(
        ({ range, key }) => `${describeKey(key)}: ${text.toString('utf8', range.start, range.end)}`,
      )
      return [`insert-rows ${describeRouted(plan.routed)}`, ...rows].join('\n')
    }
    case 'insert-through-scratch':
      return describeThroughScratch(plan).join('\n')
    case 'mirrored':
      return describeMirrored(plan).join('\n')
    case 'unique-write': {
      const names = plan.indexes.map(({ name }) => name).join(', ')
      return `unique by ${names}\n${describePlan(plan.plan, text)}`
    }
    case 'reference-write':
      return `reference-write ${plan.table.name}`
    case 'copy':
    case 'copy-query':
      return describeCopy(plan, text)
    case 'materialize':
      return `materialized view ${plan.action}`
    case 'ddl':
      return describeDdl(plan)
    case 'function': {
      const list = plan.arguments.map(({ name, text: value }) =>
        name === undefined ? value : `${name} => ${value}`,
      )
      return `function ${plan.name}(${list.join(', ')})${plan.inFrom ? ' in FROM' : ''}`
    }
    case 'function-query':
      return [
        ...plan.calls.map((call) => describePlan(call.plan, text)),
        `then: ${plan.pieces.map((piece, index) => piece + (index < plan.holes.length ? `◌${plan.holes[index]}` : '')).join('')}`,
      ].join('\n')
    case 'lock':
      return `lock ${plan.tables.map(({ name }) => name).join(', ')} ${plan.mode}${plan.isNowait ? ' nowait' : ''}`
    case 'explain':
      return `explain${plan.analyzes ? ' analyze' : ''} ${plan.format}: ${describePlan(plan.statement, text)}`
    case 'declare-cursor':
      return `${plan.head.trim()}: ${describePlan(plan.statement, text)}`
    case 'session':
      return `session ${JSON.stringify(plan.command)}`
    case 'refusal':
      return describeRefusal(plan)
  }
}

function describeCopy(plan: CopyPlan | CopyQueryPlan, text: Buffer): string {
  const format = `${plan.format}${plan.hasHeader ? ' header' : ''}`
  if (plan.kind === 'copy') {
    const { start, end } = plan.target
    const target = text.toString('utf8', start, end)
    const key = plan.rows === undefined ? '' : ` by field ${plan.rows.keyIndex}`
    return `copy ${plan.direction} ${target} (${plan.columns.join(', ')}) ${format}${key}`
  }
  const { start, end } = plan.queryText
  return `copy ${format} of (${text.toString('utf8', start, end)}): ${describePlan(plan.query, text)}`
}

function describeCurrentOf(plan: SelectPlan | ModifyPlan): string {
  if (plan.kind === 'select' || plan.currentOf === undefined) return ''
  return ` at cursor ${plan.currentOf}`
}

function describeDdl(plan: DdlPlan): string {
  const tables = plan.tables.map(({ name }) => name).join(', ')
  const named = [...plan.indexNames, ...(plan.typeNames ?? [])].map(({ name }) => name)
  const indexes = [...named, ...(plan.extensionNames ?? [])].join(', ')
  const splices = plan.splices.map(({ start, table }) => `${table.name}@${start}`).join(' ')
  return `ddl ${plan.command} ${tables}${indexes} ${splices}`.trim()
}

function describeRefusal(plan: RefusalPlan): string {
  return `refused ${plan.id}${plan.detail === undefined ? '' : ` (${plan.detail})`}`
}

function describeKey(key: KeySource): string {
  switch (key.kind) {
    case 'literal':
      return `${key.negative ? '-' : ''}literal ${key.ordinal}`
    case 'parameter':
      return `$${key.number}`
    case 'constant':
      return `'${key.text}'`
    case 'nothing':
      return 'nothing'
  }
}

function describePin({ table, values }: Pin): string {
  return `${table.name}=${values === undefined ? 'any' : values.map(describeKey).join('|')}`
}

function describeRouted(routed: RoutedStatement): string {
  const flags = `${routed.isShapeStable ? ' stable' : ''}${routed.isReadOnly ? ' read only' : ''}`
  const splices = routed.splices.map(
    ({ literal, delta, length, table }) =>
      `${table.name}@${literal}+${delta}${length === 0 ? '' : `-${length}`}`,
  )
  return `[${routed.pins.map(describePin).join(' ')}] ${splices.join(' ')}${flags}`
}

function describeMulti(
  routed: RoutedStatement,
  multi: () =>
    | ScatterSelect
    | LockedSelect
    | PulledPlan
    | ScatterModify
    | ChosenModify
    | InsertThroughScratchPlan
    | MirroredPlan
    | RefusalPlan,
): readonly string[] {
  if (routed.isShapeStable) return []
  const plan = multi()
  if (plan.kind === 'refusal') return [`multi: ${describeRefusal(plan)}`]
  if (plan.kind === 'pulled') return describePulled(plan).map((line) => `multi: ${line}`)
  if (plan.kind === 'insert-through-scratch') {
    return describeThroughScratch(plan).map((line) => `multi: ${line}`)
  }
  if (plan.kind === 'mirrored') return describeMirrored(plan).map((line) => `multi: ${line}`)
  if (plan.kind === 'locked-select') return describeLocked(plan)
  if (plan.kind === 'chosen-modify') return describeChosen(plan)
  const pins = plan.pins.map(describePin).join(' ')
  const parameters = plan.parameters.length === 0 ? '' : ` parameters ${plan.parameters.join()}`
  const time = plan.usesTransactionTime ? ' time' : ''
  const lines = [`multi: [${pins}]${parameters}${time}`, `worker: ${shardText(plan.worker)}`]
  if (plan.kind === 'scatter-modify') return lines
  if (plan.combine !== undefined) lines.push(describeCombine(plan.combine))
  if (plan.rowLimit !== undefined) lines.push(`row limit: ${plan.rowLimit}`)
  lines.push(...describeExchange(plan.distinctExchange?.()))
  return lines
}

function describeExchange(exchange: DistinctExchange | undefined): readonly string[] {
  if (exchange === undefined) return []
  const { groups, workers, node, combine } = exchange
  const { values, distinct } = workers(64)
  return [
    ...(groups === undefined ? [] : [`or groups: ${shardText(groups.worker)}`]),
    `or values: ${shardText(values.worker)}`,
    ...(distinct === undefined ? [] : [`or distinct: ${shardText(distinct.worker)}`]),
    `then ${describeCombine(node)}`,
    `then ${describeCombine(combine)}`,
  ]
}

function describeLocked(plan: LockedSelect): readonly string[] {
  const { pins, candidates, lock, chosen } = plan
  return [
    `multi: locked [${pins.map(describePin).join(' ')}] limit ${plan.limits.map((limit) => limit ?? 'ALL').join(' offset ')}`,
    ...plan.references.map(({ text }) => `first: ${text}`),
    `candidates: ${shardText(candidates.worker)}`,
    `lock: ${shardText(lock.worker)}`,
    `chosen: ${shardText(chosen.worker)}`,
  ]
}

function describeChosen({ chosen, modify }: ChosenModify): readonly string[] {
  const first =
    chosen.kind === 'locked-select'
      ? describeLocked(chosen)
      : [
          `multi: chosen [${chosen.pins.map(describePin).join(' ')}]`,
          `worker: ${shardText(chosen.worker)}`,
          ...(chosen.combine === undefined ? [] : [describeCombine(chosen.combine)]),
        ]
  const pins = modify.pins.map(describePin).join(' ')
  return [...first, `then [${pins}]: ${shardText(modify.worker)}`]
}

function describeThroughScratch(plan: InsertThroughScratchPlan): readonly string[] {
  const { table, target, targetSuffix, source, upsert, repartition } = plan
  const line = `insert-through-scratch ${table.name} at ${target.start}-${target.end}${targetSuffix}`
  const then = upsert === undefined ? [] : [`then: ${shardText(upsert.insert.worker)}`]
  const direct = repartition === undefined ? [] : [describeRepartition(repartition)]
  return [line, ...(source === undefined ? [] : describePulled(source)), ...then, ...direct]
}

function describeRepartition({ rows, columns, keyIndex }: Repartition): string {
  const list = columns.map((name, index) => (index === keyIndex ? `*${name}` : name)).join(', ')
  return `or (${list}) by [${rows.pins.map(describePin).join(' ')}]: ${shardText(rows.worker)}`
}

function describeMirrored({ targets, places, source, insertsFirst }: MirroredPlan) {
  const marks = places.map(
    ({ start, end, target, suffix }) => `${start}-${end} -> ${target}${suffix}`,
  )
  const tables = targets.map(({ table, rows, pins, updated, deletes, isRead, conflicts }) => {
    const meets = conflicts?.needsAll === true ? 'meets all' : 'meets'
    const reads = conflicts === undefined ? 'reads' : meets
    const does = [isRead ? reads : '', ...updated.map((name) => `sets ${name}`)]
    if (deletes) does.push('deletes')
    const locked =
      rows === undefined ? '' : ` [${pins.map(describePin).join(' ')}]: ${shardText(rows.worker)}`
    return `mirror ${table.name} ${does.filter((word) => word !== '').join(', ')}${locked}`
  })
  const order = insertsFirst ? ', inserts first' : ''
  return [`mirrored at ${marks.join(', ')}${order}`, ...tables, ...describePulled(source)]
}

function describePulled({ pulls, parts, places, local }: PulledPlan): readonly string[] {
  const marks = places.map(({ start, end, pull, suffix }) => `${start}-${end} -> ${pull}${suffix}`)
  const rows = pulls.map(({ pins, worker, needsPrimaryKey }) => {
    return `pull [${pins.map(describePin).join(' ')}]${needsPrimaryKey ? ' with key' : ''}: ${shardText(worker)}`
  })
  const rewrites = local.replacements.map(({ start, end, text }) => `${start}-${end} -> ${text}`)
  const inner = parts.flatMap(({ start, end, scatter }) => {
    const pins = scatter.pins.map(describePin).join(' ')
    const lines = [`part at ${start}-${end} [${pins}]: ${shardText(scatter.worker)}`]
    return scatter.combine === undefined ? lines : [...lines, describeCombine(scatter.combine)]
  })
  return [`pulled at ${marks.join(', ')}`.trimEnd(), ...rewrites, ...rows, ...inner]
}

function describeCombine(combine: CombineQuery): string {
  const parameters =
    combine.parameters.length === 0 ? '' : ` parameters ${combine.parameters.join()}`
  return `combine: ${combine.text('source AS s', [], [])}${parameters}`
}

function shardText({ pieces, holeTables }: ShardText): string {
  return pieces
    .map((piece, index) => piece.toString() + (holeTables[index] === undefined ? '' : '◌'))
    .join('')
}
