import { randomBytes } from 'node:crypto'
import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import type { Catalog, ClusterView } from '../catalog/catalog.ts'
import { characterCount } from '../executor/relay/position-map.ts'
import type { Plan, SelectPlan, ViewUse } from '../planner/plan.ts'
import { planStatement } from '../planner/planner.ts'
import { Refusal } from '../planner/refusals.ts'
import type { Tree } from '../planner/tree.ts'
import { planMaterialization } from '../planner/views/materialized-views.ts'
import { expandViews } from '../planner/views/view-expansion.ts'
import { LexResult } from '../sql/lexer.ts'
import type { ParserHost } from '../sql/parser-host.ts'
import { ShapeCache } from '../sql/shape-cache.ts'
import { PointRead } from './fast/point-read.ts'
import { ScatterRead } from './fast/scatter-read.ts'
import { StatementConduct } from './fast/statement-conduct.ts'
import { TextPlans } from './text-plans.ts'

/** One statement and how it runs; belongs to one catalog version and search path. */
export type PlannedStatement = {
  /** The statement alone, UTF-8. A private copy. */
  readonly text: Buffer
  /** Characters of the client's message before it. */
  readonly base: number
  readonly plan: Plan
  readonly conduct: StatementConduct
  /**
   * false: the plan was made for another text of this shape. It holds for a statement routed to one shard;
   * all else of it (other shards, row ranges) is the other text's.
   */
  readonly isOwn: boolean
  /** Without any, if the lexer leaves this text to the parser: the plan then refers to none. */
  readonly literals: LexResult
  readonly catalog: Catalog
  readonly searchPath: readonly string[]
  /** Relations that it creates as temporary ones. */
  readonly temporaryNames: readonly string[]
  /** As the client wrote it. */
  readonly source: Buffer
  /** Views whose queries stand in `text`, in place of their names in `source`. */
  readonly views: readonly ViewUse[]
}

/** What planning depends on besides the text; of one session at one moment. */
export type PlanningWorld = {
  readonly catalog: Catalog
  /** false: the catalog is that of a transaction under way. */
  readonly isShared: boolean
  readonly searchPath: readonly string[]
  readonly temporaryNames: ReadonlySet<string>
  readonly restrictsViews?: boolean | undefined
  readonly temporaryViews?: ReadonlyMap<string, ClusterView> | undefined
}

/** A plan that holds for every literal, and the world it holds in. */
export type CachedPlan = {
  readonly plan: Plan
  readonly conduct: StatementConduct
  readonly catalog: Catalog
  readonly searchPath: readonly string[]
}

/** Shared by all sessions of one database. */
export class PlanCache {
  /** By the shape of their text. */
  readonly shapes = new ShapeCache<CachedPlan>()
  readonly texts = new TextPlans()
}

export class StatementPlanner {
  readonly #parser: ParserHost
  readonly #cache: ShapeCache<CachedPlan>
  readonly #texts: TextPlans

  constructor(parser: ParserHost, { shapes, texts }: PlanCache) {
    this.#parser = parser
    this.#cache = shapes
    this.#texts = texts
  }

  /** The statement in `text` without parsing it; undefined: parse it. */
  fromCache(text: Buffer, world: PlanningWorld): PlannedStatement | undefined {
    if (world.temporaryNames.size > 0 || !world.isShared) return undefined
    const known = this.#texts.find(text, world)
    if (known !== undefined) return known
    const literals = new LexResult(FEW_SPANS)
    const cached = this.lookup(text, 0, text.length, literals, world.catalog, world.searchPath)
    if (cached === undefined) return undefined
    const { plan, conduct, catalog, searchPath } = cached
    const base = { text, base: 0, isOwn: false, temporaryNames: [], source: text, views: [] }
    return { ...base, plan, conduct, literals, catalog, searchPath }
  }

  /** The plan for text[start, end), whose literals go `into`. Keeps nothing of the text; allocates nothing. Not for worlds of one's own. */
  lookup(
    text: Buffer,
    start: number,
    end: number,
    into: LexResult,
    catalog: Catalog,
    searchPath: readonly string[],
  ): CachedPlan | undefined {
    if (!this.#cache.lex(text, start, end, into)) return undefined
    const cached = this.#cache.lookup(text, start, end, into)
    return cached?.catalog === catalog && cached.searchPath === searchPath ? cached : undefined
  }

  #keep(planned: PlannedStatement, world: PlanningWorld): void {
    const { text, plan, conduct, literals, catalog, searchPath } = planned
    if (world.temporaryNames.size > 0 || !world.isShared || !isShapeStable(plan)) return
    this.#cache.store(text, 0, text.length, literals, { plan, conduct, catalog, searchPath })
  }

