import { RouterError } from '../../base/errors.ts'
import { type ClusterTable, type ReferenceTable, tableKey } from '../../catalog/catalog.ts'
import { analyse } from '../analysis.ts'
import type { PulledPart, PulledRows, Replacement, ScatterSelect, TextRange } from '../plan.ts'
import type { PlanInput } from '../plan-input.ts'
import { relationRange } from '../qualifiers.ts'
import { type ColumnKey, columnKey, distributionKey, type Relation } from '../query-model.ts'
import { Refusal } from '../refusals.ts'
import { planScatterSelect } from '../scatter-planner.ts'
import type { StatementTables } from '../table-references.ts'
import type { Tree } from '../tree.ts'
import { type BroadcastChoice, broadcastName, hasBroadcastNames } from './broadcast-plans.ts'
import { hasCollations, locks, replaced } from './draft-text.ts'
import {
  type Occurrence,
  planPulled,
  pulledRows,
  pullKey,
  type Reading,
  readOrNothing,
  relationOf,
  statementParts,
  suffix,
} from './pull-planner.ts'
import { pullRewrites, quotedName } from './pull-rewrites.ts'
import {
  bucketGroup,
  comparesSets,
  type SplitGroup,
  type SplitRules,
  splitColumn,
  splitTable,
} from './split-groups.ts'
import { type PlanRest, valuesFirst } from './value-parts.ts'

/** OIDs below this mean the same on every node. */
const FIRST_USER_OID = 16384
/** Beyond, to plan them all would take longer than to pull. */
const MAX_CHOICES = 8
const MAX_COLUMNS = 1664

type Member = {
  readonly occurrence: Occurrence
  readonly relation: Relation
  readonly key: ColumnKey
  readonly range: TextRange
  /** The one it stands in. */
  readonly part: PulledPart | undefined
}

type Statement = {
  readonly input: PlanInput
  readonly tables: StatementTables
  readonly reading: NonNullable<Reading>
  readonly members: readonly Member[]
  readonly parts: readonly PulledPart[]
  readonly rewrites: readonly Replacement[]
  readonly rules: SplitRules
  /** What of a member's rows the statement needs. Made once: to print and read a text again is what choices cost. */
  readonly rowsOf: (member: Member) => PulledRows
}

/** The same plan, which now also knows how to leave rows in their shards, and how to answer subqueries first. */
export function withBroadcasts<T extends { readonly kind: string }>(
  input: PlanInput,
  tables: StatementTables,
  plan: T,
  planRest: PlanRest,
): T {
  if (plan.kind !== 'pulled') return plan
  return {
    ...plan,
    broadcasts: () => broadcastChoices(input, tables),
    values: () => valuesFirst(input, tables, planRest),
  }
}

/**
 * Each set of occurrences that are joined on their distribution columns may stay where it is, if the rest comes to all nodes, where
 * it is then what a reference table is: the proofs for these hold.
 */
function broadcastChoices(input: PlanInput, tables: StatementTables): readonly BroadcastChoice[] {
  try {
    const statement = readStatement(input, tables)
    return statement === undefined ? [] : choices(statement)
  } catch (error) {
    if (error instanceof Refusal) return []
    throw error
  }
}

function readStatement(input: PlanInput, tables: StatementTables): Statement | undefined {
  const { references } = tables
  const isOnlyRead = references.every(({ role, table }) => role === 'source' && table !== undefined)
  if (!isOnlyRead || input.part === 'somewhere' || hasBroadcastNames(input.text)) return undefined
  const reading = readOrNothing(input, tables)
  if (reading === undefined || locks(input.statement)) return undefined
  const rewrites = pullRewrites(input, tables, reading.root)
  // rows and OIDs of tables as values: theirs must be the tables' own
  if (rewrites.some(({ text }) => text.startsWith('('))) return undefined
  const parts = statementParts(input, reading)
  const members = references.flatMap((reference): readonly Member[] => {
    const { node, table } = reference
    const relation = relationOf(reading, node)
    if (table?.kind !== 'distributed' || relation === undefined) return []
    const range = relationRange(input.text, node)
    const part = parts.find(({ start, end }) => start <= range.start && range.start < end)
    const key = distributionKey(relation, table) ?? ''
    return [{ occurrence: { ...reference, table }, relation, key, range, part }]
  })
  const distributed = references.filter(({ table }) => table?.kind === 'distributed')
  if (members.length < distributed.length) return undefined
  const rules = {
    hasCollations: hasCollations(input, tables),
    comparesSets: comparesSets(input.statement),
  }
  const known = new Map<Member, PulledRows>()
  const rowsOf = (member: Member): PulledRows => {
    const rows = known.get(member) ?? pulledRows(input, reading, tables, member.occurrence)
    known.set(member, rows)
    return rows
  }
  return { input, tables, reading, members, parts, rewrites, rules, rowsOf }
}

