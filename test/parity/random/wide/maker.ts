import type { Random } from '../random.ts'
import type { Kind } from './kinds.ts'
import type { Literals } from './literals.ts'
import type { Schema } from './schema.ts'
import type { Column, Scope } from './scope.ts'

/** Something to select from, under its own name. */
export type Named = {
  readonly name: string
  readonly columns: readonly Column[]
  readonly identity: readonly string[]
  readonly rows: number
  readonly group: string
}

/** A query without ORDER BY and LIMIT, or with both inside. */
export type Query = {
  readonly sql: string
  readonly columns: readonly Column[]
  readonly rows: number
}

/** How a statement's relations belong together. */
export type Style = 'colocated' | 'pinned' | 'wild'

/** What one statement is made with; its parts call each other through it. */
export type Maker = {
  readonly random: Random
  readonly schema: Schema
  readonly literals: Literals
  /** Most tables are of one colocation group. */
  readonly group: string
  readonly style: Style
  /** 1: small, to 3. */
  readonly size: number
  /** What keys are compared with, where the style is pinned. */
  readonly pin: string
  /** CTEs in reach. */
  readonly ctes: readonly Named[]
  readonly alias: () => string
  /** An expression that can't fail, whatever the rows. */
  readonly value: (scope: Scope, kind: Kind, depth: number) => string
  readonly column: (scope: Scope, kind: Kind) => string
  readonly condition: (scope: Scope, depth: number) => string
  /** A subquery of one row at most. */
  readonly scalar: (scope: Scope, kind: Kind) => string
  /** A subquery of one column and any number of rows. */
  readonly list: (scope: Scope, kind: Kind) => string
  /** A query over tables of its own, and what is around it. */
  readonly query: (
    outer: Scope | undefined,
    kinds: readonly Kind[] | undefined,
    depth: number,
  ) => Query
}
