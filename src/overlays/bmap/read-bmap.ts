import { printablePath } from '../../bytes/escape.js'
import { allocateUnsafe, latin1Bytes } from '../../bytes/fast.js'
import { UmlcowError } from '../../errors.js'
import { type Bmap, digestLength, largestBmap, parseBmap } from '../../formats/bmap/index.js'
import { Sha256 } from '../../machine/digests/sha256.js'
import type { HostFiles, HostPath } from '../../machine/host-files.js'
import { readExactNow } from '../../stores/block-store.js'
import { refuseSameFile, targetFacts } from '../guard-target.js'
import { openInput } from '../open.js'

/** A block map and the name of its file. */
export interface NamedBmap extends Bmap {
  /** For messages. */
  readonly name: string
}

/**
 * Read a bmap file, and check its own digest.
 *
 * @param target  the output, which must be another file; null for a pipe
 * @throws        UmlcowError BAD_BMAP, NOT_A_FILE, SAME_FILE, or the system's code
 */
export async function readBmap(files: HostFiles, path: HostPath, target: HostPath | null): Promise<NamedBmap> {
  const name = printablePath(path)
  const { store, facts } = await openInput(files, path)
  try {
    if (target !== null) refuseSameFile(await targetFacts(files, target), printablePath(target), facts, path)
    if (store.size > largestBmap) throw new UmlcowError('BAD_BMAP', `${name}: is larger than ${largestBmap} bytes`)
    const bytes = allocateUnsafe(store.size)
    readExactNow(store, 0, bytes)
    const { bmap, fileDigest, fileDigestOffset } = parseBmap(bytes, name)
    bytes.set(latin1Bytes('0'.repeat(digestLength)), fileDigestOffset)
    const digest = new Sha256()
    digest.update(bytes)
    if (digest.hex() !== fileDigest)
      throw new UmlcowError('BAD_BMAP', `${name}: does not have its own BmapFileChecksum`)
    return { ...bmap, name }
  } finally {
    await store.close()
  }
}
