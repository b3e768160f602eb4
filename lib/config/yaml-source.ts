import { dirname } from 'node:path'
import { type Document, isMap, isNode, LineCounter, parseDocument } from 'yaml'
import { type ConfigSource, dottedName, isObject, type KeyPath } from './config-source.ts'
import { UsageError } from './usage-error.ts'

/** Throws UsageError that names file and line of each fault in the notation. */
export function readYaml(text: string, file: string): ConfigSource {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const faults = document.errors.map(({ pos, message }) => {
    return `${file}:${lines.linePos(pos[0]).line}: ${message}`
  })
  if (faults.length > 0) throw new UsageError(faults.join('\n'))
  const content: unknown = document.toJS() ?? {}
  if (!isObject(content)) throw new UsageError(`${file}:1: the configuration must be a mapping`)
  return {
    content,
    directory: dirname(file),
    warnings: [],
    faults: [],
    where: (path) => `${file}:${lineOf(document, lines, path)}`,
    nameOf: dottedName,
  }
}

function lineOf(document: Document, lines: LineCounter, path: KeyPath): number {
  for (let length = path.length; length > 0; length--) {
    const parent: unknown = document.getIn(path.slice(0, length - 1), true)
    const name = path[length - 1]
    if (isMap(parent)) {
      const pair = parent.items.find(({ key }) => String(key) === name)
      if (isNode(pair?.key)) return lines.linePos(pair.key.range?.[0] ?? 0).line
    }
    const node: unknown = document.getIn(path.slice(0, length), true)
    if (isNode(node)) return lines.linePos(node.range?.[0] ?? 0).line
  }
  return 1
}
