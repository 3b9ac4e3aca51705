import { maxMode } from '../manifest/mode.js'
import { maxId } from '../manifest/validate.js'
import { parseDevice } from './device.js'
import { type DigestName, expectedDigest, parseDigest } from './digests.js'
import {
  numberWithin,
  parseFlags,
  parseOwner,
  parsePath,
  parseTime,
  parseToken,
  parseType,
  typeNames,
  type ValueParser,
} from './parsers.js'
import type { MtreeValues } from './values.js'

/** How to read a keyword. */
export interface Keyword {
  readonly name: string
  /** Where the value goes. Null when the keyword changes nothing of what umlcow makes. */
  readonly field: keyof MtreeValues | null
  /** Puts the value of a word into `values`; null for a word without one. @returns false when the value is wrong */
  readonly apply: (value: Uint8Array | null, values: MtreeValues) => boolean
  /** What a value looks like, for messages. */
  readonly expected: string
}

function valued<F extends keyof MtreeValues>(
  name: string,
  field: F,
  parse: ValueParser<NonNullable<MtreeValues[F]>>,
  expected: string,
): Keyword {
  const apply = (value: Uint8Array | null, values: MtreeValues) => {
    const parsed = value === null ? null : parse(value)
    if (parsed !== null) values[field] = parsed
    return parsed !== null
  }
  return { name, field, apply, expected }
}

function bare(name: string, field: 'isOptional' | 'isNochange'): Keyword {
  const apply = (value: Uint8Array | null, values: MtreeValues) => {
    values[field] = true
    return value === null
  }
  return { name, field, apply, expected: 'no value' }
}

function digest(digestName: DigestName, ...names: readonly string[]): Keyword[] {
  const apply = (value: Uint8Array | null, values: MtreeValues) => {
    const parsed = value === null ? null : parseDigest(digestName, value)
    // The defaults may share the object.
    if (parsed !== null) values.digests = { ...values.digests, [digestName]: parsed }
    return parsed !== null
  }
  return names.map((name) => ({ name, field: 'digests', apply, expected: expectedDigest(digestName) }))
}

function harmless(name: string): Keyword {
  return { name, field: null, apply: () => true, expected: '' }
}

const aTime = 'SECONDS or SECONDS.NANOSECONDS'
const aDevice = 'FORMAT,MAJOR,MINOR or a number, with 12 bits for MAJOR and 20 bits for MINOR'
const anId = `a number from 0 to ${maxId}`

// Source: mtree(5) of libarchive and FreeBSD, mtree(8) of NetBSD. umlcow refuses all other keywords: one that changes
// the meaning of a line must not be skipped.
const all: readonly Keyword[] = [
  valued('type', 'type', parseType, typeNames),
  valued('mode', 'mode', numberWithin(maxMode, 8), 'an octal number from 0 to 7777'),
  valued('uid', 'uid', numberWithin(maxId), anId),
  valued('gid', 'gid', numberWithin(maxId), anId),
  valued('uname', 'uname', parseOwner, 'the name of a user'),
  valued('gname', 'gname', parseOwner, 'the name of a group'),
  valued('size', 'size', numberWithin(Number.MAX_SAFE_INTEGER), 'a number of bytes'),
  valued('time', 'mtimeNs', parseTime, aTime),
  // go-mtree writes it instead of `time`, for times that a tar archive can hold.
  valued('tar_time', 'mtimeNs', parseTime, aTime),
  valued('device', 'device', parseDevice, aDevice),
  valued('link', 'linkTarget', parsePath, 'the target of a link'),
  valued('nlink', 'nlink', numberWithin(maxId), anId),
  valued('inode', 'inode', parseToken, 'a number'),
  valued('resdevice', 'resdevice', parseToken, 'a device number'),
  valued('content', 'contents', parsePath, 'a path'),
  valued('contents', 'contents', parsePath, 'a path'),
  bare('optional', 'isOptional'),
  bare('nochange', 'isNochange'),
  ...digest('cksum', 'cksum'),
  ...digest('md5', 'md5', 'md5digest'),
  ...digest('sha1', 'sha1', 'sha1digest'),
  ...digest('sha256', 'sha256', 'sha256digest'),
  ...digest('sha384', 'sha384', 'sha384digest'),
  ...digest('sha512', 'sha512', 'sha512digest'),
  ...digest('rmd160', 'rmd160', 'rmd160digest', 'ripemd160digest'),
  // No tree that umlcow makes has them. The reader warns of flags that a line sets.
  valued('flags', 'flags', parseFlags, 'file flags'),
  // mtree(8) does not look below such a directory. umlcow takes only names that the text lists.
  harmless('ignore'),
  // The options -E and -I of mtree(8) select lines by tags. They say nothing about a file.
  harmless('tags'),
]

const keywords = new Map(all.map((keyword) => [keyword.name, keyword]))

/** Look a keyword up; null when umlcow does not know it. */
export function findKeyword(name: string): Keyword | null {
  return keywords.get(name) ?? null
}
