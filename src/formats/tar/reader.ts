import { ceilTo } from '../../bytes/align.js'
import { equalBytes } from '../../bytes/fast.js'
import { InputReader } from '../../bytes/input-reader.js'
import { archiveError, type ReadOptions, shownPath, warnOfNoEnd, warnOfRest } from '../manifest/archive-error.js'
import { ArchiveContent } from '../manifest/content.js'
import type { ManifestEntry, ManifestItem } from '../manifest/entry.js'
import { EntryFields } from './entry-fields.js'
import { FirstNames } from './first-names.js'
import { blockSize } from './layout.js'
import { MemberReader, type TarMember } from './member.js'
import { SparseContent } from './sparse/content.js'
import { readSparseMap, type SparseMap } from './sparse/read-map.js'
import { UnreadRecords } from './unread-records.js'

/**
 * Read the entries of a tar archive: ustar, pax, GNU and the old form.
 *
 * A hard link has neither type nor size, so the reader remembers all names, by digests of some 23 bytes each. A name may
 * come twice, as after `tar -r`. The later entry counts.
 *
 * @throws UmlcowError NOT_ARCHIVE, BAD_ARCHIVE, TRUNCATED_ARCHIVE, UNSAFE_PATH; ARCHIVE_FEATURE for parts of volumes, the sparse
 *   form of star, hard links that tools read in two ways, and everything else that umlcow does not know
 */
export async function* readTar(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: ReadOptions = {},
): AsyncGenerator<ManifestItem> {
  const name = options.name ?? 'tar archive'
  const input = new InputReader(source)
  const unread = new UnreadRecords(options)
  const members = new MemberReader(input, name, (keyword) => unread.lookGlobal(keyword))
  const reading: Reading = { name, members, firstNames: new FirstNames() }
  try {
    for (;;) {
      const member = await members.next()
      if (member === null) break
      // The label of a volume stands for no file.
      if (member.type === 'V') continue
      const fields = new EntryFields(member, name)
      const isLink = member.type === '1'
      const stored = isLink ? await storedLink(reading, fields, member) : storedEntry(reading, fields)
      const { entry } = stored
      if (member.records.size > 0) unread.look(member.records, entry.path)
      const map = isLink ? null : await mapOf(fields, input)
      const storedSize = map?.dataSize ?? stored.storedSize
      const content =
        map === null
          ? new ArchiveContent(input, name, entry.path, storedSize)
          : new SparseContent(input, name, entry.path, entry.size, map)
      yield { entry, content: entry.type === 'file' && entry.hardLinkTo === null ? content : null }
      await content.finish()
      const padding = ceilTo(storedSize, blockSize) - storedSize
      if ((await input.skip(padding)) !== padding) {
        const place = { path: entry.path, offset: input.offset }
        throw archiveError('TRUNCATED_ARCHIVE', name, 'the archive ends inside a block', place)
      }
    }
    if (members.isEndMissing) warnOfNoEnd(options, name)
    const isEmpty = input.offset <= 2 * blockSize
    // Zeros after the end mark fill up the last record of a tape. Anything else is a surprise.
    if (!(await input.skipRest())) refuseRest(isEmpty, name, options)
  } finally {
    await input.close()
  }
}

/** Read the map of a sparse file; null for any other. The header is gone after that. */
function mapOf(fields: EntryFields, input: InputReader): Promise<SparseMap> | null {
  const sparse = fields.sparse()
  if (sparse === null) return null
  return readSparseMap(sparse, input, fields.sparseSizes(), (...what) => fields.error(...what))
}

/** Refuse zeros that are not an archive, such as the start of a disk image. Otherwise warn about the rest. */
function refuseRest(isEmpty: boolean, name: string, options: ReadOptions): void {
  if (isEmpty) throw archiveError('NOT_ARCHIVE', name, 'not a tar archive: expected a header, got zeros', { offset: 0 })
  warnOfRest(options, name)
}

/** What the members of an archive need from one another. */
interface Reading {
  readonly name: string
  readonly members: MemberReader
  readonly firstNames: FirstNames
}

interface StoredEntry {
  readonly entry: ManifestEntry
  /** Bytes that follow the header. */
  readonly storedSize: number
}

function storedEntry({ firstNames }: Reading, fields: EntryFields): StoredEntry {
  const entry = fields.entry()
  if (entry.type !== 'directory') firstNames.add(entry)
  return { entry, storedSize: fields.storedSize(entry.type) }
}

async function storedLink(reading: Reading, fields: EntryFields, { offset }: TarMember): Promise<StoredEntry> {
  const { firstNames } = reading
  const target = fields.linkPath()
  const first = firstNames.find(target)
  if (first === null) {
    throw fields.error('BAD_ARCHIVE', `a hard link to ${shownPath(target)}, which does not come before it`)
  }
  const entry = fields.hardLink(first)
  if (!equalBytes(entry.path, first.path)) firstNames.addFurther(entry.path, first)
  const size = fields.mayLinkHaveContent() ? fields.size() : 0
  if (size > 0 && (await hasLinkContent(reading, entry.path, offset))) return { entry, storedSize: size }
  return { entry, storedSize: 0 }
}

/**
 * Find out whether a hard link has content. Old writers give hard links the size of the file, and no content. In pax,
 * content may follow. As for bsdtar, the next block shows which it is. The header is gone after the look at that block,
 * because the input may reuse its memory.
 *
 * @throws UmlcowError ARCHIVE_FEATURE where the tools disagree: GNU tar reads no content, and bsdtar does
 */
async function hasLinkContent({ name, members }: Reading, path: Uint8Array, offset: number): Promise<boolean> {
  const isAtHeader = await members.isAtHeader()
  if (!isAtHeader || !members.hasPax) return !isAtHeader
  const what = 'a hard link with a size: the next block may be its content or another member'
  const hint = 'unpack the archive with the program that made it, and use --from directory'
  throw archiveError('ARCHIVE_FEATURE', name, what, { path, offset }, hint)
}