function choices(statement: Statement): readonly BroadcastChoice[] {
  const { members } = statement
  const seen = new Set<string>()
  const found: BroadcastChoice[] = []
  const add = (kept: readonly Member[], group?: SplitGroup): void => {
    if (found.length >= MAX_CHOICES) return
    const choice = choiceOf(statement, new Set(kept), group)
    if (choice === undefined) return
    const id = choiceKey(choice, kept)
    if (!seen.has(id)) found.push(choice)
    seen.add(id)
  }
  const groups = members.map((anchor) => keptWith(statement, anchor))
  const all = [...groups, ...groups.map((kept) => kept.filter(({ part }) => part === undefined))]
  for (const kept of all) if (kept.length > 0) add(kept)
  for (const [index, anchor] of members.entries()) {
    const { colocationId, shards } = anchor.occurrence.table
    add(groups[index] ?? [], { linked: linkedTo(statement, anchor.key), colocationId, shards })
  }
  for (const group of bucketGroups(statement)) add([], group)
  return found
}

function choiceKey({ pulls, splits, parts }: BroadcastChoice, kept: readonly Member[]): string {
  const moved = pulls.map(
    (rows, index) => `${pullKey(rows)} ${splits[index]?.distributionColumn.name}`,
  )
  return JSON.stringify([
    kept.map(({ relation }) => relation.id),
    moved,
    parts.map(({ start }) => start),
  ])
}

/** What is in the same shards as the anchor's rows, as far as it matters. */
function keptWith({ reading, members }: Statement, anchor: Member): readonly Member[] {
  const reached = reading.flow.reachable([anchor.key])
  const { colocationId } = anchor.occurrence.table
  return members.filter(
    ({ occurrence, key }) => reached.has(key) && occurrence.table.colocationId === colocationId,
  )
}

/** Whether that is enough for the rows of both to be in one place, the proof of the whole says. */
function linkedTo({ reading: { flow } }: Statement, key: ColumnKey): ReadonlySet<ColumnKey> {
  return new Set([...flow.reachable([key]), ...flow.reaching(key)])
}

/** Joins on columns that distribute neither side: both are split by them. */
function bucketGroups(statement: Statement): readonly SplitGroup[] {
  const { members, reading } = statement
  const tables = members.map(({ occurrence }) => occurrence.table)
  return members.flatMap(({ relation, key }) =>
    (relation.columns ?? []).flatMap((name) => {
      const column = columnKey(relation, name)
      if (column === key || !reading.flow.isLinked(column)) return []
      const linked = linkedTo(statement, column)
      const isJoined = members.some((other) => {
        return other.relation !== relation && [...linked].some((one) => isOf(one, other.relation))
      })
      const isAtHome = members.some((other) => linked.has(other.key))
      return isJoined && !isAtHome ? [bucketGroup(linked, tables)] : []
    }),
  )
}

function isOf(key: ColumnKey, { id }: Relation): boolean {
  return key.startsWith(`${id}:`)
}

/** Without a group all that moves goes to all nodes; with one, some must be split. */
function choiceOf(
  statement: Statement,
  kept: ReadonlySet<Member>,
  group: SplitGroup | undefined,
): BroadcastChoice | undefined {
  const { members, rules, rowsOf } = statement
  const parts = statement.parts.filter((part) =>
    members.every((one) => one.part !== part || !kept.has(one)),
  )
  const sent = members.filter((one) => !kept.has(one) && !parts.some((part) => part === one.part))
  if (sent.length + parts.length === 0) return undefined
  if (parts.length > 0 && rules.hasCollations) return undefined
  if (sent.some((member) => hasUserTypes(member))) return undefined
  const pulls: PulledRows[] = []
  const columns: (string | undefined)[] = []
  const splits: BroadcastChoice['splits'][number][] = []
  const places = sent.map((member) => {
    const rows = rowsOf(member)
    const column = group && splitColumn(rules, member.relation, rows, group)
    const key = pullKey(rows)
    const known = pulls.findIndex(
      (other, index) => columns[index] === column?.name && pullKey(other) === key,
    )
    if (known >= 0) return { member, pull: known }
    const pull = pulls.push(rows) - 1
    columns.push(column?.name)
    splits.push(group && column && splitTable(rows, column, group, pull))
    return { member, pull }
  })
  if (group !== undefined && splits.every((table) => table === undefined)) return undefined
  const draft = { statement, kept, parts, pulls, splits, places }
  return {
    pulls,
    splits,
    parts,
    kept: [...kept].map(rowsOf),
    plan: () => planDraft(draft),
  }
}

