import {
  crcStart,
  isJournalBlockRight,
  isJournalCommitRight,
  journalCommitTime,
  transactionChecksum,
} from '../../../formats/ext/index.js'
import type { ExtFindings } from '../findings.js'
import { type Journal, journalUnsupported } from './open-journal.js'
import { type LogBlock, walkLog } from './walk-log.js'

/** Blocks of the file system that a replay changes, at most: a journal of 2 GiB with blocks of 4 KiB. */
const maxTargets = 2 ** 19

/** What the transactions in a log change. */
export interface LogContents {
  /** Transactions that are whole. */
  readonly transactionCount: number
  /** Blocks of the file system that they hold. */
  readonly targets: ReadonlySet<number>
}

/** What is known of a transaction before its commit. */
interface OpenTransaction {
  blocks: number[]
  /** A checksum of a descriptor or of revokes is wrong. */
  isSuspicious: boolean
  /** Checksum of descriptors and data, version 1. */
  checksum: number
}

const emptyTransaction = (): OpenTransaction => ({ blocks: [], isSuspicious: false, checksum: crcStart })

/**
 * Find how many transactions of the log are whole.
 *
 * As in Linux: a commit with a wrong checksum is damage, unless it is older than the one before it. Then it is left
 * over from an earlier turn around the log, which ends here.
 *
 * @throws UmlcowError FS_DAMAGED when a transaction is damaged, unless damage is reported: then the log ends before it
 */
export async function scanLog(journal: Journal, findings: ExtFindings): Promise<LogContents> {
  const { superblock } = journal
  const targets = new Set<number>()
  let [transactionCount, lastTime] = [0, 0]
  let open = emptyTransaction()
  for await (const block of walkLog(journal)) {
    if (block.kind !== 'commit') {
      await addBlock(journal, open, block)
      if (targets.size + open.blocks.length > maxTargets) {
        throw journalUnsupported(`the journal changes more than ${maxTargets} blocks`)
      }
      continue
    }
    const time = journalCommitTime(block.bytes)
    if (open.isSuspicious || !isJournalCommitRight(superblock, block.bytes, open.checksum)) {
      const mayBeInterrupted = !open.isSuspicious && superblock.isAsynchronous
      const isDamage = time >= lastTime && !(mayBeInterrupted && (await wasInterrupted(journal, transactionCount)))
      if (isDamage) findings.damage('journal', `transaction ${block.sequence} of the journal is damaged`)
      break
    }
    for (const target of open.blocks) targets.add(target)
    transactionCount++
    lastTime = time
    open = emptyTransaction()
  }
  return { transactionCount, targets }
}

/**
 * True when an asynchronous commit seems to be on the disk without its data. With version 1 of the checksums, another
 * commit after it shows that this is damage.
 */
async function wasInterrupted(journal: Journal, index: number): Promise<boolean> {
  if (journal.superblock.checksumVersion !== 1) return true
  for await (const block of walkLog(journal)) if (block.kind === 'commit' && block.index > index) return false
  return true
}

async function addBlock(journal: Journal, open: OpenTransaction, block: LogBlock): Promise<void> {
  const { kind, bytes, tags, dataAt } = block
  if (!isJournalBlockRight(journal.superblock, bytes)) open.isSuspicious = true
  for (const tag of tags) open.blocks.push(tag.block)
  if (journal.superblock.checksumVersion !== 1 || kind !== 'descriptor') return
  open.checksum = transactionChecksum(open.checksum, bytes)
  for (let i = 0; i < tags.length; i++) {
    const data = journal.block(dataAt(i))
    open.checksum = transactionChecksum(open.checksum, data instanceof Promise ? await data : data)
  }
}
