import { assertBytes } from '../bytes/assert-bytes.js'
import { checkRange, type SyncBlockStore } from './block-store.js'
import { disposable } from './disposable.js'
import { OpenState } from './open-state.js'

/** Open a store in memory, which grows on writes. `bytes` copies what it holds, even after `close`. */
export function openMemoryStore(
  initial: Uint8Array = new Uint8Array(0),
  name = 'memory',
): SyncBlockStore & AsyncDisposable & { bytes(): Uint8Array } {
  assertBytes('initial', initial)
  let memory = Uint8Array.from(initial)
  let size = initial.length
  const state = new OpenState(name)

  function reserve(needed: number): void {
    if (needed <= memory.length) return
    const grown = new Uint8Array(Math.max(needed, memory.length * 2))
    grown.set(memory.subarray(0, size))
    memory = grown
  }
  function readNow(offset: number, target: Uint8Array): number {
    if (!state.isOpen) throw state.closed()
    checkRange(name, offset, target.length)
    const part = memory.subarray(Math.min(offset, size), Math.min(offset + target.length, size))
    target.set(part)
    return part.length
  }
  function writeNow(offset: number, source: Uint8Array): number {
    if (!state.isOpen) throw state.closed()
    checkRange(name, offset, source.length)
    reserve(offset + source.length)
    memory.set(source, offset)
    size = Math.max(size, offset + source.length)
    return source.length
  }
  function truncateNow(newSize: number): void {
    state.assertOpen()
    checkRange(name, 0, newSize)
    reserve(newSize)
    if (newSize < size) memory.fill(0, newSize, size)
    size = newSize
  }

  return disposable({
    name,
    get size() {
      return size
    },
    bytes: () => memory.slice(0, size),
    readNow,
    writeNow,
    read: async (offset, target) => readNow(offset, target),
    write: async (offset, source) => writeNow(offset, source),
    truncate: async (newSize) => truncateNow(newSize),
    sync: async () => state.assertOpen(),
    close: () => state.close(async () => {}),
  } satisfies SyncBlockStore & { bytes(): Uint8Array })
}
