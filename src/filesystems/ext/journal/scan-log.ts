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
  hasWrongBlock: boolean
  /** Checksum of descriptors and data, version 1. */
  checksum: number
}

const emptyTransaction = (): OpenTransaction => ({ blocks: [], hasWrongBlock: false, checksum: crcStart })

/**
 * Find how many transactions of the log are whole. It ends before the first one with a wrong checksum.
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
    if (open.hasWrongBlock || !isJournalCommitRight(superblock, block.bytes, open.checksum)) {
      const isOlder = time < lastTime
      if (await isDamage(journal, { isOlder, hasWrongBlock: open.hasWrongBlock, index: transactionCount })) {
        findings.damage('journal', `transaction ${block.sequence} of the journal is damaged`)
      }
      break
    }
    for (const target of open.blocks) targets.add(target)
    transactionCount++
    lastTime = time
    open = emptyTransaction()
  }
  return { transactionCount, targets }
}

interface WrongTransaction {
  /** Its commit is older than the one before it. */
  readonly isOlder: boolean
  readonly hasWrongBlock: boolean
  readonly index: number
}

// Why a checksum of a transaction is wrong.  Source: Linux fs/jbd2/recovery.c, do_one_pass
// commit        wrong                    commits        because
// older         any                      any            it is left over from an earlier turn around the log
// not older     descriptor or revokes    any            it is damaged
// not older     commit only              in order       it is damaged
// not older     commit only              asynchronous   the commit was on the disk before its data; checksums of version 1:
//                                                       it is damaged if another commit follows
async function isDamage(journal: Journal, { isOlder, hasWrongBlock, index }: WrongTransaction): Promise<boolean> {
  if (isOlder) return false
  if (hasWrongBlock || !journal.superblock.isAsynchronous) return true
  return journal.superblock.checksumVersion === 1 && (await hasCommitAfter(journal, index))
}

async function hasCommitAfter(journal: Journal, index: number): Promise<boolean> {
  for await (const block of walkLog(journal)) if (block.kind === 'commit' && block.index > index) return true
  return false
}

async function addBlock(journal: Journal, open: OpenTransaction, block: LogBlock): Promise<void> {
  const { kind, bytes, tags, dataAt } = block
  if (!isJournalBlockRight(journal.superblock, bytes)) open.hasWrongBlock = true
  for (const tag of tags) open.blocks.push(tag.block)
  if (journal.superblock.checksumVersion !== 1 || kind !== 'descriptor') return
  open.checksum = transactionChecksum(open.checksum, bytes)
  for (let i = 0; i < tags.length; i++) {
    const data = journal.block(dataAt(i))
    open.checksum = transactionChecksum(open.checksum, data instanceof Promise ? await data : data)
  }
}
