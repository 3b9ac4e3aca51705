import type { FakerootRecord } from '../formats/fakeroot/index.js'
import type { EntryType } from '../formats/manifest/entry.js'

/** What a record of fakeroot says of a file. */
export type PackedFacts = Pick<FakerootRecord, 'type' | 'mode' | 'uid' | 'gid' | 'device'>

const types: readonly EntryType[] = ['file', 'directory', 'symlink', 'character', 'block', 'fifo', 'socket']

// Type and mode (2 bytes each), uid, gid, major, minor (4 each), 1 where there is a device (1).
export const packedLength = 21

/** A record in a few bytes: a million of them have to be remembered. */
export function packRecord({ type, mode, uid, gid, device }: PackedFacts, out: Buffer): void {
  out.writeUInt16LE(types.indexOf(type), 0)
  out.writeUInt16LE(mode, 2)
  const { major, minor } = device ?? { major: 0, minor: 0 }
  for (const [i, value] of [uid, gid, major, minor].entries()) out.writeUInt32LE(value, 4 + 4 * i)
  out.writeUInt8(device === null ? 0 : 1, 20)
}

export function unpackRecord(bytes: Buffer): PackedFacts {
  const [uid, gid, major, minor] = [4, 8, 12, 16].map((at) => bytes.readUInt32LE(at)) as [
    number,
    number,
    number,
    number,
  ]
  return {
    type: types[bytes.readUInt16LE(0)]!,
    mode: bytes.readUInt16LE(2),
    uid,
    gid,
    device: bytes.readUInt8(20) === 0 ? null : { major, minor },
  }
}
