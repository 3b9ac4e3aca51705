import { latin1Text } from '../../../bytes/fast.js'
import { readHalf, readWord } from '../../../bytes/words.js'
import { type FileSystemFacts, labelIn, notRead } from './facts.js'

// Signatures of types that other systems made first.
//   vfat     boot sector: 0 jump, 11 bytes of a sector, 13 sectors of a cluster, 16 count of FATs, 510 0x55 0xaa;
//            54 "FAT12   ", "FAT16   " or "FAT     ", 39 serial number, 43 label of 11;
//            82 "FAT32   ", 67 serial number, 71 label of 11          FAT specification of Microsoft, 3
//   iso9660  32768: 0 type 1, 1 "CD001", 40 label of 32, 813 time of creation, 830 of modification, 16 digits each
//                                                                    ECMA-119, 8.4

const noLabel = 'NO NAME'

/** A master boot record ends with the same two bytes as a boot sector, so more must fit. */
export function recogniseFat(start: Uint8Array): FileSystemFacts | null {
  if (start.length < 512 || start[510] !== 0x55 || start[511] !== 0xaa || !hasFatNumbers(start)) return null
  const isLong = latin1Text(start, 82, 90) === 'FAT32   '
  if (!isLong && !['FAT12   ', 'FAT16   ', 'FAT     '].includes(latin1Text(start, 54, 62))) return null
  const at = isLong ? 67 : 39
  const serial = readWord(start, at)
  const digits = serial.toString(16).toUpperCase().padStart(8, '0')
  const label = labelIn(start.subarray(at + 4, at + 15))
  return notRead('vfat', {
    uuid: serial === 0 ? null : `${digits.slice(0, 4)}-${digits.slice(4)}`,
    label: label !== null && latin1Text(label) === noLabel ? null : label,
  })
}

function hasFatNumbers(start: Uint8Array): boolean {
  const isJump = start[0] === 0xeb || start[0] === 0xe9
  const isSectorSize = [512, 1024, 2048, 4096].includes(readHalf(start, 11))
  const clusterSectors = start[13]!
  const isClusterSize = clusterSectors > 0 && (clusterSectors & (clusterSectors - 1)) === 0
  return isJump && isSectorSize && isClusterSize && start[16]! > 0
}

const isoDescriptor = 32768

export function recogniseIso(start: Uint8Array): FileSystemFacts | null {
  const descriptor = start.subarray(isoDescriptor, isoDescriptor + 2048)
  if (descriptor.length < 2048 || latin1Text(descriptor, 0, 6) !== '\x01CD001') return null
  const uuid = timeIn(descriptor, 830) ?? timeIn(descriptor, 813)
  return notRead('iso9660', { uuid, label: labelIn(descriptor.subarray(40, 72)) })
}

/** What blkid takes as the UUID: `2026-01-31-12-00-00-00`. */
function timeIn(descriptor: Uint8Array, at: number): string | null {
  const digits = latin1Text(descriptor, at, at + 16)
  if ([...digits].some((digit) => digit < '0' || digit > '9') || digits === '0'.repeat(16)) return null
  return [digits.slice(0, 4), ...[4, 6, 8, 10, 12, 14].map((from) => digits.slice(from, from + 2))].join('-')
}
