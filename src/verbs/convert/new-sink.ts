import { ceilTo } from '../../bytes/align.js'
import { allocate } from '../../bytes/fast.js'
import { createCowSink } from '../../images/cow-sink.js'
import type { ImageFormat } from '../../images/image-formats.js'
import type { ImageSink } from '../../images/new-image.js'
import { createQcow2Sink } from '../../images/qcow2/qcow2-sink.js'
import { createRawSink } from '../../images/raw-sink.js'
import { packCluster } from '../../machine/pack-cluster.js'
import type { BlockStore } from '../../stores/block-store.js'

/** What to store in a new image besides its bytes. */
export interface NewImage {
  readonly format: ImageFormat
  readonly virtualSize: number
  /** Of a qcow2 image, bytes. */
  readonly clusterSize?: number | undefined
  /** Of a COW file, bytes; default 512. */
  readonly sectorSize?: number | undefined
  /** Compress the clusters of a qcow2 image. */
  readonly compress?: boolean | undefined
  /** Null: it stands alone. */
  readonly backing: {
    /** As the header stores it. */
    readonly path: Buffer
    readonly format: ImageFormat
    /** Of a COW file: seconds since 1970. */
    readonly mtime: number
  } | null
}

/** The values that the kernel and uml_mkcow write. The alignment is the page size of their hosts. */
const newOverlay = { sectorSize: 512, alignment: 4096 }

/** A qcow2 image has whole sectors only. QEMU rounds up, too. */
const qcow2Sector = 512

/** Add zeros to the last bytes of an image, up to a whole sector. */
function withWholeEnd(sink: ImageSink, end: number, wholeEnd: number): ImageSink {
  return {
    unit: sink.unit,
    write(offset, data) {
      if (offset + data.length !== end) return sink.write(offset, data)
      const padded = allocate(wholeEnd - offset)
      padded.set(data)
      return sink.write(offset, padded)
    },
    zero: (offset, length) => sink.zero(offset, offset + length === end ? wholeEnd - offset : length),
    finish: () => sink.finish(),
  }
}

/** Make the sink of a new image in an empty store. */
export function newSink(store: BlockStore, { format, virtualSize, backing, ...more }: NewImage): ImageSink {
  if (format === 'raw') return createRawSink(store, virtualSize)
  if (format === 'qcow2') {
    const { clusterSize, compress } = more
    const wholeSize = ceilTo(virtualSize, qcow2Sector)
    const sink = createQcow2Sink(store, {
      virtualSize: wholeSize,
      clusterSize,
      compress: compress ? packCluster : undefined,
      backing: backing ?? undefined,
    })
    return wholeSize === virtualSize ? sink : withWholeEnd(sink, virtualSize, wholeSize)
  }
  if (backing === null) throw new Error('unreachable: a COW file has a backing file')
  const { sectorSize = newOverlay.sectorSize } = more
  const { mtime, path: backingPath } = backing
  return createCowSink(store, { ...newOverlay, sectorSize, virtualSize, mtime, backingPath })
}
