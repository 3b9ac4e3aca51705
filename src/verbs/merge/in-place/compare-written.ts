import { isSame, planCompareRuns } from '../../../engine/plan-compare.js'
import { UmlcowError } from '../../../errors.js'
import { executeLocally } from '../../../machine/execute-locally.js'
import { directReader } from '../../../machine/stores/direct-store.js'
import type { FileStore } from '../../../machine/stores/file-store.js'
import { openDirect } from '../../../machine/stores/open-direct.js'
import { executeOptions, type InPlaceWork, layersOf } from './work.js'

/**
 * Read back what the merge wrote into the backing file and compare it with the overlay.
 *
 * @returns where it read the sectors: the disk, or the page cache if the file system has no direct reads
 * @throws  UmlcowError VERIFY_FAILED
 */
export async function compareWritten(work: InPlaceWork): Promise<'disk' | 'cache'> {
  const { files, backing } = work
  const direct = await openDirect(files, backing.path, backing.store)
  try {
    await compare(work, direct === null ? backing.store : directReader(direct))
    return direct === null ? 'cache' : 'disk'
  } finally {
    await direct?.close()
  }
}

async function compare(work: InPlaceWork, backing: FileStore): Promise<void> {
  const plan = planCompareRuns({ ...layersOf(work), backing }, ({ overlay, backing: written, from, to, start }) => {
    if (isSame(overlay, written, from, to)) return true
    throw new UmlcowError(
      'VERIFY_FAILED',
      `${backing.name}: what was written does not read back, in ${to - from} bytes at offset ${start}`,
      { details: { offset: start, length: to - from } },
    )
  })
  await executeLocally(plan, executeOptions(work))
}
