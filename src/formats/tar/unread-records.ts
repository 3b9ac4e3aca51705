import { escapeText } from '../../bytes/escape.js'
import { type ReadOptions, warnOf } from '../manifest/archive-error.js'
import type { TarMember } from './member.js'

// Records of pax headers that umlcow does not read.
// SCHILY.acl.access, .default, .ace   ACLs as text.  Source: star(5)
// SCHILY.fflags                       flags of the file, such as "immutable".  Source: star(5)
// LIBARCHIVE.xattr.NAME               an extended attribute. bsdtar also writes it as SCHILY.xattr.  Source: tar(5), libarchive
// RHT.security.selinux                a label of SELinux, which belongs to the host.  Source: GNU tar, --selinux
const acl = 'SCHILY.acl.'
const flags = 'SCHILY.fflags'
const libarchive = 'LIBARCHIVE.xattr.'
const readForm = 'SCHILY.xattr.'
const label = 'RHT.security.selinux'

const percent = 0x25
const longestShown = 300

/** Warns about the records of members that umlcow does not read. */
export class UnreadRecords {
  private readonly options: ReadOptions
  private hasToldLabel = false

  constructor(options: ReadOptions) {
    this.options = options
  }

  /** Looks at the records of an entry: most have none. */
  look(records: TarMember['records'], path: Uint8Array): void {
    for (const keyword of records.keys()) {
      if (keyword.startsWith(acl)) warnOf(this.options, path, `its ACL (${shownKeyword(keyword)}) is left out`)
      else if (keyword === flags) warnOf(this.options, path, `its flags (${keyword}) are left out`)
      else if (keyword.startsWith(libarchive)) this.lookAtAttribute(records, keyword, path)
      else if (keyword === label && !this.hasToldLabel) {
        this.hasToldLabel = true
        warnOf(this.options, path, `its SELinux label (${keyword}) is left out, as those of all entries`)
      }
    }
  }

  private lookAtAttribute(records: TarMember['records'], keyword: string, path: Uint8Array): void {
    if (records.has(readForm + decodePercent(keyword.slice(libarchive.length)))) return
    warnOf(this.options, path, `its extended attribute is left out: ${shownKeyword(keyword)}`)
  }
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
