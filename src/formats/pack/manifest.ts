import { parseDigits } from '../../bytes/decimal.js'
import { pathText, printablePath } from '../../bytes/escape.js'
import { allocate, latin1Bytes, utf8Bytes } from '../../bytes/fast.js'
import { UmlcowError } from '../../errors.js'
import { isTimeNs } from '../manifest/time.js'

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
export const packManifestName = 'umlcow-pack.json'

/** The most bytes of a manifest. A member takes some 700. */
export const maxManifestLength = 8 * 1024 * 1024
/** The most members of a pack. */
export const maxPackMembers = 4096

const formatName = 'umlcow pack'
const longestName = 255

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
  const fields = new Fields(jsonOf(bytes, name), `${name}: its manifest`)
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

function memberOf(fields: Fields): PackMember {
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

function headerOf(overlay: Fields): PackedHeader {
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

function backingOf(overlay: Fields): PackedBacking {
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
function refuseBadRelations(members: readonly PackMember[], fields: Fields): void {
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

/** The fields of an object of a manifest. */
class Fields {
  private readonly values: Readonly<Record<string, unknown>>
  private readonly what: string

  constructor(values: unknown, what: string) {
    this.what = what
    if (typeof values !== 'object' || values === null || Array.isArray(values)) throw this.bad('an object')
    this.values = values as Record<string, unknown>
  }

  bad(field: string): UmlcowError {
    return new UmlcowError('BAD_PACK', `${this.what}: cannot read "${field}"`, { details: { field } })
  }

  private value(field: string): unknown {
    return Object.hasOwn(this.values, field) ? this.values[field] : undefined
  }

  text(field: string): string {
    const value = this.value(field)
    if (typeof value === 'string' && value.length <= 100) return value
    throw this.bad(field)
  }

  flag(field: string): boolean {
    const value = this.value(field)
    if (typeof value === 'boolean') return value
    throw this.bad(field)
  }

  whole(field: string): number {
    const value = this.value(field)
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
    throw this.bad(field)
  }

  time(field: string): bigint {
    const text = this.text(field)
    const digits = text.startsWith('-') ? text.slice(1) : text
    const isWhole = digits.length > 0 && [...digits].every((digit) => digit >= '0' && digit <= '9')
    if (isWhole && isTimeNs(BigInt(text))) return BigInt(text)
    throw this.bad(field)
  }

  digest(field: string): string {
    const text = this.text(field)
    if (text.length === 64 && [...text].every((digit) => '0123456789abcdef'.includes(digit))) return text
    throw this.bad(field)
  }

  bytes(field: string): Uint8Array {
    const value = this.value(field)
    if (typeof value === 'string') return utf8Bytes(value)
    return this.neededPart(field).hex()
  }

  /** One component of a path: a pack has no directories, so no name can leave the directory. */
  fileName(field: string): Uint8Array {
    const name = this.bytes(field)
    const shown = printablePath(name)
    const isSafe = name.length > 0 && name.length <= longestName && shown !== '.' && shown !== '..'
    if (isSafe && !name.includes(0x2f) && !name.includes(0) && shown !== packManifestName) return name
    throw new UmlcowError('UNSAFE_PATH', `${this.what}: the name "${shown}" is not the name of a file`)
  }

  private hex(): Uint8Array {
    const value = this.value('hex')
    if (typeof value !== 'string' || value.length % 2 !== 0 || value.length > 16_384) throw this.bad('hex')
    const text = latin1Bytes(value)
    const bytes = allocate(text.length / 2)
    for (let i = 0; i < bytes.length; i++) {
      const byte = parseDigits(text.subarray(2 * i, 2 * i + 2), 16)
      if (byte === null) throw this.bad('hex')
      bytes[i] = byte
    }
    return bytes
  }

  /** An object, or null. */
  part(field: string): Fields | null {
    return this.value(field) === null ? null : this.neededPart(field)
  }

  neededPart(field: string): Fields {
    return new Fields(this.value(field), `${this.what}: ${field}`)
  }

  list(field: string, limit: number): Fields[] {
    const value = this.value(field)
    if (!Array.isArray(value) || value.length > limit) throw this.bad(field)
    return value.map((one, i) => new Fields(one, `${this.what}: ${field} ${i + 1}`))
  }
}
