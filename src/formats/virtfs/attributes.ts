import { parseInteger } from '../../bytes/decimal.js'
import { latin1Bytes, latin1Text } from '../../bytes/fast.js'
import { archiveError, type ReadOptions, unfit } from '../manifest/archive-error.js'
import { decodeDevice, encodeDevice } from '../manifest/device.js'
import type { DeviceNumber, EntryType, ManifestEntry } from '../manifest/entry.js'
import { fullMode, isDevice, splitMode } from '../manifest/mode.js'
import { checkEntry } from '../manifest/validate.js'

// The text of one file below .virtfs_metadata, as QEMU's 9p server keeps it with security_model=mapped-file:
//   virtfs.uid=1000
//   virtfs.gid=50
//   virtfs.mode=33261
//   virtfs.rdev=259
// All numbers are decimal, and QEMU parses them with atoi. The mode has the bits of the type. Only devices have rdev, a
// dev_t of Linux.
// Source: QEMU hw/9pfs/9p-local.c, local_mapped_file_attr, local_set_mapped_file_attrat

/** Attributes of one file. Those that the text lacks are null: the server then takes them from the host's file. */
export interface VirtfsAttributes {
  readonly uid: number | null
  readonly gid: number | null
  readonly type: EntryType | null
  readonly mode: number | null
  readonly device: DeviceNumber | null
}

/** The largest number that atoi parses correctly. */
const maxInteger = 2 ** 31 - 1
const maxTextLength = 4096

/** Write the text of an entry. @throws UmlcowError ENTRY_UNFIT when an owner or a device number has 32 bits */
export function serializeVirtfs(entry: ManifestEntry): Uint8Array {
  checkEntry(entry)
  const { type, mode, uid, gid, device } = entry
  const rdev = device === null ? null : encodeDevice(device)
  if (Math.max(uid, gid) > maxInteger) throw unfit(entry.path, 'QEMU takes owners below 2^31 only', { uid, gid })
  if (rdev !== null && rdev > maxInteger) throw unfit(entry.path, 'QEMU takes device numbers below 2^31 only', { rdev })
  const lines = [`virtfs.uid=${uid}`, `virtfs.gid=${gid}`, `virtfs.mode=${fullMode(type, mode)}`]
  if (rdev !== null) lines.push(`virtfs.rdev=${rdev}`)
  return latin1Bytes(`${lines.join('\n')}\n`)
}

/** Parse the text of a file. @throws UmlcowError NOT_ARCHIVE for an unknown line, BAD_ARCHIVE for a bad value */
export function parseVirtfs(bytes: Uint8Array, options: ReadOptions = {}): VirtfsAttributes {
  const name = options.name ?? 'virtfs attributes'
  if (bytes.length > maxTextLength) throw archiveError('NOT_ARCHIVE', name, 'too long for attributes of a file')
  const values = new Map<string, number>()
  for (const [i, line] of latin1Text(bytes).split('\n').entries()) {
    if (line === '') continue
    const equals = line.indexOf('=')
    const keyword = line.slice(0, Math.max(equals, 0))
    if (!keywords.has(keyword)) throw archiveError('NOT_ARCHIVE', name, 'not an attribute of a file', { line: i + 1 })
    const value = parseInteger(latin1Bytes(line.slice(equals + 1)))
    if (value === null || value < 0n || value > 0xffffffffn) {
      throw archiveError('BAD_ARCHIVE', name, `the value of ${keyword} does not fit`, { line: i + 1 })
    }
    values.set(keyword, Number(value))
  }
  return attributesOf(values, name)
}

const keywords = new Set(['virtfs.uid', 'virtfs.gid', 'virtfs.mode', 'virtfs.rdev'])

/** Make the attributes of a file from its numbers. @throws UmlcowError BAD_ARCHIVE */
export function attributesOf(values: ReadonlyMap<string, number>, name: string): VirtfsAttributes {
  const full = values.get('virtfs.mode')
  const split = full === undefined ? { type: null, mode: null } : splitMode(full)
  if (split === null) throw archiveError('BAD_ARCHIVE', name, 'virtfs.mode is not a mode of a file')
  const rdev = values.get('virtfs.rdev')
  const needsDevice = split.type !== null && isDevice(split.type)
  if (needsDevice && rdev === undefined) throw archiveError('BAD_ARCHIVE', name, 'a device without virtfs.rdev')
  return {
    uid: values.get('virtfs.uid') ?? null,
    gid: values.get('virtfs.gid') ?? null,
    ...split,
    device: needsDevice ? decodeDevice(rdev!) : null,
  }
}
