import type { PlanInput } from './plan-input.ts'
import { refuse } from './refusals.ts'
import { resolveRangeVar } from './table-references.ts'
import { isRecord, type RangeVar, type Tree } from './tree.ts'

type Fields = Readonly<Record<string, unknown>>

/** Statements about other tables with which cluster tables would answer for rows that no shard has, or leave out theirs. */
export function checkRelatives(input: PlanInput, kind: string, body: Fields): void {
  if (input.catalog.tables.size === 0) return
  if (
    kind === 'CreateStmt' &&
    listOf(body, 'inhRelations').some((parent) => isCluster(input, parent.RangeVar))
  )
    refuse('inheritance')
  if (
    kind === 'AlterTableStmt' &&
    listOf(body, 'cmds').some((command) => joinsCluster(input, command))
  )
    refuse('inheritance')
  if (kind.endsWith('PublicationStmt') && isWholePublication(body)) refuse('publication')
}

/** INHERIT, ATTACH PARTITION */
function joinsCluster(input: PlanInput, command: Tree): boolean {
  const fields = command['AlterTableCmd']
  const def = isRecord(fields) ? fields['def'] : undefined
  if (!isRecord(def)) return false
  const partition = def['PartitionCmd']
  const other = isRecord(partition) ? partition['name'] : def['RangeVar']
  return isRecord(other) && isCluster(input, other)
}

function isWholePublication(body: Fields): boolean {
  return (
    body['for_all_tables'] === true ||
    listOf(body, 'pubobjects').some((object) => {
      const spec = object['PublicationObjSpec']
      return isRecord(spec) && spec['pubobjtype'] !== 'PUBLICATIONOBJ_TABLE'
    })
  )
}

function isCluster(input: PlanInput, relation: RangeVar | undefined): boolean {
  return relation !== undefined && resolveRangeVar(input, relation) !== undefined
}

function listOf(body: Fields, field: string): readonly Tree[] {
  return (body[field] ?? []) as readonly Tree[]
}
