import { escapeText, pathText, printablePath } from '../../bytes/escape.js'
import { viewOf } from '../../bytes/struct.js'

/** An internal snapshot, as the snapshot table lists it. umlcow lists snapshots and does not read their data. */
export interface Qcow2Snapshot {
  readonly id: string
  readonly name: string
  readonly l1Offset: number
  readonly l1Size: number
  /** When it was made: seconds since 1970, and the rest in nanoseconds. */
  readonly seconds: number
  readonly nanoseconds: number
  /** How long the guest had run, nanoseconds. */
  readonly guestNanoseconds: bigint
  /** Bytes of the state of the virtual machine, beside the disk. */
  readonly vmStateSize: number
}

// offset size field             meaning
//      0    8 l1Offset          where the L1 table of the snapshot starts
//      8    4 l1Size            its entries
//     12    2 idLength          bytes
//     14    2 nameLength        bytes
//     16    4 seconds           time since 1970
//     20    4 nanoseconds       the rest of that time
//     24    8 guestNanoseconds  time that the guest had run
//     32    4 vmStateSize       bytes; the extra data may have a wider field
//     36    4 extraLength       bytes of extra data
//     40      extra data        8 bytes vmStateSize, 8 bytes virtual size; then the ID, the name, padding to 8 bytes
export const snapshotFixedSize = 40

/** Compute the length of an entry of the snapshot table, with its padding. @param fixed  its first 40 bytes */
export function snapshotLength(fixed: Uint8Array): number {
  const view = viewOf(fixed)
  const length = snapshotFixedSize + view.getUint32(36, false) + view.getUint16(12, false) + view.getUint16(14, false)
  return Math.ceil(length / 8) * 8
}

/** Parse an entry of the snapshot table. @param bytes  the whole entry */
export function parseSnapshot(bytes: Uint8Array): Qcow2Snapshot {
  const view = viewOf(bytes)
  const number = (offset: number) => view.getUint32(offset, false) * 2 ** 32 + view.getUint32(offset + 4, false)
  const extraLength = view.getUint32(36, false)
  const idStart = snapshotFixedSize + extraLength
  const nameStart = idStart + view.getUint16(12, false)
  return {
    id: textOf(bytes.subarray(idStart, nameStart)),
    name: textOf(bytes.subarray(nameStart, nameStart + view.getUint16(14, false))),
    l1Offset: number(0),
    l1Size: view.getUint32(8, false),
    seconds: view.getUint32(16, false),
    nanoseconds: view.getUint32(20, false),
    guestNanoseconds: view.getBigUint64(24, false),
    vmStateSize: extraLength >= 8 ? number(snapshotFixedSize) : view.getUint32(32, false),
  }
}

function textOf(bytes: Uint8Array): string {
  const text = pathText(bytes)
  return text === null ? printablePath(bytes) : escapeText(text)
}
