import type { BackendConnection } from '../../../backend/backend-connection.ts'
import { ServerError } from '../../../base/errors.ts'
import { SqlState } from '../../../base/sqlstate.ts'
import type { GlobalIndex } from '../../../catalog/catalog.ts'
import { errorFields, serverError, writeFields } from '../../../wire/error-messages.ts'
import { FrameWriter } from '../../../wire/frame-writer.ts'
import { Backend } from '../../../wire/message-codes.ts'
import { interruptible } from '../../interruptible.ts'
import { query } from '../../node-client.ts'
import type { Mending } from '../../relay/error-rewriting.ts'
import { sendPrepared } from '../../statement-request.ts'

// Keys of rows that the transaction has changed in shards come from there in pages and go to the lookup on the coordinator; the
// functions are those of control/global-index-sql.ts. Whatever is not applied in time stops the commit.

/** Rows of changes_N in one answer of take_N: a full page may not be the last. */
const PAGE_CHUNKS = 32
/** boolean, text[], text[] */
const APPLY_TYPES = [16, 1009, 1009]
const UNMENDED: Mending = { positions: undefined }

export type Page = {
  readonly isLast: boolean
  readonly clears: boolean
  /** Insides of array literals. */
  readonly removed: readonly string[]
  readonly added: readonly string[]
}

/** Asked of a node whose shards may have been written: a page of each index's changes. */
export async function takePages(
  indexes: readonly GlobalIndex[],
  source: BackendConnection,
): Promise<readonly Page[]> {
  // all are on their way before the first answer
  const results = await Promise.allSettled(indexes.map((index) => takePage(index, source)))
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason
    return result.value
  })
}

async function takePage({ id }: GlobalIndex, source: BackendConnection): Promise<Page> {
  const { rows } = await query(source, `SELECT op, entries FROM pgloom_unique.take_${id}()`)
  const of = (wanted: string) => {
    return rows.flatMap(([op, entries]) => (op === wanted ? [(entries ?? '').slice(1, -1)] : []))
  }
  return {
    isLast: rows.length < PAGE_CHUNKS,
    clears: of('t').length > 0,
    removed: of('d'),
    added: of('i'),
  }
}

/** Of the same node, one after the other. */
export function joinPages(first: readonly Page[], second: readonly Page[]): readonly Page[] {
  return second.map(({ isLast, clears, removed, added }, at) => {
    const before = first[at] ?? NOTHING
    return {
      isLast,
      clears: clears || before.clears,
      removed: [...before.removed, ...removed],
      added: [...before.added, ...added],
    }
  })
}

export type Application = {
  /** Asked for where there is something to apply. */
  readonly coordinator: () => Promise<BackendConnection>
  readonly signal: AbortSignal
  /** The first of each source and index, where they have been taken already. */
  readonly pages?: readonly (readonly Page[])[]
}

/** All changes of these nodes. Throws where a key is there already; the transaction is then to be rolled back. */
export async function applyChanges(
  indexes: readonly GlobalIndex[],
  sources: readonly BackendConnection[],
  application: Application,
): Promise<void> {
  const pages =
    application.pages ?? (await Promise.all(sources.map((source) => takePages(indexes, source))))
  for (const [at, index] of indexes.entries()) {
    const own = sources.map((source, of) => ({ source, page: pages[of]?.[at] ?? NOTHING }))
    await applyIndex(index, own, application)
  }
}

const NOTHING: Page = { isLast: true, clears: false, removed: [], added: [] }

type Held = { readonly source: BackendConnection; page: Page }

/** Everywhere keys leave before others come: an update may hand them on from one node to another. */
async function applyIndex(
  index: GlobalIndex,
  held: Held[],
  application: Application,
): Promise<void> {
  if (held.every(({ page }) => page.isLast)) {
    await applyPages(
      index,
      held.map(({ page }) => page),
      application,
    )
    return
  }
  for (const one of held) {
    for (;;) {
      await applyPages(index, [{ ...one.page, added: [] }], application)
      if (one.page.isLast || one.page.added.length > 0) break
      one.page = await takePage(index, one.source)
    }
  }
  for (const one of held) {
    for (;;) {
      await applyPages(index, [{ ...one.page, clears: false, removed: [] }], application)
      if (one.page.isLast) break
      one.page = await takePage(index, one.source)
    }
  }
}

async function applyPages(
  index: GlobalIndex,
  pages: readonly Page[],
  { coordinator, signal }: Application,
): Promise<void> {
  const clears = pages.some((page) => page.clears)
  const removed = pages.flatMap((page) => page.removed)
  const added = pages.flatMap((page) => page.added)
  if (!clears && removed.length === 0 && added.length === 0) return
  const connection = await coordinator()
  try {
    const values = [String(clears), `{${removed.join(',')}}`, `{${added.join(',')}}`]
    const statement = {
      text: Buffer.from(`SELECT pgloom_unique.apply_${index.id}($1, $2, $3)`),
      parameters: {
        types: APPLY_TYPES,
        formats: [],
        values: values.map((text) => Buffer.from(text)),
      },
      resultFormats: [],
      describes: false,
      maxRows: 0,
    }
    const applying = sendPrepared(connection, statement, {}, UNMENDED).completed()
    // it may wait for another transaction that has the same key
    await interruptible(connection, signal, applying)
  } catch (error) {
    throw shownError(error, index)
  }
}

const HIDDEN: ReadonlySet<string> = new Set(['W', 'q', 'p'])

/** In the words of a unique index on the user's table. */
function shownError(error: unknown, index: GlobalIndex): unknown {
  if (!(error instanceof ServerError)) return error
  const fields = [...errorFields(error.frame)].filter(([code]) => !HIDDEN.has(code))
  const isViolation = error.sqlState === SqlState.uniqueViolation
  const shown = fields.map(([code, value]): [string, string] => {
    return [code, isViolation ? shownField(code, value, index) : value]
  })
  const out = new FrameWriter()
  writeFields(out, Backend.errorResponse, shown)
  return serverError(out.take())
}

function shownField(code: string, value: string, { id, name, schema, table, key }: GlobalIndex) {
  switch (code) {
    case 'M':
      return value.replace(`pgloom_unique_key_${id}`, () => name)
    case 'D':
      return value.replace(/\(c1(?:, c\d+)*\)=/, () => `(${key})=`)
    case 's':
      return schema
    case 't':
      return table
    case 'n':
      return name
    default:
      return value
  }
}
