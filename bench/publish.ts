import type { BenchResult } from './result-file.ts'
export function publish(_result: BenchResult): string[] {
  return []
}
