import type { SessionView } from '../plan.ts'
import { builtinName, type RangeVar, type Tree, walkTree } from '../tree.ts'

const VIEWS: Readonly<Record<string, SessionView>> = {
  pg_cursor: 'pg_cursors',
  pg_cursors: 'pg_cursors',
  pg_prepared_statement: 'pg_prepared_statements',
  pg_prepared_statements: 'pg_prepared_statements',
  pg_listening_channels: 'pg_listening_channels',
}

/** Views and functions of Postgres' that tell of the session at hand what the server alone doesn't know. */
export function sessionViews(statement: Tree): readonly SessionView[] {
  const found = new Set<SessionView>()
  walkTree(statement, (kind, node) => {
    const name = kind === 'FuncCall' ? builtinName(node) : relationName(kind, node)
    const view = Object.hasOwn(VIEWS, name ?? '') ? VIEWS[name ?? ''] : undefined
    if (view !== undefined) found.add(view)
    return undefined
  })
  return [...found]
}

function relationName(kind: string, node: object): string | undefined {
  if (kind !== 'RangeVar') return undefined
  const { schemaname, relname } = node as RangeVar
  return schemaname === undefined || schemaname === 'pg_catalog' ? relname : undefined
}
