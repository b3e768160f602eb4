import type { Random } from './random.ts'

export type Kind = 'int' | 'text' | 'num' | 'bool' | 'date'

export type Column = { readonly name: string; readonly kind: Kind; readonly isKey: boolean }

/** A relation of a FROM list, or the output of a query. */
export type Source = { readonly alias: string; readonly columns: readonly Column[] }

/** What a name may mean, innermost level first. */
export type Scope = readonly (readonly Source[])[]

export type Reference = Column & { readonly sql: string; readonly level: number }

type Table = { readonly columns: readonly Column[]; readonly group: string }

function table(group: string, key: string, text: string): Table {
  const columns = text.split(' ').map((pair): Column => {
    const [name = '', kind = 'int'] = pair.split(':')
    return { name, kind: kind as Kind, isKey: name === key }
  })
  return { columns, group }
}

export const TABLES: Readonly<Record<string, Table>> = {
  fa: table('int', 'k', 'k:int id:int v:int t:text c:text n:num b:bool d:date'),
  fb: table('int', 'k', 'id:int k:int x:int t:text v:int n:num'),
  fc: table('big', 'k', 'k:int v:int w:num t:text'),
  fs: table('text', 's', 's:text id:int k:int v:int t:text'),
  fu: table('text', 's', 'id:int s:text v:int b:bool'),
  fr: table('reference', 'k', 'k:int v:int s:text t:text'),
  fl: table('local', '', 'k:int v:int t:text'),
}

/** All columns in reach with the way to write each; unqualified where it is the only one of its level. */
export function references(scope: Scope, random: Random): readonly Reference[] {
  return scope.flatMap((level, depth) =>
    level.flatMap(({ alias, columns }) =>
      columns.map((column) => {
        const same = level
          .flatMap((item) => item.columns)
          .filter(({ name }) => name === column.name)
        const isHidden = scope
          .slice(0, depth)
          .some((inner) =>
            inner.some((item) => item.columns.some(({ name }) => name === column.name)),
          )
        const isBare = same.length === 1 && !isHidden && random.chance(35)
        return { ...column, sql: isBare ? column.name : `${alias}.${column.name}`, level: depth }
      }),
    ),
  )
}

/** Sources whose aliases no inner level hides. */
export function visibleScope(scope: Scope): Scope {
  return scope.map((level, depth) =>
    level.filter(
      ({ alias }) =>
        !scope.slice(0, depth).some((inner) => inner.some((item) => item.alias === alias)),
    ),
  )
}
