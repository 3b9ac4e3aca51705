import {
  isJournalDataRight,
  type JournalTag,
  parseFastCommitHead,
  parseJournalRevokes,
} from '../../../formats/ext/index.js'
import type { ExtFindings } from '../findings.js'
import type { ExtVolume } from '../volume.js'
import { type Journal, journalUnsupported, openJournal } from './open-journal.js'
import { type LogContents, scanLog } from './scan-log.js'
import { type LogBlock, walkLog } from './walk-log.js'

export interface Replay {
  /** By the block of the file system: the block within the journal that holds its data. */
  readonly places: ReadonlyMap<number, number>
  /** Blocks whose data has zeros in the journal in place of the magic number at its start. */
  readonly escaped: ReadonlySet<number>
  readonly transactionCount: number
}

/**
 * Find what a replay of the journal would write, as Linux and e2fsck do: how far the log is whole, what was revoked,
 * and the last data of each block. Nothing is written.
 *
 * @param volume    the file system before the replay; reports damage, which the replay may mend
 * @param findings  of the journal itself
 * @throws UmlcowError FS_UNSUPPORTED for an external journal, fast commits and unknown features; FS_DAMAGED
 */
export async function replayJournal(volume: ExtVolume, findings: ExtFindings): Promise<Replay> {
  const journal = await openJournal(volume)
  const [places, escaped] = [new Map<number, number>(), new Set<number>()]
  if (journal.superblock.start === 0) return { places, escaped, transactionCount: 0 }
  const contents = await scanLog(journal, findings)
  const { transactionCount } = contents
  await assertNoFastCommits(journal, transactionCount)
  const revokes = await findRevokes(journal, contents, findings)
  for await (const block of walkLog(journal, transactionCount)) {
    for (const [i, tag] of block.tags.entries()) {
      // A revoke stands for all transactions up to its own.
      if ((revokes.get(tag.block) ?? -1) >= block.index) continue
      const bytes = journal.superblock.checksumVersion > 1 ? journal.block(block.dataAt(i)) : null
      const damage = damageOf(tag, block, bytes instanceof Promise ? await bytes : bytes)
      if (damage !== null) {
        findings.damage('journal', damage)
        continue
      }
      places.set(tag.block, journal.place(block.dataAt(i)))
      if (tag.isEscaped) escaped.add(tag.block)
      else escaped.delete(tag.block)
    }
  }
  return { places, escaped, transactionCount }

  function damageOf(tag: JournalTag, { sequence }: LogBlock, bytes: Uint8Array | null): string | null {
    if (bytes !== null && !isJournalDataRight(journal.superblock, { tag, sequence, bytes })) {
      return `wrong checksum of block ${tag.block} in transaction ${sequence} of the journal`
    }
    const { blockCount } = volume.superblock
    return tag.block < blockCount ? null : `the journal has block ${tag.block}, and the file system ${blockCount}`
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
async function assertNoFastCommits({ superblock, block }: Journal, transactionCount: number): Promise<void> {
  const { hasFastCommits, endBlock, blockCount, sequence } = superblock
  // Linux leaves the first block after the log unused.
  const first = endBlock + 1
  if (!hasFastCommits || first >= blockCount) return
  if (parseFastCommitHead(await block(first)) !== (sequence + transactionCount) % 2 ** 32) return
  throw journalUnsupported('fast commits follow the journal of the file system (fast_commit)')
}
