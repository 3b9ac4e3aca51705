import fs from 'node:fs'
import { alignedBuffer } from '../../bytes/aligned-buffer.js'
import { zeroBlockSize } from '../../bytes/zeros.js'
import { hasCode } from '../../errors.js'
import { type HostFiles, type HostPath, isSameFile } from '../host-files.js'
import type { FileStore } from './file-store.js'

/**
 * Open a file again, for reads past the page cache.
 *
 * @param opened  the file, opened by that name before
 * @returns       null where the file system has no such reads, which an open or the first read shows, and where the
 *                name no longer leads to the file
 */
export async function openDirect(files: HostFiles, path: HostPath, opened: FileStore): Promise<FileStore | null> {
  if (fs.constants.O_DIRECT === undefined) return null
  let file: FileStore
  try {
    file = await files.open(path, 'read', { direct: true, size: opened.size })
  } catch (error) {
    if (hasCode(error, 'EINVAL', 'EOPNOTSUPP', 'ENOENT', 'ENOTDIR')) return null
    throw error
  }
  try {
    if (!isSameFile(files.statOpen(file), files.statOpen(opened))) {
      await file.close()
      return null
    }
    file.readNow(0, alignedBuffer(zeroBlockSize))
    return file
  } catch (error) {
    await file.close()
    if (hasCode(error, 'EINVAL', 'EOPNOTSUPP')) return null
    throw error
  }
}
