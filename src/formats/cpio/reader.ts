import { InputReader } from '../../bytes/input-reader.js'
import { type ReadOptions, warnOfRest } from '../manifest/archive-error.js'
import { ArchiveContent } from '../manifest/content.js'
import type { ManifestItem } from '../manifest/entry.js'
import { LinkGroups } from './link-groups.js'
import { CpioMembers } from './member.js'

const nothing: AsyncIterable<Uint8Array> = {
  async *[Symbol.asyncIterator]() {},
}

/**
 * Read the entries of a cpio archive in the "newc" form.
 *
 * When the content of a file comes with a later name, the reader holds the earlier names back until then. It holds the
 * names of an empty file back until the last one, or the end of the archive. It never holds content back.
 *
 * @throws UmlcowError NOT_ARCHIVE, BAD_ARCHIVE, TRUNCATED_ARCHIVE, UNSAFE_PATH, ARCHIVE_FEATURE for other forms of cpio
 */
export async function* readCpio(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: ReadOptions = {},
): AsyncGenerator<ManifestItem> {
  const name = options.name ?? 'cpio archive'
  const input = new InputReader(source)
  const members = new CpioMembers(input, name)
  const groups = new LinkGroups((what) => members.error('BAD_ARCHIVE', what))
  try {
    for (;;) {
      const member = await members.next()
      if (member === null) break
      const content = new ArchiveContent(input, name, member.storedSize)
      for (const entry of groups.add(member)) {
        const isFirst = entry.type === 'file' && entry.hardLinkTo === null
        yield { entry, content: isFirst ? content : null }
        // The first entry takes the content of the member, and the next ones come after it.
        if (isFirst) await content.finish()
      }
      await content.finish()
      await members.skipPadding(member.storedSize)
    }
    for (const entry of groups.rest()) {
      yield { entry, content: entry.type === 'file' && entry.hardLinkTo === null ? nothing : null }
    }
    // Zeros after the trailer fill up a block. Another archive may follow too: the kernel reads both.
    if (!(await input.skipRest())) warnOfRest(options, name)
  } finally {
    await input.close()
  }
}
