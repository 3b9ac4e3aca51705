import { transferBuffer } from '../../bytes/aligned-buffer.js'
import { type Stretches, StretchList } from '../../bytes/stretch-list.js'
import { forEachDataStretch } from '../../bytes/zeros.js'
import { type DataMap, knownStretches } from '../../engine/data-map.js'
import { isSyncStore, readPadded, readPaddedNow } from '../../stores/block-store.js'
import { Sha256 } from '../digests/sha256.js'
import type { HostFiles } from '../host-files.js'
import { createCopyPace } from './pace.js'
import { type NamedSource, withDataMap } from './with-data-map.js'

/** What a copy of a file needs to know before it starts. */
export interface FileSurvey {
  /** What the copy has to store. The rest reads as zeros. */
  readonly stretches: Stretches
  /** Bytes in all stretches. */
  readonly storedSize: number
  /** Digest of the whole file, with zeros for its holes, in hexadecimal digits. */
  readonly sha256: string
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
 * Find the data of a file and compute its digest.
 *
 * Where the host cannot list what it stores, or lists more than fits into the memory, the data is all blocks that are
 * not zeros.
 */
export async function surveyFile(
  files: HostFiles,
  source: NamedSource,
  options: FileSurveyOptions,
): Promise<FileSurvey> {
  const survey = new Survey(source, options)
  const { signal, sparse } = options
  const isRegular = source.facts.kind === 'file'
  const exact = isRegular && sparse !== 'always' ? await files.extents(source.store, signal, 0) : null
  if (exact !== null) await survey.run(knownStretches(exact), true)
  else {
    const run = (data: DataMap) => survey.run(data, false)
    const ways = isRegular ? (['extents', 'read'] as const) : (['read'] as const)
    for (const way of ways) if (await withDataMap(files, way, isRegular ? source : null, signal, run)) break
  }
  return survey.result()
}

class Survey {
  private readonly list = new StretchList(maxStretches)
  private readonly digest = new Sha256()
  private readonly source: NamedSource
  private readonly pace: ReturnType<typeof createCopyPace>
  private readonly room = transferBuffer(windowSize)
  /** Bytes in the digest. */
  private at = 0

  constructor(source: NamedSource, { signal, onPosition }: FileSurveyOptions) {
    this.source = source
    this.pace = createCopyPace(signal, onPosition)
  }

  /** @param keepsZeros  zeros in the stretches of the map are stored, too */
  async run(map: DataMap, keepsZeros: boolean): Promise<void> {
    const { size } = this.source.store
    while (this.at < size) {
      for (const step of map.find(this.at)) {
        if (isSyncStore(step.store)) readPaddedNow(step.store, step.offset, step.bytes)
        else await readPadded(step.store, step.offset, step.bytes)
        await this.pace.rest(this.at)
      }
      await this.addZeros(Math.min(Math.max(map.start, this.at), size))
      await this.addData(Math.min(map.end, size), keepsZeros)
    }
  }

  result(): FileSurvey {
    return { stretches: this.list.stretches(), storedSize: this.list.total, sha256: this.digest.hex() }
  }

  private async addZeros(end: number): Promise<void> {
    while (this.at < end) {
      this.at += this.digest.addZeros(end - this.at)
      await this.pace.rest(this.at)
    }
  }

  private async addData(end: number, keepsZeros: boolean): Promise<void> {
    while (this.at < end) {
      const { at } = this
      // Windows end on their own multiples, so that blocks of zeros stay aligned.
      const length = Math.min(end - at, windowSize - (at % windowSize))
      const bytes = this.room.subarray(0, length)
      readPaddedNow(this.source.store, at, bytes)
      this.digest.update(bytes)
      if (keepsZeros) this.list.cover(at, at + length)
      else forEachDataStretch(bytes, length, (from, to) => this.list.cover(at + from, at + to))
      this.at += length
      await this.pace.rest(this.at)
    }
  }
}
