import { viewOf } from '../../bytes/struct.js'
import { fullMode, isDevice, splitMode } from '../manifest/mode.js'
import type { FakerootRecord } from './save-file.js'

/** What a record says about a file, without its identity. */
export type FileRecord = Pick<FakerootRecord, 'type' | 'mode' | 'uid' | 'gid' | 'device'>

// The mode with the bits of the type, uid, gid, major and minor: 4 bytes each.
export const packedLength = 20

/** Pack a record into a few bytes: a tree may need a million of them in memory. */
export function packRecord({ type, mode, uid, gid, device }: FileRecord, out: Uint8Array): void {
  const words = [fullMode(type, mode), uid, gid, device?.major ?? 0, device?.minor ?? 0]
  const view = viewOf(out)
  for (const [i, word] of words.entries()) view.setUint32(4 * i, word)
}

/** Unpack what `packRecord` has written. */
export function unpackRecord(bytes: Uint8Array): FileRecord {
  const view = viewOf(bytes)
  const { type, mode } = splitMode(view.getUint32(0))!
  const device = isDevice(type) ? { major: view.getUint32(12), minor: view.getUint32(16) } : null
  return { type, mode, uid: view.getUint32(4), gid: view.getUint32(8), device }
}
