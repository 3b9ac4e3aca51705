import { escapeText } from '../../bytes/escape.js'
import { asBuffer } from '../../machine/path-bytes.js'
import type { FileAttribute } from '../../machine/programs/getfattr-output.js'
import { createWarnings } from '../warnings.js'
import { meaningOf } from './attribute-marks.js'

export const capability = 'security.capability'
const accessAcl = 'system.posix_acl_access'

/** What an ACL does to the mode. Source: acl(5), "Correspondence between ACL entries and file permission bits". */
export const aclMask = 'its group permissions are the mask of its ACL'

/** A message names at most this many attributes of a file. */
const mostNamed = 8

/** Count at most this many attributes of the host by name: an archive may make up any number. */
const mostCounted = 20

/** How to report the extended attributes that a target cannot hold. */
export interface LossReport {
  /** Writes the path of a file for a message. */
  readonly nameOf: (path: Uint8Array) => string
  /** What to do, if any file loses an attribute. */
  readonly advice: string
  /** Says what happens to attributes of a file; null when nothing is lost. The default: it loses them. */
  readonly tell?: (path: Buffer, attributes: readonly FileAttribute[]) => string | null
}

/** Collects the extended attributes that a target cannot hold. */
export class AttributeLosses {
  private readonly report: LossReport
  private readonly files = createWarnings()
  /** Attributes of the host, and how many names have each. */
  private readonly counts = new Map<string, number>()
  /** What attributes mean to other programs, with the warning about each. */
  private readonly meanings = new Map<string, string>()

  constructor(report: LossReport) {
    this.report = report
  }

  add(path: Uint8Array, attributes: readonly FileAttribute[]): void {
    for (const one of attributes) if (!isOfFile(one)) this.count(one)
    const own = attributes.filter((one) => isOfFile(one) && !saysNoMoreThanMode(one))
    const { tell = tellLoss, nameOf } = this.report
    const text = own.length === 0 ? null : tell(asBuffer(path), own)
    if (text === null) return
    this.files.add(`${nameOf(path)}: ${text}`)
    for (const one of own) this.noteMeaning(path, one)
  }

  /** Writes the warnings: what attributes mean to other programs, a line for each file, and the advice. */
  list(): string[] {
    const hosts = [...this.counts].map(
      ([name, n]) => `left to the host, which sets it: ${escapeText(name)} of ${n} names`,
    )
    const lines = this.files.list()
    return [...this.meanings.values(), ...hosts, ...lines, ...(lines.length === 0 ? [] : [this.report.advice])]
  }

  private count({ name }: FileAttribute): void {
    const key = this.counts.has(name) || this.counts.size < mostCounted ? name : 'other attributes'
    this.counts.set(key, (this.counts.get(key) ?? 0) + 1)
  }

  private noteMeaning(path: Uint8Array, { name }: FileAttribute): void {
    const meaning = meaningOf(name)
    if (meaning === null || this.meanings.has(meaning)) return
    const shown = `${this.report.nameOf(path)}: has ${escapeText(name)}`
    this.meanings.set(meaning, `${shown}: umlcow does not read ${meaning}`)
  }
}

/**
 * Whether an attribute belongs to the file. All others belong to its host: labels of SELinux and other security modules,
 * hashes of IMA, flags of a file system. The host sets them again, often on every file.
 */
function isOfFile({ name }: FileAttribute): boolean {
  return (
    name === capability ||
    name.startsWith('system.posix_acl_') ||
    name.startsWith('user.') ||
    name.startsWith('trusted.')
  )
}

// An ACL as the value of an attribute, little-endian: a version of 32 bits, which is 2, and 8 bytes for each entry: tag
// and permissions of 16 bits each, and an id of 32 bits.  Source: Linux include/uapi/linux/posix_acl_xattr.h
const aclVersion = '0x02000000'
const aclEntryDigits = 16
/** Tags of the owner, the group and all others: 1, 4 and 32. */
const modeTags = ['0100', '0400', '2000']

/** Whether an attribute is an access ACL of these three entries only: the mode in other words, so nothing is lost. */
function saysNoMoreThanMode({ name, value }: FileAttribute): boolean {
  if (name !== accessAcl || value === null || !value.startsWith(aclVersion)) return false
  const length = (value.length - aclVersion.length) / aclEntryDigits
  const tags = Array.from({ length: Math.ceil(length) }, (_, i) => {
    const start = aclVersion.length + i * aclEntryDigits
    return value.slice(start, start + 4)
  })
  return length === modeTags.length && modeTags.every((tag) => tags.includes(tag))
}

/** List attributes in a message. */
export function listAttributes(attributes: readonly FileAttribute[]): string {
  const more = attributes.length - mostNamed
  const named = attributes.slice(0, mostNamed).map(({ name }) => escapeText(name))
  return more <= 0 ? named.join(', ') : `${named.join(', ')} and ${more} more`
}

/** Whether a file has an ACL. */
export function hasAcl(attributes: readonly FileAttribute[]): boolean {
  return attributes.some(({ name }) => name === accessAcl)
}

function tellLoss(_path: Buffer, attributes: readonly FileAttribute[]): string {
  return `loses ${listAttributes(attributes)}${hasAcl(attributes) ? `; ${aclMask}` : ''}`
}

export const copyAdvice =
  'umlcow copies no extended attributes: "getfattr -R -P -h -d -m - DIR" shows those of a tree, with their values'
