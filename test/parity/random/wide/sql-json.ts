import type { Random } from '../random.ts'
import type { Kind } from './kinds.ts'

/** What the grammar has nodes of its own for: none of these is a function call, one holds a subquery. */

type Inner = (kind: Kind) => string

/** Values of jsonb. `list`: a subquery of one int column. */
export function jsonExpressions(inner: Inner, list: () => string): readonly (() => string)[] {
  return [
    () => `JSON_OBJECT('a': ${inner('int')}, 'b': ${inner('text')} ABSENT ON NULL RETURNING jsonb)`,
    () => `JSON_ARRAY(${inner('int')}, ${inner('bool')} NULL ON NULL RETURNING jsonb)`,
    () =>
      `JSON_ARRAY(SELECT j.v FROM (${list()}) AS j (v) WHERE j.v IS NOT NULL ORDER BY 1 RETURNING jsonb)`,
    () => `JSON_QUERY(${inner('json')}, '$.b' WITH WRAPPER)`,
    () => `JSON_SCALAR(${inner('int')})::jsonb`,
  ]
}

/** Aggregates of jsonb whose elements stand in a total order. */
export function jsonAggregates(
  inner: Inner,
  order: () => string,
  filter: () => string,
): readonly (() => string)[] {
  return [
    () => `JSON_ARRAYAGG(${inner('int')} ORDER BY ${order()} RETURNING jsonb)${filter()}`,
    () =>
      `JSON_ARRAYAGG(${inner('text')} ORDER BY ${order()} NULL ON NULL RETURNING jsonb)${filter()}`,
    () => `JSON_OBJECTAGG((coalesce(${inner('int')}, 0))::text: 1 RETURNING jsonb)${filter()}`,
  ]
}

/** A function in FROM with one column. */
export function jsonTable(random: Random, inner: Inner): readonly [string, Kind] {
  const path = random.pick(['$[*]', 'lax $[0 to 1]'])
  return [
    `JSON_TABLE(jsonb_build_array(${inner('int')}, ${inner('int')}), '${path}' COLUMNS (u int PATH '$'))`,
    'int',
  ]
}
