import { latin1Text } from '../../bytes/fast.js'
import { InputReader } from '../../bytes/input-reader.js'
import { archiveError, type ReadOptions, warnOfNoEnd, warnOfRest } from '../manifest/archive-error.js'
import { ArchiveContent } from '../manifest/content.js'
import type { ManifestItem } from '../manifest/entry.js'
import { compressionOf, longestMagic } from '../recognise/compressions.js'
import { CheckedContent } from './checked-content.js'
import { alignment, isNewcMagic, newcMagic } from './layout.js'
import { LinkGroups } from './link-groups.js'
import { type CpioMember, CpioMembers } from './member.js'

const nothing: AsyncIterable<Uint8Array> = {
  async *[Symbol.asyncIterator]() {},
}

/**
 * Read the entries of a cpio archive in the "newc" form, or in its variant with checksums.
 *
 * When the content of a file comes with a later name, the reader holds the earlier names back until then. It holds the
 * names of an empty file back until the last one, or the end of the archive. It never holds content back.
 *
 * Another archive may follow the trailer: the reader goes on with it, as the kernel does with the parts of an initramfs.
 * A name may come twice. The later entry counts.
 *
 * @throws UmlcowError NOT_ARCHIVE, also for other forms of cpio; BAD_ARCHIVE, TRUNCATED_ARCHIVE, UNSAFE_PATH;
 *   ARCHIVE_FEATURE when a compressed part follows
 */
export async function* readCpio(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: ReadOptions = {},
): AsyncGenerator<ManifestItem> {
  const name = options.name ?? 'cpio archive'
  const input = new InputReader(source)
  const members = new CpioMembers(input, name)
  try {
    do yield* readPart(input, members, name, options)
    while (await isPartNext(input, name))
    // Zeros after the trailer fill up a block.
    if (!(await input.skipRest())) warnOfRest(options, name)
  } finally {
    await input.close()
  }
}

/** Read an archive up to its trailer. Names of one file lie in one archive. */
async function* readPart(
  input: InputReader,
  members: CpioMembers,
  name: string,
  options: ReadOptions,
): AsyncGenerator<ManifestItem> {
  const groups = new LinkGroups((what) => members.error('BAD_ARCHIVE', what))
  for (;;) {
    const member = await members.next()
    if (member === 'end') refuseWaiting(groups, name, input.offset)
    if (member === 'end') warnOfNoEnd(options, name)
    if (member === 'end' || member === 'trailer') break
    yield* itemsOf(member, groups, contentOf(member, input, name))
    await members.skipPadding(member.storedSize)
  }
  for (const entry of groups.rest()) {
    yield { entry, content: entry.type === 'file' && entry.hardLinkTo === null ? nothing : null }
  }
}

/** List the names that need not wait for the content of a later member. */
async function* itemsOf(member: CpioMember, groups: LinkGroups, content: ArchiveContent): AsyncGenerator<ManifestItem> {
  for (const entry of groups.add(member)) {
    const isFirst = entry.type === 'file' && entry.hardLinkTo === null
    yield { entry, content: isFirst ? content : null }
    // The first entry takes the content of the member, and the next ones come after it.
    if (isFirst) await content.finish()
  }
  await content.finish()
}

function contentOf({ entry, storedSize, checksum }: CpioMember, input: InputReader, name: string): ArchiveContent {
  if (checksum === null) return new ArchiveContent(input, name, entry.path, storedSize)
  return new CheckedContent(input, name, entry.path, storedSize, checksum)
}

/** Refuse an archive without a trailer that ends before the content of a file with several names. */
function refuseWaiting(groups: LinkGroups, name: string, offset: number): void {
  if (!groups.isWaiting) return
  throw archiveError('TRUNCATED_ARCHIVE', name, 'the archive ends before the content of a hard link', { offset })
}

/**
 * Whether another archive follows after zeros. The kernel wants it at a multiple of 4 bytes.
 *
 * @throws UmlcowError ARCHIVE_FEATURE when it is compressed: the kernel would read it
 */
async function isPartNext(input: InputReader, name: string): Promise<boolean> {
  if (!(await input.skipZeros()) || input.offset % alignment !== 0) return false
  const start = await input.peek(longestMagic)
  const compression = compressionOf(start)
  if (compression === null) return isNewcMagic(latin1Text(start.subarray(0, newcMagic.length)))
  const what = `the next part of the archive is compressed with ${compression.name}`
  const hint = `unpack that part: tail -c +${input.offset + 1} FILE | ${compression.unpack}`
  throw archiveError('ARCHIVE_FEATURE', name, what, { offset: input.offset }, hint)
}
