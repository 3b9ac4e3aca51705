import { printablePath } from '../../bytes/escape.js'
import { UmlcowError } from '../../errors.js'
import {
  type ExtSuperblock,
  extStates,
  extSuperblockOffset,
  extSuperblockSize,
  isExtSuperblock,
  parseExtSuperblock,
} from '../../formats/ext/index.js'
import { openCowImage } from '../../images/cow-image.js'
import type { FileImage } from '../../overlays/open-image.js'
import type { Overlay } from '../../overlays/open-overlay.js'

/**
 * Say that the file system which the overlay shows was not unmounted: by its superblock alone, whatever its size.
 *
 * @returns  null when all is well, and when the image does not start with a file system that umlcow reads
 */
export async function fileSystemState(overlay: Overlay, backing: FileImage): Promise<string | null> {
  const superblock = await readSuperblock(overlay, backing)
  const state = superblock === null ? null : stateOf(superblock)
  return state === null ? null : `${printablePath(overlay.path)}: its file system ${state}`
}

async function readSuperblock(overlay: Overlay, backing: FileImage): Promise<ExtSuperblock | null> {
  if (overlay.header.virtualSize < extSuperblockOffset + extSuperblockSize) return null
  const bytes = new Uint8Array(extSuperblockSize)
  // The caller closes both files.
  await openCowImage(overlay.store, overlay.header, backing).read(extSuperblockOffset, bytes)
  if (!isExtSuperblock(bytes)) return null
  try {
    return parseExtSuperblock(bytes)
  } catch (error) {
    // The state in a damaged superblock may be wrong.
    if (error instanceof UmlcowError) return null
    throw error
  }
}

function stateOf(superblock: ExtSuperblock): string | null {
  const states = extStates(superblock)
  if (states.includes('needs-recovery')) {
    return 'was not unmounted: its journal must be replayed, as a guest does at the next mount'
  }
  if (states.includes('errors')) return 'has errors, as the kernel found: run "e2fsck" in a guest'
  if (states.includes('mounted')) return 'was not unmounted, and has no journal: run "e2fsck" in a guest'
  const hasOrphans = superblock.lastOrphan !== 0
  return hasOrphans ? 'has files that were deleted while they were open: the next mount removes them' : null
}
