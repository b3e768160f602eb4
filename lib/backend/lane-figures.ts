const figures = { statements: 0, waitMs: 0, longestWaitMs: 0 }

/** Of all lanes of this process since its start; a wait is the time that a statement stood behind others. */
export function laneFigures(): Readonly<typeof figures> {
  return figures
}

export function noteLaneWait(waitMs: number): void {
  figures.statements++
  figures.waitMs += waitMs
  if (waitMs > figures.longestWaitMs) figures.longestWaitMs = waitMs
}
