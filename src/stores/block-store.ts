import { UmlcowError } from '../errors.js'

/** Host bytes, addressed by offset. They may be in a file, in memory or behind a pipe. */
export interface BlockStore {
  /** For messages: the path as the user knows it, escaped. */
  readonly name: string
  /** Bytes from offset 0 to the end. */
  readonly size: number
  /** Read at most `target.length` bytes, or fewer. @returns how many; 0 at the end */
  read(offset: number, target: Uint8Array): Promise<number>
  /** Write at most `source.length` bytes, and grow the store as needed. @returns how many */
  write(offset: number, source: Uint8Array): Promise<number>
  truncate(size: number): Promise<void>
  sync(): Promise<void>
  close(): Promise<void>
  /**
   * A store of the same bytes, where this store has one, whose reads cost next to nothing in a hole. Offsets must be
   * multiples of 4096, and the memory must be aligned to 4096.
   */
  readonly pastCache?: BlockStore | undefined
}

/** A store that can also transfer at once, without the event loop: a local file. Measured: 1.5 to 8 times faster. */
export interface SyncBlockStore extends BlockStore {
  readNow(offset: number, target: Uint8Array): number
  writeNow(offset: number, source: Uint8Array): number
}

/** True when the store can transfer at once. */
export function isSyncStore(store: BlockStore): store is SyncBlockStore {
  return 'readNow' in store && 'writeNow' in store
}

/** Count the bytes that the store holds of `length` bytes at `offset`. `readPadded` fills the others with zeros. */
function storedLength(store: BlockStore, offset: number, length: number): number {
  return Math.max(0, Math.min(length, store.size - offset))
}

function shortRead(store: BlockStore, offset: number, expected: number, got: number): UmlcowError {
  return new UmlcowError('SHORT_READ', `${store.name}: expected ${expected} bytes at offset ${offset}, got ${got}`, {
    details: { offset, expected, got },
  })
}

/**
 * Fill `target` from the store.
 *
 * @throws UmlcowError SHORT_READ when the store ends too early
 */
export async function readExact(store: BlockStore, offset: number, target: Uint8Array): Promise<void> {
  let done = 0
  while (done < target.length) {
    const count = await store.read(offset + done, target.subarray(done))
    if (count === 0) throw shortRead(store, offset, target.length, done)
    done += count
  }
}

/** Fill `target` from the store, and with zeros beyond its end. */
export async function readPadded(store: BlockStore, offset: number, target: Uint8Array): Promise<void> {
  const stored = storedLength(store, offset, target.length)
  if (stored > 0) await readExact(store, offset, target.subarray(0, stored))
  if (stored < target.length) target.fill(0, stored)
}

function checkProgress(store: BlockStore, offset: number, count: number): number {
  if (count > 0) return count
  throw new UmlcowError('SHORT_WRITE', `${store.name}: takes no more bytes at offset ${offset}`, {
    details: { offset },
  })
}

/** Write all of `source`. @throws UmlcowError SHORT_WRITE when the store takes nothing */
export async function writeExact(store: BlockStore, offset: number, source: Uint8Array): Promise<void> {
  let done = 0
  while (done < source.length) {
    done += checkProgress(store, offset + done, await store.write(offset + done, source.subarray(done)))
  }
}

/** Do at once what `readExact` does. */
export function readExactNow(store: SyncBlockStore, offset: number, target: Uint8Array): void {
  for (let done = 0; done < target.length; ) {
    const count = store.readNow(offset + done, done === 0 ? target : target.subarray(done))
    if (count === 0) throw shortRead(store, offset, target.length, done)
    done += count
  }
}

/** Do at once what `readPadded` does. */
export function readPaddedNow(store: SyncBlockStore, offset: number, target: Uint8Array): void {
  const stored = storedLength(store, offset, target.length)
  let done = 0
  while (done < stored) {
    const count = store.readNow(
      offset + done,
      done === 0 && stored === target.length ? target : target.subarray(done, stored),
    )
    if (count === 0) throw shortRead(store, offset, stored, done)
    done += count
  }
  if (stored < target.length) target.fill(0, stored)
}

/** Do at once what `writeExact` does. */
export function writeExactNow(store: SyncBlockStore, offset: number, source: Uint8Array): void {
  let done = 0
  while (done < source.length) {
    const rest = done === 0 ? source : source.subarray(done)
    done += checkProgress(store, offset + done, store.writeNow(offset + done, rest))
  }
}

/** @throws UmlcowError OUT_OF_RANGE unless `offset` and `offset + length` are safe, non-negative integers */
export function checkRange(name: string, offset: number, length: number): void {
  const whole = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0
  if (whole && Number.isSafeInteger(offset + length)) return
  throw new UmlcowError('OUT_OF_RANGE', `${name}: no ${length} bytes at offset ${offset}`, {
    details: { offset, length },
  })
}
