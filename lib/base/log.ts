export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]
export type LogFields = Readonly<Record<string, unknown>>

/**
 * Leveled JSON lines with bound fields: `time level msg …fields`.
 * info = life cycle, warn = an operator should look, error = a bug or a lost server.
 * Never pass credentials or statement literals.
 */
export class Log {
  readonly #threshold: number
  readonly #fields: LogFields
  readonly #write: (line: string) => void

  constructor(
    level: LogLevel = 'info',
    fields: LogFields = {},
    write: (line: string) => void = (line) => process.stderr.write(line),
  ) {
    this.#threshold = LOG_LEVELS.indexOf(level)
    this.#fields = fields
    this.#write = write
  }

  /** A logger of the same level and sink with more bound fields. */
  with(fields: LogFields): Log {
    const level = LOG_LEVELS[this.#threshold] ?? 'info'
    return new Log(level, { ...this.#fields, ...fields }, this.#write)
  }

  debug(message: string, fields?: LogFields): void {
    this.#log('debug', message, fields)
  }

  info(message: string, fields?: LogFields): void {
    this.#log('info', message, fields)
  }

  warn(message: string, fields?: LogFields): void {
    this.#log('warn', message, fields)
  }

  error(message: string, fields?: LogFields): void {
    this.#log('error', message, fields)
  }

  #log(level: LogLevel, message: string, fields: LogFields = {}): void {
    if (LOG_LEVELS.indexOf(level) < this.#threshold) return
    const line = { time: new Date().toISOString(), level, msg: message, ...this.#fields, ...fields }
    this.#write(`${JSON.stringify(line, serialiseError)}\n`)
  }
}

function serialiseError(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString()
  if (!(value instanceof Error)) return value
  return { name: value.name, message: value.message, stack: value.stack, cause: value.cause }
}
