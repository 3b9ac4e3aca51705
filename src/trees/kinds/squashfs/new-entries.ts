import { UmlcowError } from '../../../errors.js'
import { shownPath } from '../../../formats/manifest/archive-error.js'
import type { EntryType, ManifestEntry, ManifestItem } from '../../../formats/manifest/entry.js'
import type { SquashfsDefinition, SquashfsPseudoReader } from '../../../formats/squashfs-pseudo/index.js'
import type { Defined } from './definitions.js'

/** A definition that makes an entry. */
type Maker = SquashfsDefinition & { readonly type: EntryType }

interface NewEntries {
  /** Directories come before their content. */
  readonly directories: Maker[]
  readonly others: Maker[]
  /** In the order of their content in the data section. */
  readonly files: Maker[]
  readonly furtherNames: { readonly path: Uint8Array; readonly first: Maker }[]
}

/**
 * Make the entries that the tree does not have. They come in an order that needs one pass over the data section.
 *
 * @throws UmlcowError ARCHIVE_FEATURE when files share bytes of the data section, TRUNCATED_ARCHIVE
 */
export async function* newEntries(
  definitions: Iterable<Defined>,
  reader: SquashfsPseudoReader,
  name: string,
): AsyncGenerator<ManifestItem> {
  const { directories, others, files, furtherNames } = sorted(definitions)
  refuseSharedData(files, name)
  for (const one of [...directories, ...others]) yield { entry: made(one), content: null }
  for (const one of files) {
    const content = await reader.content(one.path, one.data!)
    yield { entry: made(one), content }
    await content.finish()
  }
  for (const { path, first } of furtherNames) {
    yield { entry: { ...made(first), path, hardLinkTo: first.path }, content: null }
  }
}

function sorted(definitions: Iterable<Defined>): NewEntries {
  const result: NewEntries = { directories: [], others: [], files: [], furtherNames: [] }
  /** What makes the file of a definition. The tree may have the name of the definition itself. */
  const makers = new Map<SquashfsDefinition, Maker>()
  for (const one of definitions) {
    const own = one.kind === 'definition' ? one : one.first
    const first = makers.get(own)
    if (first !== undefined) {
      result.furtherNames.push({ path: one.path, first })
      continue
    }
    const maker = { ...own, path: one.path } as Maker
    makers.set(own, maker)
    listFor(maker, result).push(maker)
  }
  result.directories.sort((a, b) => a.path.length - b.path.length)
  result.files.sort((a, b) => a.data!.offset - b.data!.offset)
  return result
}

function listFor({ type, data }: Maker, { directories, others, files }: NewEntries): Maker[] {
  return type === 'directory' ? directories : data === null ? others : files
}

function refuseSharedData(files: readonly Maker[], name: string): void {
  let last: Maker | null = null
  for (const file of files) {
    if (file.data!.length === 0) continue
    if (last !== null && file.data!.offset < last.data!.offset + last.data!.length) {
      const paths = [last.path, file.path].map(shownPath)
      throw new UmlcowError('ARCHIVE_FEATURE', `${name}: ${paths.join(' and ')} share bytes of the data section`, {
        details: { paths, line: file.line },
      })
    }
    last = file
  }
}

function made(definition: Maker): ManifestEntry {
  const { path, type, uid, gid, device, linkTarget, data, mtimeNs } = definition
  // The permissions of a link are always 0777.
  const mode = type === 'symlink' ? 0o777 : definition.mode
  const size = data?.length ?? 0
  const now = BigInt(Date.now()) * 1_000_000n
  return {
    path,
    type,
    mode,
    uid,
    gid,
    device,
    linkTarget,
    hardLinkTo: null,
    size,
    mtimeNs: mtimeNs ?? now,
    xattrs: null,
  }
}
