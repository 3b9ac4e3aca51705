import { isJournalDataRight, parseFastCommitHead, parseJournalRevokes } from '../../../formats/ext/index.js'
import type { ExtFindings } from '../findings.js'
import type { ExtVolume } from '../volume.js'
import { type Journal, journalUnsupported, openJournal } from './open-journal.js'
import { type LogContents, scanLog } from './scan-log.js'
import { type LogBlock, walkLog } from './walk-log.js'

/** Where the data of a replayed block is. */
export interface ReplayedBlock {
  /** Block of the file system, within the journal. */
  readonly place: number
  /** The journal has zeros in the place of the magic number at its start. */
  readonly isEscaped: boolean
}

export interface Replay {
  /** By the block of the file system that the data belongs to. */
  readonly blocks: ReadonlyMap<number, ReplayedBlock>
  readonly transactionCount: number
}

/**
 * Find what a replay of the journal would write, as Linux and e2fsck do: how far the log is whole, what was revoked, and
 * the last data of each block. Nothing is written.
 *
 * @param volume    the file system before the replay; reports damage, which the replay may mend
 * @param findings  of the journal itself
 * @throws UmlcowError FS_UNSUPPORTED for an external journal, fast commits and unknown features; FS_DAMAGED
 */
export async function replayJournal(volume: ExtVolume, findings: ExtFindings): Promise<Replay> {
  const journal = await openJournal(volume)
  if (journal.superblock.start === 0) return { blocks: new Map(), transactionCount: 0 }
  const contents = await scanLog(journal, findings)
  await assertNoFastCommits(journal, contents)
  const revokes = await findRevokes(journal, contents, findings)
  const blocks = new Map<number, ReplayedBlock>()
  for await (const block of walkLog(journal, contents.transactionCount)) {
    if (block.kind === 'descriptor') await replayDescriptor(block)
  }
  return { blocks, transactionCount: contents.transactionCount }

  async function replayDescriptor({ index, sequence, tags, dataAt }: LogBlock): Promise<void> {
    for (const [i, tag] of tags.entries()) {
      // A revoke stands for all transactions up to its own.
      if ((revokes.get(tag.block) ?? -1) >= index) continue
      if (journal.superblock.checksumVersion > 1) {
        const bytes = await journal.block(dataAt(i))
        if (!isJournalDataRight(journal.superblock, { tag, sequence, bytes })) {
          findings.damage('journal', `wrong checksum of block ${tag.block} in transaction ${sequence} of the journal`)
          continue
        }
      }
      if (tag.block >= volume.superblock.blockCount) {
        findings.damage('journal', `the journal has block ${tag.block}, the file system ends before it`)
        continue
      }
      blocks.set(tag.block, { place: journal.place(dataAt(i)), isEscaped: tag.isEscaped })
    }
  }
}

/** Find the last transaction that revokes each block. Revokes of blocks that the log does not hold mean nothing. */
async function findRevokes(
  journal: Journal,
  { transactionCount, targets }: LogContents,
  findings: ExtFindings,
): Promise<Map<number, number>> {
  const revokes = new Map<number, number>()
  for await (const { kind, bytes, index, sequence } of walkLog(journal, transactionCount)) {
    if (kind !== 'revokes') continue
    const blocks = parseJournalRevokes(journal.superblock, bytes)
    if (blocks === null) findings.damage('journal', `the revokes of transaction ${sequence} of the journal are damaged`)
    for (const block of blocks ?? []) if (targets.has(block)) revokes.set(block, index)
  }
  return revokes
}

/** @throws UmlcowError FS_UNSUPPORTED when fast commits continue the last transaction */
async function assertNoFastCommits({ superblock, block }: Journal, { transactionCount }: LogContents): Promise<void> {
  const { hasFastCommits, endBlock, blockCount, sequence } = superblock
  // Linux leaves the first block after the log unused.
  const first = endBlock + 1
  if (!hasFastCommits || first >= blockCount) return
  if (parseFastCommitHead(await block(first)) !== (sequence + transactionCount) % 2 ** 32) return
  throw journalUnsupported('the journal of the file system ends in fast commits (fast_commit)')
}
