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
 * The entries of a cpio archive in the "newc" form.
 *
 * Names of one file whose content stands with a later name are given out when that one comes, and those of an empty
 * file when the last one does, or at the end. What waits is names, never content.
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
        // The content comes with the first of them: what is asked for next stands behind it.
        if (isFirst) await content.finish()
      }
      await content.finish()
      await members.skipPadding(member.storedSize)
    }
    for (const entry of groups.rest()) {
      yield { entry, content: entry.type === 'file' && entry.hardLinkTo === null ? nothing : null }
    }
    // What follows fills up a block, unless it is another archive, as the kernel reads them.
    if (!(await input.skipRest())) warnOfRest(options, name)
  } finally {
    await input.close()
  }
}
