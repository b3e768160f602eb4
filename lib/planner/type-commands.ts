import type { DdlPlan, ObjectName } from './plan.ts'
import type { PlanInput } from './plan-input.ts'
import { type RangeVar, strings, type Tree } from './tree.ts'

type Fields = Readonly<Record<string, unknown>>

/** Tables that other nodes have too may use the type: ALTER and DROP of types and domains are for all that have it. */
export function planTypeCommand(input: PlanInput, kind: string, body: Fields): DdlPlan | undefined {
  if (input.catalog.tables.size === 0) return undefined
  const names = namesOf(kind, body)
  if (names.length === 0) return undefined
  const command = kind === 'DropStmt' ? 'DROP TYPE' : 'ALTER TYPE'
  const base = { kind: 'ddl', command, tables: [], splices: [], indexNames: [] } as const
  // a value renamed, or an attribute added, dropped or altered
  const isRenamed = kind === 'AlterEnumStmt' && body['oldVal'] !== undefined
  const changesValues = isRenamed || kind === 'AlterTableStmt'
  return { ...base, typeNames: names, changesValues }
}

/** For all nodes: what tables of theirs may use is to be there first, and gone with the rest. */
export function planExtensionCommand(
  { catalog }: PlanInput,
  kind: string,
  body: Fields,
): DdlPlan | undefined {
  if (!catalog.isInstalled || catalog.nodes.length < 2) return undefined
  const base = { kind: 'ddl', tables: [], splices: [], indexNames: [] } as const
  if (kind === 'CreateExtensionStmt') {
    const extensionNames = [String(body['extname'] ?? '')]
    return { ...base, command: 'CREATE EXTENSION', extensionNames }
  }
  if (kind === 'AlterExtensionStmt') {
    const extensionNames = [String(body['extname'] ?? '')]
    return { ...base, command: 'ALTER EXTENSION', extensionNames }
  }
  if (kind === 'AlterObjectSchemaStmt' && body['objectType'] === 'OBJECT_EXTENSION') {
    const object = body['object'] as Tree | undefined
    const extensionNames = [(object?.['String'] as { readonly sval?: string })?.sval ?? '']
    return { ...base, command: 'ALTER EXTENSION', extensionNames }
  }
  if (kind !== 'DropStmt' || body['removeType'] !== 'OBJECT_EXTENSION') return undefined
  const extensionNames = strings(body['objects'] as readonly Tree[] | undefined)
  return { ...base, command: 'DROP EXTENSION', extensionNames }
}

const TYPES: ReadonlySet<unknown> = new Set(['OBJECT_TYPE', 'OBJECT_DOMAIN'])

function namesOf(kind: string, body: Fields): readonly ObjectName[] {
  switch (kind) {
    case 'AlterEnumStmt':
    case 'AlterDomainStmt':
    case 'AlterTypeStmt':
      return [nameOf(strings(body['typeName'] as readonly Tree[] | undefined))]
    case 'AlterTableStmt':
      return body['objtype'] === 'OBJECT_TYPE' ? [relationName(body)] : []
    case 'RenameStmt':
      return renamed(body)
    case 'AlterObjectSchemaStmt':
    case 'AlterOwnerStmt':
      return TYPES.has(body['objectType']) ? [objectName(body['object'] as Tree | undefined)] : []
    case 'DropStmt':
      return TYPES.has(body['removeType'])
        ? ((body['objects'] ?? []) as readonly Tree[]).map(objectName)
        : []
    default:
      return []
  }
}

function renamed(body: Fields): readonly ObjectName[] {
  const type = body['renameType']
  if (type === 'OBJECT_ATTRIBUTE') {
    return body['relationType'] === 'OBJECT_TYPE' ? [relationName(body)] : []
  }
  const isOfType = TYPES.has(type) || type === 'OBJECT_DOMCONSTRAINT'
  return isOfType ? [objectName(body['object'] as Tree | undefined)] : []
}

function relationName(body: Fields): ObjectName {
  const relation = (body['relation'] ?? {}) as RangeVar
  return { schema: relation.schemaname, name: relation.relname ?? '' }
}

function objectName(object: Tree | undefined): ObjectName {
  const typeName = object?.['TypeName'] as { readonly names?: readonly Tree[] } | undefined
  return nameOf(strings(typeName?.names ?? object?.List?.items))
}

function nameOf(parts: readonly string[]): ObjectName {
  return { schema: parts.at(-2), name: parts.at(-1) ?? '' }
}
