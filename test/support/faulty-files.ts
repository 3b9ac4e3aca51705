import { UmlcowError } from '../../src/errors.js'
import type { HostFiles } from '../../src/machine/host-files.js'
import { hookedFiles } from './hooked-files.js'

/** A host on which the call number `failAt` fails; calls of files and of open stores count alike, closing does not. */
export interface FaultyFiles {
  readonly files: HostFiles
  /** Calls so far. */
  calls(): number
  /** Stores that are open now. */
  openStores(): number
}

/** Calls that must work for a mess to be cleaned up: a disk that fails once does not fail for ever. */
export function faultyFiles(real: HostFiles, failAt: number, code = 'EIO'): FaultyFiles {
  let calls = 0
  let open = 0
  const counted: HostFiles = {
    ...real,
    async open(path, access, options) {
      const store = await real.open(path, access, options)
      let closed = false
      open++
      const close = store.close.bind(store)
      store.close = async () => {
        if (!closed) open--
        closed = true
        return close()
      }
      return store
    },
  }
  const files = hookedFiles((call) => {
    if (call.startsWith('close ')) return
    if (calls++ === failAt) throw new UmlcowError(code, `${call}: made to fail`)
  }, counted)
  return { files, calls: () => calls, openStores: () => open }
}
