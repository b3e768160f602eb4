import { createHash } from 'node:crypto'
import { LruMap } from '../../base/lru-map.ts'
import type { Catalog, FunctionBody, UserFunction } from '../../catalog/catalog.ts'
import type { ParserHost } from '../../sql/parser-host.ts'
import { classifyFunction } from '../builtin-functions.ts'
import type { PlanInput } from '../plan-input.ts'
import { builtinName, type FuncCall, strings } from '../tree.ts'
import { type BodyClass, type BodyFacts, readBody, widest } from './function-body.ts'

/** What the planner needs of the statement's world to know whose function a call means. */
export type FunctionWorld = Pick<PlanInput, 'catalog' | 'parser' | 'searchPath'>

const KEPT_BODIES = 2000
/** By hash of the body: catalogs come and go, bodies stay. */
const bodies = new LruMap<string, BodyFacts | 'unknown'>(KEPT_BODIES)
const proofs = new WeakMap<Catalog, Map<string, BodyClass | undefined>>()

/**
 * A call of a function of the user's that gives the same on every node: all functions of that name are the same there, read no
 * table, and call only Postgres' own and others of which that is true. The class is that of what its body does, not what it was
 * declared to be. undefined: not proven.
 */
export function provenClass(world: FunctionWorld, call: FuncCall): BodyClass | undefined {
  const { catalog, searchPath } = world
  if (catalog.functions === undefined || hidesPostgres(searchPath)) return undefined
  const names = strings(call.funcname)
  const schema = names.at(-2)
  if (names.length > 2 || (schema !== undefined && /^(pg_|pgloom)/.test(schema))) return undefined
  return classOf(world, names.at(-1) ?? '')
}

/** Whether the user has functions of that name of which nothing is proven. Those that could be meant instead of Postgres' own don't count. */
export function isUnproven(world: FunctionWorld, call: FuncCall): boolean {
  const name = strings(call.funcname).at(-1) ?? ''
  const isPostgres = builtinName(call) !== undefined && classifyFunction(name) !== 'unknown'
  if (isPostgres) return false
  return world.catalog.functions?.has(name) === true && provenClass(world, call) === undefined
}

/** Names of Postgres' own functions and types may mean others. */
function hidesPostgres(searchPath: readonly string[]): boolean {
  return searchPath.indexOf('pg_catalog') > 0
}

function classOf({ catalog, parser }: FunctionWorld, name: string): BodyClass | undefined {
  const known = proofs.get(catalog) ?? new Map<string, BodyClass | undefined>()
  proofs.set(catalog, known)
  if (!known.has(name)) known.set(name, new Proof(catalog, parser).classOf(name))
  return known.get(name)
}

class Proof {
  readonly #catalog: Catalog
  readonly #parser: ParserHost
  /** Names on the way: what calls itself is judged by the rest of what it does. */
  readonly #open = new Set<string>()

  constructor(catalog: Catalog, parser: ParserHost) {
    this.#catalog = catalog
    this.#parser = parser
  }

  classOf(name: string): BodyClass | undefined {
    const known = this.#catalog.functions?.get(name)
    if (known === undefined || !known.isEverywhere || known.bodies === undefined) return undefined
    this.#open.add(name)
    return this.#worst(known.bodies.map((body) => this.#bodyClass(body)))
  }

  #worst(classes: readonly (BodyClass | undefined)[]): BodyClass | undefined {
    let worst: BodyClass = 'immutable'
    for (const one of classes) {
      if (one === undefined) return undefined
      worst = widest(worst, one)
    }
    return worst
  }

  #bodyClass(body: FunctionBody): BodyClass | undefined {
    const facts = factsOf(this.#parser, body)
    if (facts === undefined || !this.#isKnown(facts)) return undefined
    const callees = [...facts.mentions].filter((name) => this.#functions.has(name))
    const classes = callees.map((name) => (this.#open.has(name) ? 'immutable' : this.classOf(name)))
    const whole = this.#worst([facts.bodyClass, ...classes])
    // Postgres may have called it once for all rows
    return whole === 'volatile' && body.volatility !== 'v' ? undefined : whole
  }

  get #functions(): ReadonlyMap<string, UserFunction> {
    return this.#catalog.functions ?? new Map()
  }

  #isKnown({ calls, mentions, types, operators }: BodyFacts): boolean {
    const { userCode, commonTypes } = this.#catalog
    const isShadowed = (name: string) =>
      userCode?.functions.has(name) === true && !this.#functions.has(name)
    return (
      userCode !== undefined &&
      [...calls].every((name) => this.#functions.has(name)) &&
      ![...mentions].some(isShadowed) &&
      [...types].every((name) => commonTypes?.has(name) === true) &&
      ![...operators].some(
        (name) => userCode.operators.has(name) || userCode.ownOperators.has(name),
      )
    )
  }
}

function factsOf(parser: ParserHost, body: FunctionBody): BodyFacts | undefined {
  const key = createHash('sha1').update(JSON.stringify(body)).digest('base64')
  const kept = bodies.get(key)
  if (kept !== undefined) return kept === 'unknown' ? undefined : kept
  const facts = readBody(parser, body)
  bodies.set(key, facts ?? 'unknown')
  return facts
}
