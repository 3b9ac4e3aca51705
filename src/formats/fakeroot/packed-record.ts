import { fullMode, isDevice, splitMode } from '../manifest/mode.js'
import type { FakerootRecord } from './save-file.js'

/** What a record says of a file. */
export type FileRecord = Pick<FakerootRecord, 'type' | 'mode' | 'uid' | 'gid' | 'device'>

// Mode with the type, uid, gid, major, minor: 4 bytes each.
export const packedLength = 20

/** A record in a few bytes, for a million of them have to be remembered. */
export function packRecord({ type, mode, uid, gid, device }: FileRecord, out: Buffer): void {
  const words = [fullMode(type, mode), uid, gid, device?.major ?? 0, device?.minor ?? 0]
  for (const [i, word] of words.entries()) out.writeUInt32LE(word, 4 * i)
}

/** What `packRecord` has written. */
export function unpackRecord(bytes: Buffer): FileRecord {
  const { type, mode } = splitMode(bytes.readUInt32LE(0))!
  const device = isDevice(type) ? { major: bytes.readUInt32LE(12), minor: bytes.readUInt32LE(16) } : null
  return { type, mode, uid: bytes.readUInt32LE(4), gid: bytes.readUInt32LE(8), device }
}
