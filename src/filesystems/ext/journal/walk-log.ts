import { type JournalTag, journalBlockTypes, parseJournalHeader, parseJournalTags } from '../../../formats/ext/index.js'
import { type Journal, journalUnsupported } from './open-journal.js'

/** Bytes of the log, at most. mke2fs makes journals of 1 GiB unless it is asked for more. */
const maxLogLength = 4 * 2 ** 30

/** A block of the log that says something about a transaction. */
export interface LogBlock {
  readonly kind: 'descriptor' | 'revokes' | 'commit'
  readonly bytes: Uint8Array
  /** Of the transaction: 0 for the first one in the log. */
  readonly index: number
  readonly sequence: number
  /** Of a descriptor; else empty. */
  readonly tags: readonly JournalTag[]
  /** The blocks of the journal that hold the data of the tags, in order. */
  readonly dataAt: (tag: number) => number
}

const kinds = new Map([
  [journalBlockTypes.descriptor, 'descriptor'],
  [journalBlockTypes.commit, 'commit'],
  [journalBlockTypes.revokes, 'revokes'],
] as const satisfies readonly (readonly [number, LogBlock['kind']])[])

/**
 * Read the log from its start: descriptors, revokes and commits, without the data between them. It ends at the first
 * block that belongs to no transaction, and after `count` transactions.
 *
 * @throws UmlcowError FS_UNSUPPORTED when the log is too long
 */
export async function* walkLog(journal: Journal, count: number = Number.POSITIVE_INFINITY): AsyncGenerator<LogBlock> {
  const { firstBlock, endBlock, start, blockSize } = journal.superblock
  const length = endBlock - firstBlock
  const wrap = (block: number) => firstBlock + ((block - firstBlock) % length)
  let { sequence } = journal.superblock
  let index = 0
  // The log is a circle: damaged numbers of blocks would lead around it for ever.
  for (let at = start, walked = 0; walked < length && index < count; walked++) {
    const bytes = await journal.block(wrap(at))
    const header = parseJournalHeader(bytes)
    const kind = kinds.get(header?.type as 1)
    if (header?.sequence !== sequence || kind === undefined) return
    at++
    const first = at
    const tags = kind === 'descriptor' ? parseJournalTags(journal.superblock, bytes) : []
    at += tags.length
    walked += tags.length
    if (walked * blockSize > maxLogLength) throw journalUnsupported('the journal holds more than 4 GiB')
    yield { kind, bytes, index, sequence, tags, dataAt: (tag) => wrap(first + tag) }
    if (kind !== 'commit') continue
    index++
    sequence = (sequence + 1) % 2 ** 32
  }
}
