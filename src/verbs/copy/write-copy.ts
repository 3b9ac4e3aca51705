import { type Copier, copiersFor } from '../../engine/choose-copier.js'
import { type DataMap, knownStretches } from '../../engine/data-map.js'
import { planFileCopy } from '../../engine/plan-file-copy.js'
import { hasCode, UmlcowError } from '../../errors.js'
import { imageStore } from '../../images/image-store.js'
import { openRawImage } from '../../images/raw-image.js'
import { copyByHost } from '../../machine/copying/base-copy.js'
import { firstCopier } from '../../machine/copying/first-copier.js'
import { withDataMap } from '../../machine/copying/with-data-map.js'
import { executeLocally } from '../../machine/execute-locally.js'
import type { HostFiles } from '../../machine/host-files.js'
import type { MtimePrecision } from '../../machine/preserve-mtime.js'
import type { FileStore } from '../../machine/stores/file-store.js'
import { writeNewFile } from '../../machine/write-new-file.js'
import { mappedImage } from '../../overlays/bmap/mapped-image.js'
import { refuseChanged } from '../../overlays/refuse-changed.js'
import { type BlockStore, writeExact } from '../../stores/block-store.js'
import { preserveAttributes } from './attributes.js'
import type { CopyOptions } from './options.js'
import type { PreparedCopy } from './prepare.js'

export interface WrittenCopy {
  readonly copier: Copier
  readonly allocatedSize: number
  readonly mtime: MtimePrecision | null
}

/** Write a copy, which appears whole or not at all. @throws UmlcowError INPUT_CHANGED, COPIER_UNAVAILABLE */
export async function writeCopy(
  files: HostFiles,
  copy: PreparedCopy,
  options: CopyOptions,
  onPosition: ((position: number) => void) | undefined,
): Promise<WrittenCopy> {
  const { input, newFile, header } = copy
  const { noSync, signal, preserve } = options
  const permissions = input.facts.permissions & 0o777
  const written = { copier: 'read' as Copier, allocatedSize: 0, mtime: null as MtimePrecision | null }
  const setAttributes = async (store: FileStore) => {
    written.mtime = await preserveAttributes(files, store, input.facts)
  }
  const how = { permissions, noSync, signal, ...(preserve ? { setAttributes } : {}) }
  await writeNewFile(files, newFile, how, async (store) => {
    try {
      written.copier = await fill(files, copy, store, options, onPosition)
    } catch (error) {
      if (hasCode(error, 'SHORT_READ')) refuseChangedSource(files, copy, options)
      throw error
    }
    refuseChangedSource(files, copy, options)
    if (header !== null) await writeExact(store, 0, header)
    written.allocatedSize = files.statOpen(store).allocatedSize
  })
  onPosition?.(input.facts.size)
  return written
}

async function fill(
  files: HostFiles,
  copy: PreparedCopy,
  target: FileStore,
  options: CopyOptions,
  onPosition: ((position: number) => void) | undefined,
): Promise<Copier> {
  const { input, mapped } = copy
  const { signal, sparse = 'auto' } = options
  const { size, allocatedSize, kind } = input.facts
  const permissions = input.facts.permissions & 0o777
  const onStored =
    onPosition && ((stored: number) => onPosition(Math.min(size, (stored / Math.max(1, allocatedSize)) * size)))
  const read = async (data: DataMap, from: BlockStore = input.store) => {
    await target.truncate(size)
    const plan = planFileCopy(from, target, { size, data, keepHoles: sparse !== 'never' })
    await executeLocally(plan, { signal, onPosition })
  }
  if (mapped !== null) {
    // The blocks of the map may be smaller than those that the copy reads.
    const image = mappedImage(openRawImage(input.store), mapped)
    await read(knownStretches(mapped), imageStore(image, input.store.name))
    return 'read'
  }
  const outcome = await firstCopier(waysFor(input, options), async (way) => {
    if (way === 'reflink' || way === 'cp') {
      return copyByHost(files, way, input, target, { permissions, signal, onStored })
    }
    return withDataMap(files, way, kind === 'file' ? input : null, signal, (data) => read(data))
  })
  if (outcome.way !== null) return outcome.way
  refuseChangedSource(files, copy, options)
  if (outcome.failure !== null) throw outcome.failure
  throw new UmlcowError('COPIER_UNAVAILABLE', `${target.name}: cannot share the storage of ${input.store.name}`, {
    hint: 'leave --reflink=always out: umlcow then copies the data and keeps the holes',
  })
}

function refuseChangedSource(files: HostFiles, { input }: PreparedCopy, { force }: CopyOptions): void {
  if (!force?.includes('in-use')) refuseChanged(files, input, 'copy')
}

/** List the ways of copying to try. Those that keep stored zeros are for `auto` only. */
function waysFor({ facts }: PreparedCopy['input'], { sparse = 'auto', reflink = 'auto' }: CopyOptions): Copier[] {
  const isFile = facts.kind === 'file'
  if (reflink === 'always') return isFile ? ['reflink'] : []
  const ways = copiersFor({
    size: facts.size,
    allocatedSize: isFile ? facts.allocatedSize : null,
    overlaySize: 0,
    sparse,
  })
  return ways.filter((way) => (way !== 'reflink' || reflink === 'auto') && (way !== 'cp' || sparse === 'auto'))
}
