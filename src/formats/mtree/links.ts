import { latin1Bytes } from '../../bytes/fast.js'
import { shownPath } from '../manifest/archive-error.js'
import type { ManifestEntry } from '../manifest/entry.js'
import { pathKey } from '../manifest/path.js'
import { digestNames, type MtreeDigests } from './digests.js'
import { type MtreePlace, mtreeError } from './error.js'
import type { MtreeFile } from './tree.js'
import type { MtreeValues } from './values.js'

/** The attributes that a file has once for all its names. */
type FileAttributes = Pick<ManifestEntry, 'type' | 'mode' | 'uid' | 'gid' | 'device' | 'linkTarget'>

/** The first name of a file. */
interface FirstName {
  /** One character for each byte. */
  readonly path: string
  readonly line: number
  readonly attributes: string
  readonly digests: MtreeDigests | undefined
  /** How many names have not come. */
  left: number
}

/** The file that a name belongs to, and the number of its names. */
export interface Identity {
  readonly key: string
  readonly count: number
}

/** Make the identity that the text gives; null for none. */
export function identityInText({ inode, nlink, resdevice }: Readonly<MtreeValues>): Identity | null {
  if (inode === undefined || nlink === 1) return null
  return { key: `${resdevice ?? ''} ${inode}`, count: nlink || Number.POSITIVE_INFINITY }
}

/** Make the identity that the tree gives; null for a file with one name. */
export function identityInTree({ device, inode, nlink }: MtreeFile): Identity | null {
  return nlink < 2 ? null : { key: `tree ${device} ${inode}`, count: nlink }
}

/** Finds the names of the same file. It remembers the first name of each file until all names have come. */
export class MtreeLinks {
  private readonly firstNames = new Map<string, FirstName>()

  /**
   * Record a name.
   *
   * @returns the path of the first name when this is a further one; else null
   * @throws  UmlcowError BAD_ARCHIVE when names of one file have different attributes or digests
   */
  further(
    path: Uint8Array,
    { key, count }: Identity,
    attributes: FileAttributes,
    digests: MtreeDigests | undefined,
    place: MtreePlace,
  ): Uint8Array | null {
    const own = textOf(attributes)
    const first = this.firstNames.get(key)
    if (first === undefined) {
      const left = count - 1
      this.firstNames.set(key, {
        path: pathKey(path),
        line: place.line,
        attributes: own,
        digests,
        left,
      })
      return null
    }
    first.left--
    if (first.left <= 0) this.firstNames.delete(key)
    const firstPath = latin1Bytes(first.path)
    if (first.attributes !== own) throw disagreement(path, firstPath, first, 'type, mode, owner, device or link', place)
    for (const name of digestNames) {
      if (digests?.[name] === undefined || digests[name] === first.digests?.[name]) continue
      throw disagreement(path, firstPath, first, name, place)
    }
    return firstPath
  }
}

function textOf({ type, mode, uid, gid, device, linkTarget }: FileAttributes): string {
  const target = linkTarget === null ? null : pathKey(linkTarget)
  return JSON.stringify([type, mode, uid, gid, device?.major, device?.minor, target])
}

function disagreement(path: Uint8Array, first: Uint8Array, { line }: FirstName, what: string, place: MtreePlace) {
  const message = `${shownPath(path)} is a hard link to ${shownPath(first)} in line ${line}, but differs in ${what}`
  return mtreeError('BAD_ARCHIVE', place, message, { path: shownPath(path), first: shownPath(first) })
}
