import { transferBuffer } from '../../bytes/aligned-buffer.js'
import { type Stretches, StretchList } from '../../bytes/stretch-list.js'
import { forEachDataStretch } from '../../bytes/zeros.js'
import type { DataMap } from '../../engine/data-map.js'
import { isSyncStore, readPadded, readPaddedNow } from '../../stores/block-store.js'
import type { HostFiles } from '../host-files.js'
import { createCopyPace } from './pace.js'
import { type NamedSource, withDataMap } from './with-data-map.js'

/** What a copy of a file needs to know before it starts. */
export interface FileSurvey {
  /** What the copy has to store. The rest reads as zeros. */
  readonly stretches: Stretches
  /** Bytes in all stretches. */
  readonly storedSize: number
}

export interface FileSurveyOptions {
  /**
   * `auto`, the default: the stretches that the host stores, where it can list them, with the zeros that are stored.
   * `always`: leave out every aligned block of zeros.
   */
  readonly sparse?: 'auto' | 'always' | undefined
  readonly signal?: AbortSignal | undefined
  readonly onPosition?: ((position: number) => void) | undefined
}

const windowSize = 256 * 1024
/** The most stretches of one file: 16 MiB of memory. Further gaps are stored. */
const maxStretches = 2 ** 20

/**
 * Find the data of a file.
 *
 * Where the host cannot list what it stores, or lists more than fits into the memory, the data is all blocks that are
 * not zeros.
 */
export async function surveyFile(
  files: HostFiles,
  source: NamedSource,
  options: FileSurveyOptions,
): Promise<FileSurvey> {
  const { signal, sparse } = options
  const isRegular = source.facts.kind === 'file'
  const exact = isRegular && sparse !== 'always' ? await files.extents(source.store, signal, 0) : null
  if (exact !== null) return surveyOf(exact)
  const list = new StretchList(maxStretches)
  const run = (data: DataMap) => findData(source, data, list, options)
  const ways = isRegular ? (['extents', 'read'] as const) : (['read'] as const)
  for (const way of ways) if (await withDataMap(files, way, isRegular ? source : null, signal, run)) break
  return { stretches: list.stretches(), storedSize: list.total }
}

/** Survey a file whose data is known. */
export function surveyOf(stretches: Stretches): FileSurvey {
  let storedSize = 0
  for (let i = 0; i < stretches.length; i += 2) storedSize += stretches[i + 1]! - stretches[i]!
  return { stretches, storedSize }
}

/** Find the blocks that are not zeros. */
async function findData(
  { store }: NamedSource,
  map: DataMap,
  list: StretchList,
  { signal, onPosition }: FileSurveyOptions,
): Promise<void> {
  const pace = createCopyPace(signal, onPosition)
  const room = transferBuffer(windowSize)
  for (let at = 0; at < store.size; ) {
    for (const step of map.find(at)) {
      if (isSyncStore(step.store)) readPaddedNow(step.store, step.offset, step.bytes)
      else await readPadded(step.store, step.offset, step.bytes)
      await pace.rest(at)
    }
    at = Math.max(at, map.start)
    for (const end = Math.min(map.end, store.size); at < end; ) {
      // Windows end on their own multiples, so that blocks of zeros stay aligned.
      const length = Math.min(end - at, windowSize - (at % windowSize))
      const start = at
      readPaddedNow(store, start, room.subarray(0, length))
      forEachDataStretch(room, length, (from, to) => list.cover(start + from, start + to))
      at += length
      await pace.rest(at)
    }
  }
}
