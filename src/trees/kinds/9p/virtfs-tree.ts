import { printablePath } from '../../../bytes/escape.js'
import { UmlcowError } from '../../../errors.js'
import { parseVirtfs, type VirtfsAttributes } from '../../../formats/virtfs/index.js'
import { baseName, joinPath } from '../../../machine/path-bytes.js'
import type { AttributeSearch } from '../../../machine/programs/getfattr.js'
import { treeHostOf } from '../../host/tree-host.js'
import type { SourceOptions } from '../../tree-options.js'
import type { FoundName } from '../../walk/walk-open-directories.js'
import { MappedXattrs } from './mapped-xattrs.js'

export const metadataName = Buffer.from('.virtfs_metadata')
export const rootMetadataName = Buffer.from('.virtfs_metadata_root')
const above = Buffer.from('..')
const longestAttributes = 4096

export function badName(message: string): UmlcowError {
  return new UmlcowError('BAD_ARCHIVE', message)
}

/** The attributes of a tree of QEMU's 9p server, from files or from extended attributes. */
export class VirtfsTree {
  private xattrs = new MappedXattrs()
  private search: AttributeSearch = 'complete'
  private hasFiles = false
  private readonly top: Buffer
  private readonly options: SourceOptions

  constructor(top: Buffer, options: SourceOptions) {
    this.top = top
    this.options = options
  }

  /**
   * Read the extended attributes of the whole tree.
   *
   * @throws UmlcowError BAD_ARCHIVE when only a part of them can be read: other files would get wrong owners
   */
  async readXattrs(): Promise<void> {
    const xattrs = new MappedXattrs()
    const onFile: typeof xattrs.add = (path, attributes) => xattrs.add(path, attributes)
    this.search = await treeHostOf(this.options).reader.findAttributes(this.top, onFile, this.options.signal)
    this.xattrs = xattrs
    if (xattrs.isEmpty || typeof this.search === 'string') return
    throw badName(`${printablePath(this.top)}: cannot read all of its extended attributes: ${this.search.incomplete}`)
  }

  /** Read the attributes of a name. @returns null when there are none: the server then uses those of the host's file */
  attributesOf(found: FoundName): VirtfsAttributes | null {
    const inFile = this.attributesInFile(found)
    if (this.xattrs.isEmpty) return inFile
    if (inFile === null) return this.xattrs.get(found.path)
    throw badName('has attributes of security_model=mapped-file, and its tree has those of mapped-xattr, too')
  }

  /** Warn about a tree without attributes: all owners and modes are those of the host's files. */
  notes(): string[] {
    if (this.hasFiles || !this.xattrs.isEmpty) return []
    const shown = printablePath(this.top)
    if (this.search === 'complete') {
      return [
        `${shown}: has no attributes of QEMU's 9p server, so all owners and modes are those of the host's files; ` +
          '--from directory reads a tree of security_model=passthrough, with its devices and links',
      ]
    }
    return [
      `${shown}: has no .virtfs_metadata, so all owners and modes are those of the host's files; a tree of ` +
        'security_model=mapped-xattr needs the program getfattr (Debian: package attr)',
    ]
  }

  private attributesInFile({ path, facts, place }: FoundName): VirtfsAttributes | null {
    const isTop = path.length === 0
    const directory = facts.type === 'directory' && !isTop ? joinPath(above, metadataName) : metadataName
    const kind = isTop ? 'directory' : (place.lstatOrNull(directory)?.type ?? null)
    if (kind === null) return null
    if (kind !== 'directory') throw badName(`its .virtfs_metadata is a ${kind}`)
    const file = isTop ? rootMetadataName : joinPath(directory, baseName(path))
    const there = place.lstatOrNull(file)
    if (there === null) return null
    if (there.type !== 'file') throw badName(`its attributes are a ${there.type}`)
    this.hasFiles = true
    return parseVirtfs(place.readStart(file, longestAttributes + 1), { name: 'its attributes' })
  }
}
