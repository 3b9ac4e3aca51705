import { escapeText } from '../../bytes/escape.js'
import { latin1Text } from '../../bytes/fast.js'
import { type ReadOptions, warnOf } from '../manifest/archive-error.js'
import type { TarMember } from './member.js'
import { xattrKeyword } from './xattr-keyword.js'

// Records of pax headers that umlcow does not read.
// SCHILY.acl.access, .default, .ace   ACLs as text.  Source: star(5)
// SCHILY.fflags                       flags of the file, such as "immutable".  Source: star(5)
// LIBARCHIVE.xattr.NAME               an extended attribute. bsdtar also writes it as SCHILY.xattr.  Source: tar(5), libarchive
// RHT.security.selinux                a label of SELinux, which belongs to the host.  Source: GNU tar, --selinux
const acl = 'SCHILY.acl.'
// The attributes of the same ACLs.  Source: acl(5), Linux include/uapi/linux/xattr.h
const aclAttributes: Readonly<Record<string, string>> = {
  'SCHILY.acl.access': 'SCHILY.xattr.system.posix_acl_access',
  'SCHILY.acl.default': 'SCHILY.xattr.system.posix_acl_default',
}
const flags = 'SCHILY.fflags'
const libarchive = 'LIBARCHIVE.xattr.'
const readForm = 'SCHILY.xattr.'
const label = 'RHT.security.selinux'

const percent = 0x25
const longestShown = 300
/** A message names at most this many ACLs of a file. */
const mostNamed = 8
const newline = 0x0a
const modeEntries = [
  ['user::', 'u::'],
  ['group::', 'g::'],
  ['other:', 'o:'],
]

/** Warns about the records of members that umlcow does not read. */
export class UnreadRecords {
  private readonly options: ReadOptions
  private hasToldLabel = false
  private hasToldGlobal = false

  constructor(options: ReadOptions) {
    this.options = options
  }

  /** Looks at the records of an entry: most have none. */
  look(records: TarMember['records'], path: Uint8Array): void {
    const acls = [...records].filter(([keyword, value]) => isLostAcl(keyword, value, records))
    if (acls.length > 0) {
      const keywords = acls.map(([keyword]) => shownKeyword(keyword)).slice(0, mostNamed)
      warnOf(this.options, path, `its ACL (${keywords.join(', ')}) is left out`)
    }
    for (const keyword of records.keys()) {
      if (keyword === flags) warnOf(this.options, path, `its flags (${keyword}) are left out`)
      else if (keyword.startsWith(libarchive)) this.lookAtAttribute(records, keyword, path)
      else if (keyword === label && !this.hasToldLabel) {
        this.hasToldLabel = true
        warnOf(this.options, path, `its SELinux label (${keyword}) is left out, as those of all entries`)
      }
    }
  }

  /** Looks at a keyword of a global header, which is for all entries that follow. */
  lookGlobal(keyword: string): void {
    const isUnread = [acl, readForm, libarchive, flags, label].some((start) => keyword.startsWith(start))
    if (!isUnread || this.hasToldGlobal) return
    this.hasToldGlobal = true
    const { name = 'tar archive', onWarning } = this.options
    onWarning?.(
      `${name}: a global header gives attributes to all entries after it, and they are left out: ${shownKeyword(keyword)}`,
    )
  }

  private lookAtAttribute(records: TarMember['records'], keyword: string, path: Uint8Array): void {
    const name = decodePercent(keyword.slice(libarchive.length))
    if (records.has(xattrKeyword(name)) || records.has(readForm + name)) return
    warnOf(this.options, path, `its extended attribute is left out: ${shownKeyword(keyword)}`)
  }
}

/** Whether an ACL is lost, and not reported as an extended attribute as well. */
function isLostAcl(keyword: string, value: Uint8Array, records: TarMember['records']): boolean {
  if (!keyword.startsWith(acl) || records.has(aclAttributes[keyword] ?? '')) return false
  return keyword !== 'SCHILY.acl.access' || !saysNoMoreThanMode(value)
}

/** An ACL of three entries, such as "user::rw-,group::r--,other::r--", is the mode in other words.  Source: acl(5) */
function saysNoMoreThanMode(value: Uint8Array): boolean {
  if (value.length > longestShown) return false
  const entries = latin1Text(value)
    .split(value.includes(newline) ? '\n' : ',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
  const classes = entries.map((entry) => modeEntries.findIndex((starts) => starts.some((one) => entry.startsWith(one))))
  return classes.sort().join() === '0,1,2'
}

/** A keyword may have 4 MiB. */
function shownKeyword(keyword: string): string {
  return escapeText(keyword.slice(0, longestShown))
}

/** Decode `%41` and the like: libarchive writes some bytes of names so. */
function decodePercent(name: string): string {
  let out = ''
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i) === percent ? Number.parseInt(name.slice(i + 1, i + 3), 16) : Number.NaN
    if (Number.isNaN(code)) out += name[i]
    else {
      out += String.fromCharCode(code)
      i += 2
    }
  }
  return out
}
