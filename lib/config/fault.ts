import type { ConfigSource, KeyPath } from './config-source.ts'
import { UsageError } from './usage-error.ts'

/** `path` is that of the key; where it is missing, the source shows what is around it. */
export type Fault = { readonly path: KeyPath; readonly reason: string }

/** All of them at once, with those of the source, each as `file:line: key: reason`, in the order of the places. */
export function faultsError(faults: readonly Fault[], source: ConfigSource): UsageError {
  const lines = faults.map(({ path, reason }) => {
    const place = source.where(path)
    return `${place === '' ? '' : `${place}: `}${source.nameOf(path)}: ${reason}`
  })
  return new UsageError([...new Set([...source.faults, ...lines])].sort(byPlace).join('\n'))
}

const PLACE = /^(.*?):(\d+): /

function byPlace(a: string, b: string): number {
  const [, fileA = '', lineA = ''] = PLACE.exec(a) ?? []
  const [, fileB = '', lineB = ''] = PLACE.exec(b) ?? []
  return fileA === fileB ? Number(lineA) - Number(lineB) : 0
}
