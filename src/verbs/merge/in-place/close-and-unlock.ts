import type { HostLock } from '../../../machine/processes/process-lock.js'

interface Closeable {
  close(): Promise<void>
}

/**
 * Close files, then release locks. A file that fails to close keeps back neither the other files nor the locks: a lock
 * that stays would block every later merge of this process.
 *
 * @throws the first failure, after everything else is done
 */
export async function closeAndUnlock(stores: readonly Closeable[], locks: readonly HostLock[]): Promise<void> {
  const closed = await Promise.allSettled(stores.map((store) => store.close()))
  for (const lock of locks) await lock.release()
  for (const one of closed) if (one.status === 'rejected') throw one.reason
}
