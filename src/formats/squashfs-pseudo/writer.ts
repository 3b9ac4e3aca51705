import { concatBytes, latin1Bytes, utf8Bytes } from '../../bytes/fast.js'
import { gatherBytes } from '../../bytes/gather.js'
import { unfit, type WriteOptions, warnOf } from '../manifest/archive-error.js'
import type { ManifestEntry } from '../manifest/entry.js'
import { clampSeconds } from '../manifest/time.js'
import { checkEntry } from '../manifest/validate.js'
import { backslash, isBlank, newline, quote } from './layout.js'

export interface SquashfsPseudoOptions extends WriteOptions {
  /**
   * True when the tree that mksquashfs packs has the entry under this name, with this type. Its line then changes the
   * entry; any other line makes one. mksquashfs ignores a definition of a device when the name exists. The default is
   * true for directories and files.
   */
  readonly isInTree?: ((entry: ManifestEntry) => boolean) | undefined
  /** Write the times of entries that the lines make. Needs squashfs-tools 4.5. */
  readonly times?: boolean | undefined
}

/**
 * Write definitions for `mksquashfs -pf`, one line an entry.
 *
 * The writer leaves out the top with a warning, because squashfs-tools 4.5 ignores it: use `-root-mode` and the like. A
 * further name of an entry that the lines make becomes a file of its own, with a warning. Extended attributes come from
 * the tree.
 *
 * @throws UmlcowError ENTRY_UNFIT for a file that the tree does not have, for a name or target with a newline, and for
 *   a target with a blank in front or a backslash at the end
 */
export function writeSquashfsPseudo(
  entries: AsyncIterable<ManifestEntry>,
  options: SquashfsPseudoOptions = {},
): AsyncGenerator<Uint8Array> {
  return gatherBytes(lines(entries, options))
}

/**
 * Check that a pseudo file can hold an entry.
 *
 * @param isInTree  see `SquashfsPseudoOptions`
 * @throws          UmlcowError ENTRY_UNFIT when it cannot
 */
export function checkSquashfsEntry(entry: ManifestEntry, isInTree: boolean): void {
  checkEntry(entry)
  if (entry.path.length > 0) line(entry, isInTree, {})
}

async function* lines(
  entries: AsyncIterable<ManifestEntry>,
  options: SquashfsPseudoOptions,
): AsyncGenerator<Uint8Array> {
  const isInTree = options.isInTree ?? (({ type }) => type === 'directory' || type === 'file')
  for await (const entry of entries) {
    checkEntry(entry)
    if (entry.path.length === 0) {
      const owner = `mode ${entry.mode.toString(8)}, owner ${entry.uid}:${entry.gid}`
      warnOf(options, entry.path, `a pseudo file cannot define the top: ${owner}`)
    } else {
      yield line(entry, isInTree(entry), options)
    }
  }
}

function line(entry: ManifestEntry, isInTree: boolean, options: SquashfsPseudoOptions): Uint8Array {
  const { letter, tail } = isInTree ? { letter: 'm', tail: null } : definition(entry, options)
  const owner = `${entry.mode.toString(8)} ${entry.uid} ${entry.gid}`
  const hasTime = options.times === true && !isInTree
  const kind = hasTime ? `${letter.toUpperCase()} ${timeOf(entry, options)}` : letter
  const parts = [quoted(entry), latin1Bytes(` ${kind} ${owner}`)]
  if (tail !== null) parts.push(utf8Bytes(' '), tail)
  return concatBytes([...parts, Uint8Array.of(newline)])
}

function timeOf(entry: ManifestEntry, options: WriteOptions): number {
  const { seconds, isExact } = clampSeconds(entry.mtimeNs)
  if (!isExact) warnOf(options, entry.path, 'squashfs holds times from 1970 to 2106 only')
  return seconds
}

/** Get the letter and the last fields of a line that makes an entry. */
function definition(entry: ManifestEntry, options: WriteOptions): { letter: string; tail: Uint8Array | null } {
  const { type, device, linkTarget } = entry
  if (entry.hardLinkTo !== null) warnOf(options, entry.path, 'made as a file of its own, not as a further name')
  switch (type) {
    case 'file':
      throw unfit(entry.path, 'a pseudo file cannot make a file with content')
    case 'directory':
      return { letter: 'd', tail: null }
    case 'fifo':
    case 'socket':
      return { letter: 'i', tail: utf8Bytes(type === 'fifo' ? 'f' : 's') }
    case 'symlink':
      return { letter: 's', tail: checkedTarget(entry, linkTarget!) }
    default:
      return { letter: type === 'block' ? 'b' : 'c', tail: utf8Bytes(`${device!.major} ${device!.minor}`) }
  }
}

function checkedTarget(entry: ManifestEntry, target: Uint8Array): Uint8Array {
  if (!target.includes(newline) && !isBlank(target[0]) && target.at(-1) !== backslash) return target
  throw unfit(
    entry.path,
    'a pseudo file cannot hold this target: a newline, a blank in front or a backslash at the end',
  )
}

function quoted({ path }: ManifestEntry): Uint8Array {
  if (path.includes(newline)) throw unfit(path, 'a pseudo file cannot hold a name with a newline')
  const out = [quote]
  for (const byte of path) {
    if (byte === quote || byte === backslash) out.push(backslash)
    out.push(byte)
  }
  return Uint8Array.from([...out, quote])
}
