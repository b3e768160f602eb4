import type { BackendConnection } from '../backend/backend-connection.ts'
import { RouterError } from '../base/errors.ts'
import { SqlState } from '../base/sqlstate.ts'
import { coordinatorOf } from '../catalog/catalog-lookup.ts'
import {
  checkClusterSetting,
  clusterSettingDefault,
  clusterSettingName,
} from '../catalog/cluster-settings.ts'
import { query } from '../executor/node-client.ts'
import { Answer } from '../executor/relay/answer-script.ts'
import { quoteLiteral } from '../planner/setting-values.ts'
import { writeDataRow } from '../wire/backend-messages.ts'
import { writeNotice } from '../wire/error-messages.ts'
import { writeQuery } from '../wire/frontend-messages.ts'
import { TransactionStatus } from '../wire/message-codes.ts'
import { writeRowDescription } from '../wire/row-description.ts'
import type { SessionParts } from './session-parts.ts'

const TEXT_OID = 25
/** The connection may have any search path yet. */
const KNOWS_SETTING = 'SELECT pg_catalog.current_setting($1, true) IS NOT NULL'

/**
 * SET, RESET and SHOW. A setting of Postgres is checked by the coordinator first, then remembered by the session. Those
 * of the cluster (citus.*, also as pgloom.*) are checked here; to the servers they are names like any other, so that
 * functions and cluster commands find them with current_setting().
 */
export class SettingCommands {
  readonly #parts: SessionParts

  constructor(parts: SessionParts) {
    this.#parts = parts
  }

  /** `value`: SQL text after TO; undefined: DEFAULT. */
  async set(name: string, value: string | undefined, isLocal: boolean): Promise<void> {
    const { settings, initialSettings, transaction } = this.#parts
    if (isLocal && (transaction.status === TransactionStatus.idle || transaction.isImplicit)) {
      writeNotice(this.#parts.output.frames, {
        severity: 'WARNING',
        sqlState: SqlState.noActiveSqlTransaction,
        message: 'SET LOCAL can only be used in transaction blocks',
      })
      if (transaction.status === TransactionStatus.idle) return
    }
    const key = clusterSettingName(name) ?? name.toLowerCase()
    refuseUnsafe(key, value)
    const before = settings.effective.get(key)
    const wanted = checkedValue(key, value, name) ?? initialSettings.get(key)
    const connection = await this.#coordinator()
    settings.set(key, wanted, isLocal)
    try {
      await this.#apply(connection)
    } catch (error) {
      settings.set(key, before, isLocal)
      throw error
    }
  }

  async resetAll(): Promise<void> {
    const { settings, initialSettings } = this.#parts
    const connection = await this.#coordinator()
    settings.resetAll()
    for (const [name, value] of initialSettings) settings.set(name, value)
    await this.#apply(connection)
  }

  /** Startup settings: RESET goes back to them. None may fail. */
  async applyInitial(connection: BackendConnection): Promise<void> {
    await this.#dropUnknown(connection)
    for (const [name, value] of this.#parts.initialSettings) this.#parts.settings.set(name, value)
    await this.#apply(connection)
  }

  /** ignore_startup_parameters: whether there is such a setting its server knows best. */
  async #dropUnknown(connection: BackendConnection): Promise<void> {
    const { initialSettings, ignoredParameters } = this.#parts
    for (const name of [...initialSettings.keys()]) {
      if (!ignoredParameters.has(name)) continue
      const { rows } = await query(connection, KNOWS_SETTING, [name])
      if (rows[0]?.[0] !== 't') initialSettings.delete(name)
    }
  }

  /** undefined: a setting that the coordinator knows. */
  async ownValue(name: string): Promise<string | undefined> {
    const clusterName = clusterSettingName(name)
    if (clusterName === undefined) return undefined
    const set = this.#parts.settings.effective.get(clusterName)
    if (set !== undefined) return literalValue(set)
    // ALTER DATABASE and ALTER ROLE may have set it
    const connection = await this.#coordinator()
    const { rows } = await query(connection, 'SELECT current_setting($1, true)', [clusterName])
    const value = rows[0]?.[0] || clusterSettingDefault(clusterName)
    if (value !== undefined) return value
    throw new RouterError(
      SqlState.undefinedObject,
      `unrecognized configuration parameter "${name}"`,
    )
  }

  /** One row, as SHOW gives it. `describes`: in the simple protocol RowDescription comes first. */
  writeValue(column: string, value: string, describes: boolean): void {
    const { frames } = this.#parts.output
    if (describes) writeRowDescription(frames, settingFields(column))
    writeDataRow(frames, [value])
  }

  #coordinator(): Promise<BackendConnection> {
    const { transaction, catalogs, signal } = this.#parts
    const { nodeId } = coordinatorOf(catalogs.current())
    return transaction.connection(nodeId, 'setting', signal())
  }

  /** Brings the connection to what the session wants; what it reports of it goes to the client. */
  async #apply(connection: BackendConnection): Promise<void> {
    const { settings, initialSettings, transaction, relay, catalogs } = this.#parts
    const isInTransaction = transaction.status !== TransactionStatus.idle
    const wanted = settings.effective
    const text = connection.settings.syncText(wanted, isInTransaction)
    if (text === '') return
    relay.begin(connection, catalogs.current())
    // the client sees none of these SETs; more entries than there are statements do no harm
    for (let index = 0; index <= wanted.size + initialSettings.size; index++) {
      relay.sink.script.add(Answer.swallow)
      relay.sink.script.add(Answer.swallow)
    }
    writeQuery(connection.out, text)
    const error = await relay.finished()
    if (error !== undefined) throw error
    connection.settings.synced(wanted, isInTransaction)
  }
}

export function settingFields(name: string) {
  const rest = { tableOid: 0, attributeNumber: 0, typeSize: -1, typeModifier: -1, format: 0 }
  return [{ name, typeOid: TEXT_OID, ...rest }]
}

/** `shown`: the name as the user wrote it. */
function checkedValue(key: string, value: string | undefined, shown: string): string | undefined {
  if (value === undefined || clusterSettingName(key) === undefined) return value
  return quoteLiteral(checkClusterSetting(key, literalValue(value), shown))
}

function literalValue(sql: string): string {
  const match = /^\s*E?'((?:[^']|'')*)'\s*$/s.exec(sql)
  return match === null ? sql.trim() : (match[1] ?? '').replaceAll("''", "'")
}

/** Settings with which our reading of a text would no longer be Postgres'. */
function refuseUnsafe(name: string, value: string | undefined): void {
  if (value === undefined) return
  const plain = literalValue(value).toLowerCase()
  if (name === 'standard_conforming_strings' && !['on', 'true', 'yes', '1'].includes(plain)) {
    throw new RouterError(
      SqlState.featureNotSupported,
      'standard_conforming_strings cannot be turned off through the proxy',
      { hint: "Write strings with backslash escapes as E'…'." },
    )
  }
  if (name === 'client_encoding' && !/^(utf-?8|unicode)$/.test(plain)) {
    throw new RouterError(
      SqlState.featureNotSupported,
      `client_encoding "${literalValue(value)}" is not supported through the proxy`,
      { hint: 'Use UTF8.' },
    )
  }
}
