import type { Extent } from '../../bytes/extents.js'
import { UmlcowError } from '../../errors.js'
import { type ExtOwner, extOwners, type OwnedRange, openExt } from '../../filesystems/ext/index.js'
import { findFileSystem } from '../../filesystems/find-file-system.js'
import { type FileSystemOptions, namingImage } from '../../overlays/open-file-system.js'
import type { FileImage } from '../../overlays/open-image.js'

/** An extent, with `owners` also what its bytes are for. */
export interface MapExtent extends Extent {
  readonly owner?: ExtOwner
}

/** What the bytes of an image are for. */
export interface ImageOwners {
  /** Tile the image, in order. Iterate once only. */
  readonly ranges: AsyncIterable<readonly OwnedRange[]>
  /** What a report should say about the file system. */
  readonly notes: readonly string[]
}

/**
 * Open the file system in an image, to find out what its bytes are for.
 *
 * @throws UmlcowError FS_UNKNOWN, FS_UNSUPPORTED, FS_DAMAGED, PARTITION_MISSING
 */
export async function ownersIn(
  image: FileImage,
  { partition, noReplay, force, signal }: FileSystemOptions,
): Promise<ImageOwners> {
  const damage = force?.includes('damage') ? 'report' : 'refuse'
  return namingImage(image.files[0]!.path, () =>
    withHint(async () => {
      const found = await findFileSystem(image, partition)
      const files = await openExt(found.image, { replay: !noReplay, damage })
      const start = found.partition?.start ?? 0
      const ranges = placed(extOwners(files, { signal }), start, start + files.image.virtualSize, image.virtualSize)
      return { ranges, notes: files.findings.map(({ message }) => message) }
    }),
  )
}

async function withHint<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (!(error instanceof UmlcowError) || error.code !== 'FS_UNKNOWN') throw error
    const { message, details, hint = 'without --owners, map shows the extents of any image' } = error
    throw new UmlcowError('FS_UNKNOWN', message, { details, hint, cause: error })
  }
}

/** Move ranges to where a partition is. What is before and behind it is outside. */
async function* placed(
  batches: AsyncIterable<readonly OwnedRange[]>,
  from: number,
  to: number,
  size: number,
): AsyncGenerator<readonly OwnedRange[]> {
  if (from > 0) yield [{ start: 0, end: from, owner: 'outside' }]
  for await (const batch of batches) {
    yield batch.map(({ start, end, owner }) => ({ start: from + start, end: from + end, owner }))
  }
  if (to < size) yield [{ start: to, end: size, owner: 'outside' }]
}

/** Split extents where the owner changes. */
export async function* splitOwners(
  extents: AsyncIterable<Extent>,
  owners: AsyncIterable<readonly OwnedRange[]>,
): AsyncGenerator<MapExtent> {
  const batches = owners[Symbol.asyncIterator]()
  let batch: readonly OwnedRange[] = []
  let index = 0
  try {
    for await (const extent of extents) {
      const end = extent.start + extent.length
      for (let at = extent.start; at < end; ) {
        for (; index < batch.length && batch[index]!.end <= at; index++) {}
        const range = batch[index]
        if (range === undefined) {
          const next = await batches.next()
          if (next.done) throw new Error('unreachable: bytes without an owner')
          batch = next.value
          index = 0
          continue
        }
        const stop = Math.min(end, range.end)
        yield { ...partOf(extent, at, stop), owner: range.owner }
        at = stop
      }
    }
  } finally {
    await batches.return?.()
  }
}

function partOf(extent: Extent, start: number, end: number): Extent {
  const offset = extent.offset === undefined ? {} : { offset: extent.offset + start - extent.start }
  return { ...extent, start, length: end - start, ...offset }
}