function hasUserTypes({ occurrence: { table } }: Member): boolean {
  return table.columns.some(({ typeOid }) => typeOid >= FIRST_USER_OID)
}

type Draft = {
  readonly statement: Statement
  readonly kept: ReadonlySet<Member>
  readonly parts: readonly PulledPart[]
  readonly pulls: readonly PulledRows[]
  readonly splits: BroadcastChoice['splits']
  readonly places: readonly { readonly member: Member; readonly pull: number }[]
}

function planDraft(draft: Draft): ScatterSelect | undefined {
  const { input, tables } = draft.statement
  try {
    const analysis = analyseDraft(draft)
    return planScatterSelect(analysis, (plan) => {
      try {
        return plan()
      } catch (error) {
        if (error instanceof Refusal) return planPulled(input, 'SelectStmt', tables)
        throw error
      }
    })
  } catch (error) {
    // the parser's own: the text can't be changed in this way
    if (error instanceof Refusal || error instanceof RouterError) return undefined
    throw error
  }
}

/** The statement with the temporary tables' names in it, read as one over reference and distributed tables of these names. */
function analyseDraft(draft: Draft) {
  const { input } = draft.statement
  const text = draftText(draft)
  const statement = input.parser.parse(text).stmts[0]?.stmt as Tree
  const pulled = draft.pulls.map((rows, index) => draft.splits[index] ?? pulledTable(rows))
  const added: ClusterTable[] = [...pulled, ...draft.parts.map(partTable)]
  const sent = added.map((table, index): [string, ClusterTable] => {
    const name = broadcastName(index)
    return [tableKey('pg_temp', name), { ...table, name }]
  })
  const catalog = { ...input.catalog, tables: new Map([...input.catalog.tables, ...sent]) }
  const { part: _part, ...whole } = input
  return analyse({ ...whole, text, statement, literals: undefined, catalog }, statement)
}

function draftText({ statement, kept, parts, pulls, places }: Draft): Buffer {
  const { input, tables, rewrites } = statement
  const named = places.map(({ member: { occurrence, range }, pull }) => {
    const text = `pg_temp.${broadcastName(pull)}${suffix(input, tables, occurrence)}`
    return { ...range, text }
  })
  // as the rewritten columns name them
  const aliases = [...kept].map(({ occurrence, range: { end } }) => {
    return { start: end, end, text: suffix(input, tables, occurrence) }
  })
  const results = parts.map((part, index) => {
    const { start, end, names } = part
    const columns = names.map((name, column) => `c${column + 1} AS ${quotedName(name)}`)
    const table = broadcastName(pulls.length + index)
    return { start, end, text: ` SELECT ${columns.join(', ')} FROM pg_temp.${table} ` }
  })
  const others = [...named, ...aliases, ...rewrites].filter(
    ({ start }) => !parts.some((part) => part.start <= start && start < part.end),
  )
  return replaced(input, [...others, ...results])
}

const NO_TABLE = {
  kind: 'reference',
  oid: 0,
  schema: 'pg_temp',
  name: '',
  colocationId: 0,
  hasTriggers: false,
  shardId: 0,
} as const

function pulledTable({ table, needsPrimaryKey }: PulledRows): ReferenceTable {
  return {
    ...NO_TABLE,
    columns: table.columns,
    primaryKey: needsPrimaryKey ? table.primaryKey : [],
  }
}

/** Which types its columns have isn't known before it has run: nothing compares with them. */
function partTable({ names }: PulledPart, part: number): ReferenceTable {
  const columns = names.map((_, index) => ({
    name: `c${index + 1}`,
    attributeNumber: index + 1,
    typeOid: -(part * MAX_COLUMNS + index + 1),
    typeModifier: -1,
    typeName: 'unknown',
    collation: undefined,
    isNotNull: false,
    hasDefault: false,
    isGenerated: false,
  }))
  return { ...NO_TABLE, columns, primaryKey: [] }
}
