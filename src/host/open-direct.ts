import { alignedBuffer } from '../bytes/aligned-buffer.js'
import { zeroBlockSize } from '../bytes/zeros.js'
import { hasCode } from '../errors.js'
import type { FileStore } from '../stores/file-store.js'
import type { HostFiles, HostPath } from './host-files.js'

/** Open a file for reads past the page cache. Null where the file system has none, at opening or at the first read. */
export async function openDirect(files: HostFiles, path: HostPath, size: number): Promise<FileStore | null> {
  let file: FileStore
  try {
    file = await files.open(path, 'read', { direct: true, size })
  } catch (error) {
    if (hasCode(error, 'EINVAL', 'EOPNOTSUPP')) return null
    throw error
  }
  try {
    file.readNow(0, alignedBuffer(zeroBlockSize))
    return file
  } catch (error) {
    await file.close()
    if (hasCode(error, 'EINVAL', 'EOPNOTSUPP')) return null
    throw error
  }
}
