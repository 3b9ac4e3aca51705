import { isSame, planCompareRuns } from '../../engine/compare-runs.js'
import { executeSteps } from '../../engine/execute.js'
import { hasCode, UmlcowError } from '../../errors.js'
import type { HostFiles } from '../../host/host-files.js'
import { directReader } from '../../stores/direct-store.js'
import type { FileStore } from '../../stores/file-store.js'
import { executeOptions, type InPlaceWork, inputsOf } from './work.js'

/**
 * Read back what the merge wrote into the backing file and compare it with the overlay.
 *
 * @returns where it was read from: the disk, or the page cache where the file system has no direct reads
 * @throws  UmlcowError VERIFY_FAILED
 */
export async function compareWritten(work: InPlaceWork): Promise<'disk' | 'cache'> {
  const { files, backing } = work
  const direct = await openDirect(files, backing)
  try {
    await compare(work, direct ?? backing.store)
    return direct === null ? 'cache' : 'disk'
  } finally {
    await direct?.close()
  }
}

async function compare(work: InPlaceWork, backing: FileStore): Promise<void> {
  const plan = planCompareRuns({ ...inputsOf(work), backing }, ({ overlay, backing: written, length, start }) => {
    if (isSame(overlay, written, 0, length)) return true
    throw new UmlcowError(
      'VERIFY_FAILED',
      `${backing.name}: what was written does not read back, in ${length} bytes at offset ${start}`,
      { details: { offset: start, length } },
    )
  })
  await executeSteps(plan, executeOptions(work))
}

/** Null where direct reads are refused, at opening or at the first read. */
async function openDirect(files: HostFiles, { path, store }: InPlaceWork['backing']): Promise<FileStore | null> {
  let file: FileStore
  try {
    file = await files.open(path, 'read', { direct: true, size: store.size })
  } catch (error) {
    if (hasCode(error, 'EINVAL', 'EOPNOTSUPP')) return null
    throw error
  }
  const reader = directReader(file)
  try {
    reader.readNow(0, Buffer.alloc(1))
    return reader
  } catch (error) {
    await file.close()
    if (hasCode(error, 'EINVAL', 'EOPNOTSUPP')) return null
    throw error
  }
}
