import { allocate } from '../../bytes/fast.js'
import { throwIfAborted, UmlcowError } from '../../errors.js'
import {
  parseSnapshot,
  type Qcow2Header,
  type Qcow2Snapshot,
  snapshotFixedSize,
  snapshotLength,
} from '../../formats/qcow2/index.js'
import { type BlockStore, readExact } from '../../stores/block-store.js'

/** The longest entry: names of 64 KiB, and some extra data. */
const longestEntry = 256 * 1024

/** A snapshot, and where its entry is in the file. */
export interface ListedSnapshot {
  readonly snapshot: Qcow2Snapshot
  readonly offset: number
  readonly length: number
}

/** List the internal snapshots of an image, one at a time. @throws UmlcowError QCOW2_DAMAGED */
export async function* listSnapshots(
  store: BlockStore,
  header: Pick<Qcow2Header, 'snapshotCount' | 'snapshotsOffset'>,
  signal?: AbortSignal,
): AsyncGenerator<ListedSnapshot> {
  let offset = header.snapshotsOffset
  for (let i = 0; i < header.snapshotCount; i++) {
    throwIfAborted(signal)
    if (offset + snapshotFixedSize > store.size) throw damaged(store, i)
    const fixed = allocate(snapshotFixedSize)
    await readExact(store, offset, fixed)
    const length = snapshotLength(fixed)
    // The padding of the last entry may lie behind the end of the file.
    const stored = Math.min(length, store.size - offset)
    if (length > longestEntry || stored < length - 7) throw damaged(store, i)
    const bytes = allocate(length)
    await readExact(store, offset, bytes.subarray(0, stored))
    yield { snapshot: parseSnapshot(bytes), offset, length }
    offset += length
  }
}

function damaged(store: BlockStore, index: number): UmlcowError {
  return new UmlcowError('QCOW2_DAMAGED', `${store.name}: entry ${index} of the snapshot table is not in the file`, {
    details: { index },
  })
}