  /** What all texts of the shape have in common: they may be prepared with their literals as parameters. */
  #keepScatterRead(
    { plan, text, literals }: PlannedStatement,
    statement: Tree,
    world: PlanningWorld,
  ): void {
    if (plan.kind !== 'select' || isShapeStable(plan) || plan.routed.pins[0] === undefined) return
    if (world.temporaryNames.size > 0 || !world.isShared) return
    const { catalog, searchPath } = world
    const known = this.#cache.lookup(text, 0, text.length, literals)
    if (known?.catalog === catalog && known.searchPath === searchPath) return
    const read = ScatterRead.of(statement, text, literals)
    if (read === undefined) return
    const common = onNoShardAlone(plan)
    const conduct = new StatementConduct(common, undefined, read)
    this.#cache.store(text, 0, text.length, literals, {
      plan: common,
      conduct,
      catalog,
      searchPath,
    })
  }

  /** All statements of a text, in order; each is planned only when its turn comes, in the world of then. */
  split(text: Buffer, callerKey: string): readonly ParsedStatement[] {
    const { stmts } = this.#parser.parse(text, callerKey)
    if (stmts.length === 1) {
      return [{ text, base: 0, statement: (stmts[0]?.stmt ?? {}) as Tree }]
    }
    return stmts.map((raw) => {
      const start = raw.stmt_location ?? 0
      const length = raw.stmt_len ?? 0
      const own = text.subarray(start, length === 0 ? text.length : start + length)
      return { text: own, base: characterCount(text, 0, start), statement: undefined }
    })
  }

  /** The only statement of a Parse message; undefined: the text is blank. */
  single(text: Buffer, callerKey: string): ParsedStatement | undefined {
    const statements = this.split(text, callerKey)
    if (statements.length <= 1) return statements[0]
    throw new RouterError(
      SqlState.syntaxError,
      'cannot insert multiple commands into a prepared statement',
    )
  }

  plan(parsed: ParsedStatement, world: PlanningWorld, callerKey: string): PlannedStatement {
    const isAlone = parsed.base === 0 && parsed.statement === undefined
    const known = isAlone ? this.#texts.find(parsed.text, world) : undefined
    if (known !== undefined) return known
    const planned = this.#planAnew(parsed, world, callerKey)
    this.#texts.keep(planned, world)
    return planned
  }

  #planAnew(parsed: ParsedStatement, world: PlanningWorld, callerKey: string): PlannedStatement {
    // the tree of a script's statement must count its locations from its own start
    const statement = parsed.statement ?? this.#parse(parsed.text, callerKey)
    const materialized = this.#materialized(parsed, statement, world, callerKey)
    if (materialized !== undefined) return materialized
    const expanded = this.#expand(parsed.text, statement, world)
    if (expanded === undefined) return this.#planText(parsed, statement, world, [])
    if (expanded instanceof Refusal) return this.#planned(parsed, world, expanded.plan())
    const { text, uses } = expanded
    const planned = this.#planText({ ...parsed, text }, this.#parse(text, callerKey), world, uses)
    return { ...planned, source: parsed.text }
  }

  /** With a plan that was made elsewhere. */
  #planned(parsed: ParsedStatement, world: PlanningWorld, plan: Plan): PlannedStatement {
    const planned = this.#planText({ ...parsed, text: EMPTY }, {}, world, [])
    const conduct = new StatementConduct(plan)
    return { ...planned, text: parsed.text, source: parsed.text, plan, conduct }
  }

  #materialized(
    parsed: ParsedStatement,
    statement: Tree,
    world: PlanningWorld,
    callerKey: string,
  ): PlannedStatement | undefined {
    const scratch = `pgloom_scratch.matview_${randomBytes(8).toString('hex')}`
    const found = orRefused(() =>
      planMaterialization(world, parsed.text, statement, this.#parser, scratch),
    )
    if (found === undefined) return undefined
    if (found instanceof Refusal) return this.#planned(parsed, world, found.plan())
    const { plan, fillText } = found
    if (plan.action === 'tend') return this.#planned(parsed, world, plan)
    if (fillText === undefined) return this.#planned(parsed, world, { ...plan, fill: undefined })
    const inner = { text: Buffer.from(fillText), base: 0, statement: undefined }
    const fill = this.plan(inner, world, callerKey)
    if (fill.plan.kind === 'refusal') return this.#planned(parsed, world, fill.plan)
    const whole = { ...plan, fill: { plan: fill.plan, text: fill.text } }
    return { ...this.#planned(parsed, world, whole), views: fill.views }
  }

  #parse(text: Buffer, callerKey: string): Tree {
    return (this.#parser.parse(text, callerKey).stmts[0]?.stmt ?? {}) as Tree
  }

  #expand(text: Buffer, statement: Tree, world: PlanningWorld) {
    return orRefused(() => expandViews(world, text, statement, this.#parser))
  }

  #planText(
    parsed: Pick<ParsedStatement, 'text' | 'base'>,
    statement: Tree,
    world: PlanningWorld,
    views: readonly ViewUse[],
  ): PlannedStatement {
    const literals = new LexResult(FEW_SPANS)
    const isLexed = this.#cache.lex(parsed.text, 0, parsed.text.length, literals)
    if (!isLexed) literals.count = 0
    const plan = planStatement({
      text: parsed.text,
      statement,
      catalog: world.catalog,
      searchPath: world.searchPath,
      // plans may be shared, and ask again later: the session's own set changes
      temporaryNames: new Set(world.temporaryNames),
      restrictsViews: world.restrictsViews,
      literals: isLexed ? literals : undefined,
      parser: this.#parser,
    })
    const planned = {
      text: parsed.text,
      base: parsed.base,
      plan,
      conduct: new StatementConduct(
        plan,
        isLexed ? PointRead.of(statement, parsed.text, literals) : undefined,
      ),
      isOwn: true,
      literals,
      catalog: world.catalog,
      searchPath: world.searchPath,
      temporaryNames: createdTemporaryNames(plan, statement),
      source: parsed.text,
      views,
    }
    // rights and definitions of views must be looked at each time
    if (isLexed && views.length === 0) {
      this.#keep(planned, world)
      this.#keepScatterRead(planned, statement, world)
    }
    return planned
  }
}

function orRefused<T>(plan: () => T): T | Refusal {
  try {
    return plan()
  } catch (error) {
    if (error instanceof Refusal) return error
    throw error
  }
}

/** Where a text goes depends on its values. */
function onNoShardAlone(plan: SelectPlan): SelectPlan {
  const { routed } = plan
  const pins = routed.pins.map(({ table }) => ({ table, values: undefined }))
  return { ...plan, routed: { ...routed, pins } }
}

const EMPTY = Buffer.alloc(0)

/** Most statements have fewer literals; arrays so small need no memory of their own. */
const FEW_SPANS = 16

/** They have no literals; what else they say is in their shape. */
const BLOCK_COMMANDS: ReadonlySet<string> = new Set([
  'begin',
  'commit',
  'rollback',
  'savepoint',
  'release',
  'rollback-to',
])

function isShapeStable(plan: Plan): boolean {
  switch (plan.kind) {
    case 'local':
      return plan.isShapeStable
    case 'select':
    case 'modify':
    case 'insert-rows':
      return plan.routed.isShapeStable
    case 'unique-write':
      return plan.plan.kind !== 'local' && 'routed' in plan.plan && isShapeStable(plan.plan)
    case 'session':
      return BLOCK_COMMANDS.has(plan.command.kind)
    default:
      return false
  }
}

export type ParsedStatement = {
  readonly text: Buffer
  readonly base: number
  /** undefined: one of several; parsed again by itself when it is planned. */
  readonly statement: Tree | undefined
}

function createdTemporaryNames(plan: Plan, statement: Tree): readonly string[] {
  if (plan.kind !== 'local' || plan.pin !== 'temporary table') return []
  const names: string[] = []
  collectTemporary(statement, names)
  return names
}

function collectTemporary(value: unknown, names: string[]): void {
  if (Array.isArray(value)) {
    for (const item of value) collectTemporary(item, names)
    return
  }
  if (typeof value !== 'object' || value === null) return
  const { relpersistence, relname } = value as { relpersistence?: string; relname?: string }
  if (relname !== undefined && relpersistence !== undefined) names.push(relname)
  for (const item of Object.values(value)) collectTemporary(item, names)
}
