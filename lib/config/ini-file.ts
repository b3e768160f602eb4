import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'

export type IniEntry = {
  readonly section: string
  readonly key: string
  readonly value: string
  /** `pgbouncer.ini:3` */
  readonly place: string
}

export type IniContent = {
  readonly entries: readonly IniEntry[]
  /** Each with its place. */
  readonly faults: readonly string[]
}

const SECTION = /^\[([^\]]*)\]\s*$/
const INCLUDE = /^%include\s+(\S.*)$/
/** A name, or any text in double quotes, where two stand for one. */
const ENTRY = /^(?:"((?:[^"]|"")+)"|([A-Za-z0-9_.*-]+))[ \t]*=[ \t]*(.*)$/

const MAX_INCLUDES = 10

/** Whether the text looks like PgBouncer's notation rather than YAML. */
export function isIni(text: string): boolean {
  const first = text.split('\n').find((line) => /^\s*[^\s;#]/.test(line)) ?? ''
  return SECTION.test(first.trim()) || INCLUDE.test(first.trim()) || /^\s*;/m.test(text)
}

/** `file` is shown in places; the files it includes are read, relative to the working directory as PgBouncer has it. */
export function readIni(text: string, file: string): IniContent {
  const reader = new IniReader()
  reader.read(text, file, 0)
  return reader
}

class IniReader implements IniContent {
  readonly entries: IniEntry[] = []
  readonly faults: string[] = []
  #section: string | undefined

  read(text: string, file: string, depth: number): void {
    text.split('\n').forEach((raw, index) => {
      const line = raw.trim()
      if (line !== '' && !/^[;#]/.test(line)) this.#readLine(line, `${file}:${index + 1}`, depth)
    })
  }

  #readLine(line: string, place: string, depth: number): void {
    const [, section] = SECTION.exec(line) ?? []
    const [, included] = INCLUDE.exec(line) ?? []
    const entry = ENTRY.exec(line)
    if (section !== undefined) this.#section = section
    else if (included !== undefined) this.#include(included, place, depth + 1)
    else if (entry === null) this.faults.push(`${place}: neither [section] nor key = value`)
    else if (this.#section === undefined) this.faults.push(`${place}: a value without section`)
    else {
      const [, quoted, plain = '', value = ''] = entry
      const key = quoted?.replaceAll('""', '"') ?? plain
      this.entries.push({ section: this.#section, key, value, place })
    }
  }

  #include(file: string, place: string, depth: number): void {
    if (depth > MAX_INCLUDES) {
      this.faults.push(`${place}: files include each other`)
      return
    }
    try {
      this.read(readFileSync(resolve(file), 'utf8'), file, depth)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      this.faults.push(`${place}: cannot read the included file: ${reason}`)
    }
  }
}
