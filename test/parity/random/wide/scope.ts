import type { Random } from '../random.ts'
import type { Kind } from './kinds.ts'

export type Column = {
  /** As SQL writes it. */
  readonly name: string
  readonly kind: Kind
  readonly isKey: boolean
}

/** A relation of a FROM list. */
export type Source = {
  readonly alias: string
  readonly columns: readonly Column[]
  /** Columns that tell its rows apart, but for rows that are the same in all columns. */
  readonly identity: readonly string[]
}

/** What names may mean: the FROM list of a query and those around it. */
export type Scope = {
  readonly sources: readonly Source[]
  readonly outer: Scope | undefined
  /** How many rows it is likely to have, with those of the queries around it. */
  readonly rows: number
}

export type Reference = Column & { readonly sql: string; readonly level: number }

/** All columns in reach, with a way to write each. */
export function references(scope: Scope, random: Random): readonly Reference[] {
  const found: Reference[] = []
  const hidden = { aliases: new Set<string>(), names: new Set<string>() }
  let level = 0
  for (let at: Scope | undefined = scope; at !== undefined; at = at.outer) {
    const { sources } = at
    const visible = sources.filter(({ alias }) => !hidden.aliases.has(alias))
    for (const { alias, columns } of visible) {
      for (const column of columns) {
        const isBare = isAlone(column.name, sources) && !hidden.names.has(column.name)
        const sql = isBare && random.chance(30) ? column.name : `${alias}.${column.name}`
        found.push({ ...column, sql, level })
      }
    }
    hide(sources, hidden)
    level++
  }
  return found
}

function isAlone(name: string, sources: readonly Source[]): boolean {
  const same = sources.flatMap(({ columns }) => columns.filter((column) => column.name === name))
  return same.length === 1
}

/** Inner names go before outer ones. */
function hide(
  sources: readonly Source[],
  hidden: { readonly aliases: Set<string>; readonly names: Set<string> },
): void {
  for (const { alias, columns } of sources) {
    hidden.aliases.add(alias)
    for (const { name } of columns) hidden.names.add(name)
  }
}

/** An order of all rows of the FROM list. */
export function identityOf({ sources }: Scope): readonly string[] {
  return sources.flatMap(({ alias, identity }) => identity.map((name) => `${alias}.${name}`))
}
