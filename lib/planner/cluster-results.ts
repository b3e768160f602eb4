/** What a cluster function gives: one value of a type, or rows of named columns. */
export type ResultShape =
  | { readonly kind: 'value'; readonly type: string }
  | { readonly kind: 'rows'; readonly columns: readonly ResultColumn[] }

export type ResultColumn = { readonly name: string; readonly type: string }

const OUTCOME: readonly ResultColumn[] = [
  { name: 'success', type: 'bool' },
  { name: 'result', type: 'text' },
]

const NODE_COLUMNS: readonly ResultColumn[] = [{ name: 'nodeid', type: 'int4' }, ...OUTCOME]

const ROWS: ReadonlyMap<string, readonly ResultColumn[]> = new Map([
  [
    'run_command_on_workers',
    [{ name: 'nodename', type: 'text' }, { name: 'nodeport', type: 'int4' }, ...OUTCOME],
  ],
  ['run_command_on_all_nodes', NODE_COLUMNS],
  ['run_command_on_coordinator', NODE_COLUMNS],
  ['run_command_on_shards', [{ name: 'shardid', type: 'int8' }, ...OUTCOME]],
])

/** Sizes of relations whose stored rows are in shards: computed by the proxy for a relation named by a constant. */
export const SIZE_FUNCTIONS: ReadonlySet<string> = new Set([
  'pg_relation_size',
  'pg_table_size',
  'pg_indexes_size',
  'pg_total_relation_size',
  'citus_relation_size',
  'citus_table_size',
  'citus_total_relation_size',
])

export function resultShape(name: string): ResultShape {
  const columns = ROWS.get(name)
  if (columns !== undefined) return { kind: 'rows', columns }
  if (SIZE_FUNCTIONS.has(name)) return { kind: 'value', type: 'int8' }
  return { kind: 'value', type: /^(citus|master)_add_/.test(name) ? 'int4' : 'void' }
}
