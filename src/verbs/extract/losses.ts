import { latin1Text } from '../../bytes/fast.js'
import { shownPath } from '../../formats/manifest/archive-error.js'
import { isDevice, type ManifestEntry } from '../../formats/manifest/index.js'
import type { Owner } from '../../trees/host/tree-facts.js'
import { canSet } from '../../trees/kinds/directory/new-attributes.js'

/** What an extracted file lacks. */
export const lossKinds = ['devices', 'owners', 'modes', 'attributes'] as const

export type LossKind = (typeof lossKinds)[number]

/** How many files lack something, and which are the first of them. */
export interface Loss {
  readonly count: number
  /** Paths as printable text, for attributes with their names. At most 1000. */
  readonly files: readonly string[]
}

const mostListed = 1000
const permissionBits = 0o777

const meanings: Readonly<Record<LossKind, string>> = {
  devices: 'left out, as only root can make devices',
  owners: 'belong to you, as only root can give files away',
  modes: 'lack their bits above 0777, which would count for you now',
  attributes: 'lack extended attributes',
}

/** Collects what the files of an extraction lack. */
export class Losses {
  private readonly user: Owner
  private readonly counts: Record<LossKind, number> = { devices: 0, owners: 0, modes: 0, attributes: 0 }
  private readonly files: Record<LossKind, string[]> = { devices: [], owners: [], modes: [], attributes: [] }

  constructor(user: Owner) {
    this.user = user
  }

  private add(kind: LossKind, path: Uint8Array, what = ''): void {
    this.counts[kind]++
    if (this.files[kind].length < mostListed) this.files[kind].push(`${shownPath(path)}${what}`)
  }

  /** Look at an entry of the image. */
  look(entry: ManifestEntry): void {
    const { path, type, mode, uid, gid } = entry
    const isRoot = this.user.uid === 0
    if (!isRoot && isDevice(type)) {
      this.add('devices', path)
      return
    }
    if (entry.hardLinkTo !== null) return
    if (!isRoot && (uid !== this.user.uid || gid !== this.user.gid)) this.add('owners', path)
    if (!isRoot && type !== 'symlink' && mode > permissionBits) this.add('modes', path)
    const lost = (entry.xattrs ?? []).filter((one) => !canSet(entry, one, isRoot) && !isOfHost(one.name))
    if (lost.length > 0) this.add('attributes', path, `: ${lost.map(({ name }) => shownPath(name)).join(', ')}`)
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
        return `${this.counts[kind]} files ${meanings[kind]}: ${first.join('; ')}${more > 0 ? ` and ${more} more` : ''}`
      })
  }
}

/** A label of a security module, and the like: the host sets its own. */
function isOfHost(name: Uint8Array): boolean {
  const text = latin1Text(name)
  return text.startsWith('security.') && text !== 'security.capability'
}
