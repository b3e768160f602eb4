import type { BackendConnection } from '../backend/backend-connection.ts'

/**
 * Waits for work on one connection that can't stop by itself: when the signal is aborted, the server is asked to cancel
 * what it is doing. Settles when no cancel is under way any more; throws the signal's reason if it made the work fail.
 */
export async function interruptible<T>(
  connection: BackendConnection,
  signal: AbortSignal,
  work: Promise<T>,
): Promise<T> {
  let cancel: Promise<void> | undefined
  const onAbort = (): void => {
    cancel = connection.cancel().catch(() => undefined)
  }
  if (signal.aborted) onAbort()
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await work
  } catch (error) {
    throw signal.aborted ? signal.reason : error
  } finally {
    signal.removeEventListener('abort', onAbort)
    await cancel
  }
}
