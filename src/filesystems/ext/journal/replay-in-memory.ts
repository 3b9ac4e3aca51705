import { UmlcowError } from '../../../errors.js'
import { type ExtSuperblock, extCompatible, hasBit } from '../../../formats/ext/index.js'
import type { Image } from '../../../images/image.js'
import type { ExtJournal } from '../ext-file-system.js'
import { damagedExt, ExtFindings } from '../findings.js'
import { openVolume } from '../volume.js'
import { replayJournal } from './replay-journal.js'
import { openReplayedImage } from './replayed-image.js'

/** An image after the replay of its journal. */
export interface ReplayedFileSystem {
  readonly image: Image
  readonly journal: ExtJournal
}

/**
 * Replay the journal of a file system that was not unmounted. Memory follows the number of replayed blocks.
 *
 * @returns  null when the journal is damaged, and damage is reported
 * @throws   UmlcowError FS_UNSUPPORTED, FS_DAMAGED
 */
export async function replayInMemory(
  image: Image,
  superblock: ExtSuperblock,
  findings: ExtFindings,
): Promise<ReplayedFileSystem | null> {
  try {
    if (!hasBit(superblock.compatible, extCompatible.hasJournal)) throw damagedExt('it needs a journal, and has none')
    // What is wrong before the replay may be right after it.
    const volume = openVolume(image, superblock, new ExtFindings('report'))
    const { places, escaped, transactionCount } = await replayJournal(volume, findings)
    const numbers = Float64Array.from(places.keys()).sort()
    const { blockSize } = superblock
    const message = `the journal was replayed in memory: ${numbers.length} blocks of ${transactionCount} transactions`
    findings.add({ kind: 'replayed', message })
    return {
      image: openReplayedImage(image, { blockSize, numbers, places, escaped }),
      journal: { state: 'replayed', transactionCount, blocks: numbers },
    }
  } catch (error) {
    if (!(error instanceof UmlcowError) || error.code !== 'FS_DAMAGED') throw error
    findings.passOver('journal', error)
    return null
  }
}
