import { ceilTo } from '../../bytes/align.js'
import { InputReader } from '../../bytes/input-reader.js'
import { archiveError, type ReadOptions, warnOfRest } from '../manifest/archive-error.js'
import { ArchiveContent } from '../manifest/content.js'
import type { ManifestEntry, ManifestItem } from '../manifest/entry.js'
import { EntryFields } from './entry-fields.js'
import { FirstNames } from './first-names.js'
import { blockSize } from './layout.js'
import { MemberReader, type TarMember } from './member.js'

/**
 * Read the entries of a tar archive: ustar, pax, GNU and the old form.
 *
 * A hard link has neither type nor size, so the reader remembers all names, by digests of some 23 bytes each.
 *
 * @throws UmlcowError NOT_ARCHIVE, BAD_ARCHIVE, TRUNCATED_ARCHIVE, UNSAFE_PATH; ARCHIVE_FEATURE for sparse files, parts
 *   of volumes and everything else that umlcow does not know
 */
export async function* readTar(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: ReadOptions = {},
): AsyncGenerator<ManifestItem> {
  const name = options.name ?? 'tar archive'
  const input = new InputReader(source)
  const members = new MemberReader(input, name)
  const firstNames = new FirstNames()
  try {
    for (;;) {
      const member = await members.next()
      if (member === null) break
      const entry = entryOf(member, name, firstNames)
      if (entry === null) continue // The label of a volume.
      const stored = entry.type === 'file' && entry.hardLinkTo === null ? entry.size : 0
      const content = new ArchiveContent(input, name, stored)
      yield { entry, content: entry.type === 'file' && entry.hardLinkTo === null ? content : null }
      await content.finish()
      const padding = ceilTo(stored, blockSize) - stored
      if ((await input.skip(padding)) !== padding) {
        throw archiveError('TRUNCATED_ARCHIVE', name, 'the end comes inside a block', { offset: input.offset })
      }
    }
    const isEmpty = input.offset <= 2 * blockSize
    // Zeros after the end mark fill up the last record of a tape. Anything else is a surprise.
    if (!(await input.skipRest())) refuseRest(isEmpty, name, options)
  } finally {
    await input.close()
  }
}

/** Refuse zeros that are not an archive, such as the start of a disk image. Otherwise warn about the rest. */
function refuseRest(isEmpty: boolean, name: string, options: ReadOptions): void {
  if (isEmpty) throw archiveError('NOT_ARCHIVE', name, 'not a tar archive: expected a header, got zeros', { offset: 0 })
  warnOfRest(options, name)
}

function entryOf(member: TarMember, name: string, firstNames: FirstNames): ManifestEntry | null {
  const fields = new EntryFields(member, name)
  if (member.type === 'V') return null
  if (member.type !== '1') {
    const entry = fields.entry()
    if (entry.type !== 'directory') firstNames.add(entry)
    return entry
  }
  if (fields.size() !== 0) throw fields.error('ARCHIVE_FEATURE', 'a hard link with content is not supported')
  const first = firstNames.find(fields.linkPath())
  if (first === null) throw fields.error('BAD_ARCHIVE', 'a hard link to a file that does not come before it')
  const { path: hardLinkTo, ...shared } = first
  const common = fields.common()
  if (common.path.length === 0) throw fields.error('UNSAFE_PATH', 'a hard link without a name')
  const entry = { ...common, ...shared, hardLinkTo }
  firstNames.addFurther(entry.path, first)
  return entry
}
