import { pathText } from '../../bytes/escape.js'
import { utf8Bytes } from '../../bytes/fast.js'
import { UmlcowError } from '../../errors.js'
import { ManifestFields } from './manifest-fields.js'

// The first member of a pack, as JSON. Names are text, or {"hex": "..."} where they are not UTF-8.
// format    "umlcow pack"
// version   1
// members   in the order of the archive, backing files before their overlays:
//   name       one component of a path
//   size       bytes of the file with its holes
//   stored     bytes that the pack has of it: all but the holes
//   sha256     digest of the whole file, with zeros for the holes
//   mtime-ns   text: nanoseconds since 1970
//   mode       permissions, 0 to 07777
//   overlay    null, or what the header of a COW file says, and what the backing file was when the pack was made:
//     header       layout, mtime, size, sector-size, alignment, backing-filename
//     backing      name, size, sha256, mtime-ns; included: the backing file is a member of this name

export const packVersion = 1

/** The most bytes of a manifest. A member takes some 700. */
export const maxManifestLength = 8 * 1024 * 1024
/** The most members of a pack. */
export const maxPackMembers = 4096

const formatName = 'umlcow pack'

/** What the header of a packed overlay says. */
export interface PackedHeader {
  readonly layout: string
  readonly mtime: number
  readonly virtualSize: number
  readonly sectorSize: number
  readonly alignment: number
  readonly backingPath: Uint8Array
}

/** The backing file of a packed overlay, when the pack was made. */
export interface PackedBacking {
  readonly name: Uint8Array
  readonly size: number
  readonly sha256: string
  readonly mtimeNs: bigint
  /** The pack has it as a member. */
  readonly isIncluded: boolean
}

/** A file of a pack. */
export interface PackMember {
  readonly name: Uint8Array
  /** Bytes of the file with its holes. */
  readonly size: number
  /** Bytes that the pack has of it. */
  readonly storedSize: number
  /** Digest of the whole file in hexadecimal digits. */
  readonly sha256: string
  readonly mtimeNs: bigint
  readonly mode: number
  readonly overlay: { readonly header: PackedHeader; readonly backing: PackedBacking } | null
}

/** Write the manifest of a pack. */
export function serializePackManifest(members: readonly PackMember[]): Uint8Array {
  const document = { format: formatName, version: packVersion, members: members.map(memberDocument) }
  return utf8Bytes(`${JSON.stringify(document, null, 1)}\n`)
}

/** Describe a member, as its manifest does. */
export function memberDocument(member: PackMember): Record<string, unknown> {
  const { overlay } = member
  return {
    name: nameDocument(member.name),
    size: member.size,
    stored: member.storedSize,
    sha256: member.sha256,
    'mtime-ns': String(member.mtimeNs),
    mode: member.mode,
    overlay: overlay === null ? null : overlayDocument(overlay),
  }
}

function overlayDocument({ header, backing }: NonNullable<PackMember['overlay']>): unknown {
  return {
    header: {
      layout: header.layout,
      mtime: header.mtime,
      size: header.virtualSize,
      'sector-size': header.sectorSize,
      alignment: header.alignment,
      'backing-filename': nameDocument(header.backingPath),
    },
    backing: {
      name: nameDocument(backing.name),
      size: backing.size,
      sha256: backing.sha256,
      'mtime-ns': String(backing.mtimeNs),
      included: backing.isIncluded,
    },
  }
}

function nameDocument(name: Uint8Array): unknown {
  return pathText(name) ?? { hex: hexOf(name) }
}

function hexOf(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0')
  return text
}

/**
 * Parse the manifest of a pack. It trusts no field.
 *
 * @param name  of the pack, for messages
 * @throws      UmlcowError BAD_PACK, PACK_VERSION
 */
export function parsePackManifest(bytes: Uint8Array, name: string): PackMember[] {
  const fields = new ManifestFields(jsonOf(bytes, name), `${name}: its manifest`)
  if (fields.text('format') !== formatName) throw fields.bad('format')
  const version = fields.whole('version')
  if (version !== packVersion) {
    throw new UmlcowError(
      'PACK_VERSION',
      `${name}: has version ${version} of the format of packs, not ${packVersion}`,
      {
        hint: 'unpack it with "tar -x", or with a newer umlcow',
      },
    )
  }
  const members = fields.list('members', maxPackMembers).map((one) => memberOf(one))
  refuseBadRelations(members, fields)
  return members
}

function jsonOf(bytes: Uint8Array, name: string): unknown {
  try {
    return JSON.parse(pathText(bytes) ?? '')
  } catch (cause) {
    throw new UmlcowError('BAD_PACK', `${name}: its manifest is not JSON`, { cause })
  }
}

function memberOf(fields: ManifestFields): PackMember {
  const overlay = fields.part('overlay')
  const size = fields.whole('size')
  const storedSize = fields.whole('stored')
  if (storedSize > size) throw fields.bad('stored')
  const mode = fields.whole('mode')
  if (mode > 0o7777) throw fields.bad('mode')
  return {
    name: fields.fileName('name'),
    size,
    storedSize,
    sha256: fields.digest('sha256'),
    mtimeNs: fields.time('mtime-ns'),
    mode,
    overlay: overlay === null ? null : { header: headerOf(overlay), backing: backingOf(overlay) },
  }
}

/** Longer paths are in no header. */
const maxBackingPath = 4096

function headerOf(overlay: ManifestFields): PackedHeader {
  const fields = overlay.neededPart('header')
  const backingPath = fields.bytes('backing-filename')
  if (backingPath.includes(0) || backingPath.length > maxBackingPath) throw fields.bad('backing-filename')
  return {
    layout: fields.text('layout'),
    mtime: fields.whole('mtime'),
    virtualSize: fields.whole('size'),
    sectorSize: fields.whole('sector-size'),
    alignment: fields.whole('alignment'),
    backingPath,
  }
}

function backingOf(overlay: ManifestFields): PackedBacking {
  const fields = overlay.neededPart('backing')
  return {
    name: fields.fileName('name'),
    size: fields.whole('size'),
    sha256: fields.digest('sha256'),
    mtimeNs: fields.time('mtime-ns'),
    isIncluded: fields.flag('included'),
  }
}

/** Refuse names that come twice, and overlays whose backing file is not the earlier member that they name. */
function refuseBadRelations(members: readonly PackMember[], fields: ManifestFields): void {
  if (members.length === 0) throw fields.bad('members')
  const before = new Map<string, PackMember>()
  for (const member of members) {
    const key = hexOf(member.name)
    if (before.has(key)) throw fields.bad('members')
    const backing = member.overlay?.backing
    const found = backing?.isIncluded ? before.get(hexOf(backing.name)) : undefined
    const fits = found?.sha256 === backing?.sha256 && found?.mtimeNs === backing?.mtimeNs
    if (backing?.isIncluded && !fits) throw fields.bad('backing')
    before.set(key, member)
  }
}
