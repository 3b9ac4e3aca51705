import { UmlcowError } from '../errors.js'
import { type BlockStore, checkRange } from './block-store.js'
import { disposable } from './disposable.js'
import { OpenState } from './open-state.js'

/**
 * Open a store over a `Blob`, or a `File` that a user chose in a browser. It reads only the bytes of each request.
 *
 * `write` and `truncate` throw UmlcowError OUT_OF_RANGE.
 *
 * @throws TypeError
 */
export function openBlobStore(blob: Blob, name = 'blob'): BlockStore & AsyncDisposable {
  // A string has no size, and would count as an empty Blob.
  if (typeof blob?.arrayBuffer !== 'function') throw new TypeError(`blob: expected a Blob, got ${typeof blob}`)
  const state = new OpenState(name)
  const refuse = async (): Promise<never> => {
    state.assertOpen()
    throw new UmlcowError('OUT_OF_RANGE', `${name}: a Blob cannot be written`)
  }
  return disposable({
    name,
    size: blob.size,
    read: (offset, target) =>
      state.run(async () => {
        checkRange(name, offset, target.length)
        const part = new Uint8Array(await blob.slice(offset, offset + target.length).arrayBuffer())
        target.set(part)
        return part.length
      }),
    write: refuse,
    truncate: refuse,
    sync: async () => state.assertOpen(),
    close: () => state.close(async () => {}),
  })
}
