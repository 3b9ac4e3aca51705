import { allocate } from '../../../bytes/fast.js'
import { type BlockStore, readExact } from '../../../stores/block-store.js'

// Entry of the bitmap directory:
//
// offset size field        meaning
//      0    8 tableOffset  where the bitmap table starts
//      8    4 tableSize    its entries
//     12    4 flags
//     16    1 type
//     17    1 granularity
//     18    2 nameLength   bytes
//     20    4 extraLength  bytes
//     24      extra data, name, padding to a multiple of 8
const bitmapFixedSize = 24

/** A table of a bitmap of QEMU. */
export interface BitmapTable {
  readonly offset: number
  /** Its entries. */
  readonly count: number
}

/** List the tables in the bitmap directory. There are fewer than `count` when the directory ends too early. */
export async function* listBitmapTables(
  store: BlockStore,
  { start, end, count }: { readonly start: number; readonly end: number; readonly count: number },
): AsyncGenerator<BitmapTable> {
  const fixed = allocate(bitmapFixedSize)
  const view = new DataView(fixed.buffer, fixed.byteOffset, bitmapFixedSize)
  let at = start
  for (let i = 0; i < count && at + bitmapFixedSize <= end; i++) {
    await readExact(store, at, fixed)
    const length = bitmapFixedSize + view.getUint32(20, false) + view.getUint16(18, false)
    yield { offset: view.getUint32(0, false) * 2 ** 32 + view.getUint32(4, false), count: view.getUint32(8, false) }
    at += Math.ceil(length / 8) * 8
  }
}
