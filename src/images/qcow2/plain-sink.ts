import type { ImageSink } from '../new-image.js'
import type { NewQcow2 } from './new-qcow2.js'

/** Store guest bytes in the clusters of a new image as they are. */
export function createPlainSink(image: NewQcow2, unit: number): ImageSink {
  const { out, space, tables } = image
  /** The guest cluster of the last bytes, and its offset in the file: more bytes of it may follow. */
  let lastCluster = -1
  let lastOffset = 0

  /** Add bytes that start in a new cluster. All their clusters are in one L2 table, and follow each other in the file. */
  function addRun(at: number, part: Uint8Array): void {
    const first = Math.floor(at / unit)
    const last = Math.floor((at + part.length - 1) / unit)
    image.openTable(first)
    const offset = space.allocate(last - first + 1)
    out.put(offset + (at % unit), part)
    for (let cluster = first; cluster <= last; cluster++) tables.setData(cluster, offset + (cluster - first) * unit)
    lastCluster = last
    lastOffset = offset + (last - first) * unit
  }

  return {
    unit,
    write(offset, data) {
      const end = offset + data.length
      for (let at = offset; at < end; ) {
        const cluster = Math.floor(at / unit)
        const isLast = cluster === lastCluster
        const runEnd = Math.min(end, (isLast ? cluster + 1 : tables.tableEnd(cluster)) * unit)
        const part = runEnd - at === data.length ? data : data.subarray(at - offset, runEnd - offset)
        if (isLast) out.put(lastOffset + (at % unit), part)
        else addRun(at, part)
        at = runEnd
      }
      return out.settle()
    },
    zero: (offset, length) => image.zero(offset, length),
    finish: () => image.finish(),
  }
}
