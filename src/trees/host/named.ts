import { printablePath } from '../../bytes/escape.js'
import type { HostPath } from '../../machine/host-files.js'
import { fileError } from '../../machine/stores/file-store.js'

/** Run a call of the host, and add the name of the file to its errors. */
export function named<T>(path: HostPath, action: string, run: () => T): T {
  try {
    return run()
  } catch (error) {
    throw fileError(printablePath(path), action, error)
  }
}
