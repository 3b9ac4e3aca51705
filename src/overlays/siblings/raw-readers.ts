import { printablePath } from '../../bytes/escape.js'
import { hasCode, UmlcowError } from '../../errors.js'
import type { Finding } from '../../machine/findings.js'
import type { HostFiles } from '../../machine/host-files.js'
import { isSameFile } from '../../machine/host-files.js'
import { layerOf, lookInto, type ProbedFile } from '../open.js'
import { resolveBackingPath } from '../resolve-backing.js'
import { directoriesOf, type FoundFile, walkFiles } from './walk-files.js'

/**
 * Find the qcow2 images beside an image that read its file as plain data: they record the format `raw` for it. QEMU has
 * no driver for COW files, so an image that records no format reads one as plain data, too.
 *
 * It skips files that it cannot read.
 *
 * @param hint  what the user can do instead
 */
export async function findRawReaders(
  files: HostFiles,
  image: ProbedFile,
  hint: string,
  signal?: AbortSignal,
): Promise<Finding[]> {
  const readers: Buffer[] = []
  const onFile = async (found: FoundFile) => {
    if (!isSameFile(found.facts, image.facts) && (await readsRaw(files, found, image))) readers.push(found.realPath)
  }
  const directories = await directoriesOf(files, image.path)
  await walkFiles({ files, signal, onFile, onUnknown: () => {} }, directories, [])
  return readers.sort(Buffer.compare).map((path) => ({
    code: 'OVERLAY_NEEDED',
    message:
      `${printablePath(image.path)}: is the backing file of ${printablePath(path)}, which reads it as plain data and ` +
      'would no longer show what it shows now',
    force: 'siblings',
    hint,
  }))
}

async function readsRaw(files: HostFiles, found: FoundFile, image: ProbedFile): Promise<boolean> {
  try {
    return await lookInto(files, found.path, async (file) => {
      const { below, qcow2 } = layerOf(file)
      if (qcow2 === null || below === null) return false
      if (below.format !== 'raw' && (below.format !== null || image.format !== 'cow')) return false
      for (const name of [found.path, found.realPath]) {
        const backing = await resolveBackingPath(files, name, below.path, { relativeTo: 'besideOverlay' })
        if (backing !== null && isSameFile(backing.facts, image.facts)) return true
      }
      return false
    })
  } catch (error) {
    if (!(error instanceof UmlcowError) || hasCode(error, 'INTERRUPTED', 'EMFILE', 'ENFILE')) throw error
    return false // Unreadable, or damaged.
  }
}
