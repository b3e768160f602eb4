import type { BackendConnection } from '../../backend/backend-connection.ts'
import { preparedKey } from '../../backend/prepared-cache.ts'
import { NO_SETTINGS } from '../../backend/session-state.ts'
import { characterCount } from '../../executor/relay/position-map.ts'
import type { RelaySink } from '../../executor/relay/relay-sink.ts'
import { Frontend } from '../../wire/message-codes.ts'

/*
 * BEGIN goes along with the first statement of its block, so that the server answers once:
 *
 *   simple      Query "BEGIN;UPDATE …"
 *   extended    Bind, Execute of a statement BEGIN that the connection keeps; then the client's own messages up to Sync
 *
 * The sink drops what answers BEGIN. If the server can't even parse a Query, it has not begun: the block fails here nevertheless.
 */

const BEGIN = 'BEGIN'
const BEGIN_LEAD = Buffer.from('BEGIN;')
const BEGIN_KEY = preparedKey(BEGIN, [], NO_SETTINGS)
/** BindComplete, CommandComplete. */
const RUN_ANSWERS = 2

/** To be written before the statement's text; `begin`: as SessionTransaction.takeLead() has it, not ''. */
export function queryLead(begin: string): Buffer {
  // the client's own text may end in a comment
  return begin === BEGIN ? BEGIN_LEAD : Buffer.from(`${begin}\n;`)
}

/** After the statement's text was written. */
export function expectQueryLead(sink: RelaySink, lead: Buffer): void {
  sink.expectLead(1)
  sink.positions.lead = characterCount(lead, 0, lead.length)
}

/** Before the client's own messages. */
export function writeExtendedLead(
  { out, prepared }: BackendConnection,
  sink: RelaySink,
  begin: string,
): void {
  const key = begin === BEGIN ? BEGIN_KEY : preparedKey(begin, [], NO_SETTINGS)
  let name = prepared.find(key)
  let answers = RUN_ANSWERS
  if (name === undefined) {
    const added = prepared.add(out, key, begin, [])
    name = added.name
    answers += added.closes + 1
  }
  const bind = out.begin(Frontend.bind)
  out.byte(0)
  out.cstring(name)
  // no formats, no values, no formats of results
  out.int16(0)
  out.int16(0)
  out.int16(0)
  out.end(bind)
  const execute = out.begin(Frontend.execute)
  out.byte(0)
  out.int32(0)
  out.end(execute)
  sink.expectLead(answers)
}
