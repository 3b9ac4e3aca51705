import { escapeText } from '../../bytes/escape.js'
import { latin1Text } from '../../bytes/fast.js'
import { modeWithoutAccessList } from '../../formats/ext/index.js'
import { shownPath } from '../../formats/manifest/archive-error.js'
import { isDevice, type ManifestEntry } from '../../formats/manifest/index.js'
import type { AttributeFailures } from '../../machine/programs/setfattr-failures.js'
import type { Owner } from '../../trees/host/tree-facts.js'
import { canSet } from '../../trees/kinds/directory/new-attributes.js'

/** What an extracted file lacks. */
const lossKinds = ['devices', 'owners', 'modes', 'attributes'] as const

export type LossKind = (typeof lossKinds)[number]

/** How many files lack something, and which are the first of them. */
export interface Loss {
  readonly count: number
  /** Paths as printable text, for attributes with their names. At most 1000. */
  readonly files: readonly string[]
}

const mostListed = 1000
const permissionBits = 0o777

const meanings: Readonly<Record<LossKind, (count: number) => string>> = {
  devices: (count) =>
    `${count} ${count === 1 ? 'device was' : 'devices were'} left out, because only root can make devices`,
  owners: (count) =>
    `${count} ${count === 1 ? 'file belongs' : 'files belong'} to you, because only root can give files away`,
  modes: (count) => `the setuid, setgid and sticky bits of ${filesText(count)} were not set`,
  attributes: (count) => `${filesText(count)} ${count === 1 ? 'lacks' : 'lack'} extended attributes`,
}

const filesText = (count: number) => `${count} ${count === 1 ? 'file' : 'files'}`

/** Collects what the files of an extraction lack. */
export class Losses {
  private readonly user: Owner
  private readonly counts: Record<LossKind, number> = { devices: 0, owners: 0, modes: 0, attributes: 0 }
  private readonly files: Record<LossKind, string[]> = { devices: [], owners: [], modes: [], attributes: [] }

  constructor(user: Owner) {
    this.user = user
  }

  /** Whether the user can make a file of an entry. */
  canMake({ type }: ManifestEntry): boolean {
    return this.user.uid === 0 || !isDevice(type)
  }

  /** Note what could not be set on files that were made. */
  addFailures({ count, first }: AttributeFailures): void {
    for (const { path, reason } of first) this.add('attributes', path, `: ${escapeText(reason)}`)
    this.counts.attributes += count - first.length
  }

  private add(kind: LossKind, path: Uint8Array, what = ''): void {
    this.counts[kind]++
    if (this.files[kind].length < mostListed) this.files[kind].push(`${shownPath(path)}${what}`)
  }

  /** Look at an entry of the image. */
  look(entry: ManifestEntry): void {
    const { path, type, mode, uid, gid } = entry
    const isRoot = this.user.uid === 0
    if (!this.canMake(entry)) {
      this.add('devices', path)
      return
    }
    if (entry.hardLinkTo !== null) return
    if (!isRoot && (uid !== this.user.uid || gid !== this.user.gid)) this.add('owners', path)
    if (!isRoot && type !== 'symlink' && mode > permissionBits) this.add('modes', path)
    const lost = (entry.xattrs ?? []).filter((one) => !canSet(entry, one, isRoot) && !isOfHost(one.name))
    if (lost.length === 0) return
    const changed = isRoot ? mode : plainMode(entry)
    const without = changed === mode ? '' : `; mode ${octal(changed)} in place of ${octal(mode)}`
    this.add('attributes', path, `: ${lost.map(({ name }) => shownPath(name)).join(', ')}${without}`)
  }

  result(): Readonly<Record<LossKind, Loss>> {
    const of = (kind: LossKind): Loss => ({ count: this.counts[kind], files: this.files[kind] })
    return { devices: of('devices'), owners: of('owners'), modes: of('modes'), attributes: of('attributes') }
  }

  /** Write a warning for each kind, with the first few files. */
  warnings(): string[] {
    return lossKinds
      .filter((kind) => this.counts[kind] > 0)
      .map((kind) => {
        const first = this.files[kind].slice(0, 3)
        const more = this.counts[kind] - first.length
        return `${meanings[kind](this.counts[kind])}: ${first.join('; ')}${more > 0 ? ` and ${more} more` : ''}`
      })
  }
}

/** Labels of security modules and hashes of files, which the host sets itself.  Source: Linux include/uapi/linux/xattr.h */
const hostStarts: readonly string[] = ['selinux', 'SMACK64', 'apparmor', 'ima', 'evm'].map((name) => `security.${name}`)

function isOfHost(name: Uint8Array): boolean {
  const text = latin1Text(name)
  return hostStarts.some((start) => text === start || (start.endsWith('SMACK64') && text.startsWith(start)))
}

const octal = (mode: number) => `0${mode.toString(8)}`

/** The mode of a file for a user who cannot set its ACL. */
export function plainMode({ mode, xattrs }: ManifestEntry): number {
  const list = xattrs?.find(({ name }) => latin1Text(name) === 'system.posix_acl_access')
  return list === undefined ? mode : modeWithoutAccessList(mode, list.value)
}
