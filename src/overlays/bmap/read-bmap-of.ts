import { printablePath } from '../../bytes/escape.js'
import type { Stretches } from '../../bytes/stretch-list.js'
import { UmlcowError } from '../../errors.js'
import { isPlain } from '../../images/image-formats.js'
import type { HostFiles, HostPath } from '../../machine/host-files.js'
import type { ProbedFile } from '../open.js'
import { verifyByBmap } from './mapped-data.js'
import { readBmap } from './read-bmap.js'

/**
 * Read the bmap file of an open raw image, and check all its digests.
 *
 * @param target  the output; null for a pipe
 * @returns       what the image stores. The rest counts as zeros
 * @throws        UmlcowError USAGE for an image of another format, BAD_BMAP, BMAP_MISMATCH, SAME_FILE, INTERRUPTED
 */
export async function readBmapOf(
  files: HostFiles,
  path: HostPath,
  image: ProbedFile,
  target: HostPath | null,
  signal: AbortSignal | undefined,
): Promise<Stretches> {
  const bmap = await readBmap(files, path, target)
  if (!isPlain(image.format)) {
    throw new UmlcowError(
      'USAGE',
      `${printablePath(image.path)}: is ${image.format}, and a bmap file is about a raw image`,
    )
  }
  return verifyByBmap(image.store, bmap, signal)
}
