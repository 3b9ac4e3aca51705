import { hasCode } from '../../errors.js'
import type { ExtFileSystem } from '../../filesystems/ext/index.js'
import type { ExtInode } from '../../formats/ext/index.js'

/** Read the target of a symbolic link; null when it is encrypted. */
export async function targetOf(files: ExtFileSystem, link: ExtInode): Promise<Uint8Array | null> {
  try {
    return await files.readLink(link)
  } catch (error) {
    if (hasCode(error, 'FS_UNSUPPORTED')) return null
    throw error
  }
}
