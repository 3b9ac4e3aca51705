import { equalBytes, latin1Bytes, latin1Text } from '../../../bytes/fast.js'
import { uuidTextOrNull } from '../../../bytes/uuid-text.js'
import { readHalf, readWord } from '../../../bytes/words.js'
import { type FileSystemFacts, labelIn, notRead } from './facts.js'

// Signatures of types that Linux makes. Offsets are bytes from the start of the disk or partition.
//   xfs       0 "XFSB", 32 UUID, 108 label of 12              XFS Algorithms & Data Structures, "Superblocks"
//   btrfs     65536: 32 UUID, 64 "_BHRfS_M", 299 label of 256 btrfs documentation, "On-disk Format", superblock
//   squashfs  0 "hsqs", 28 version 4                          Linux Documentation/filesystems/squashfs.rst
//   swap      last 10 of the first page "SWAPSPACE2"; 1024 version, 1036 UUID, 1052 label of 16
//                                                             Linux include/linux/swap.h, union swap_header
//   LUKS      0 "LUKS" ba be, 6 version, big-endian, 168 UUID as text of 40; version 2: 24 label of 48
//                                                             LUKS On-Disk Format Specifications 1.2.3 and 2
//   LVM       in one of the first four sectors: 0 "LABELONE", 8 its number, 20 where in the sector its header is,
//             24 "LVM2 001"; the header starts with 32 letters  LVM2 documentation, "On-disk format"

/** Make a test whether bytes have this text at an offset. */
function hasText(bytes: Uint8Array, offset: number, text: string): boolean {
  return equalBytes(bytes.subarray(offset, offset + text.length), latin1Bytes(text))
}

export function recogniseXfs(start: Uint8Array): FileSystemFacts | null {
  if (!hasText(start, 0, 'XFSB')) return null
  return notRead('xfs', { uuid: uuidTextOrNull(start.subarray(32, 48)), label: labelIn(start.subarray(108, 120)) })
}

const btrfsSuperblock = 65536

export function recogniseBtrfs(start: Uint8Array): FileSystemFacts | null {
  const superblock = start.subarray(btrfsSuperblock, btrfsSuperblock + 4096)
  if (!hasText(superblock, 64, '_BHRfS_M')) return null
  const uuid = uuidTextOrNull(superblock.subarray(32, 48))
  return notRead('btrfs', { uuid, label: labelIn(superblock.subarray(299, 555)) })
}

export function recogniseSquashfs(start: Uint8Array): FileSystemFacts | null {
  return hasText(start, 0, 'hsqs') && readHalf(start, 28) === 4 ? notRead('squashfs') : null
}

const swapPages = [4096, 8192, 16384, 32768, 65536]

export function recogniseSwap(start: Uint8Array): FileSystemFacts | null {
  if (!swapPages.some((page) => hasText(start, page - 10, 'SWAPSPACE2'))) return null
  return notRead('swap', {
    uuid: uuidTextOrNull(start.subarray(1036, 1052)),
    label: labelIn(start.subarray(1052, 1068)),
  })
}

export function recogniseLuks(start: Uint8Array): FileSystemFacts | null {
  if (!hasText(start, 0, 'LUKS\xba\xbe')) return null
  const label = start[7] === 1 ? null : labelIn(start.subarray(24, 72))
  return notRead('crypto_LUKS', { uuid: textIn(start.subarray(168, 208)), label })
}

function textIn(field: Uint8Array): string | null {
  const bytes = labelIn(field)
  return bytes === null ? null : latin1Text(bytes)
}

const lvmSectors = [0, 1, 2, 3]
const sectorSize = 512

export function recogniseLvm(start: Uint8Array): FileSystemFacts | null {
  for (const number of lvmSectors) {
    const label = start.subarray(number * sectorSize, (number + 1) * sectorSize)
    if (!hasText(label, 0, 'LABELONE') || !hasText(label, 24, 'LVM2 001') || readWord(label, 8) !== number) continue
    const letters = latin1Text(label.subarray(readWord(label, 20)).subarray(0, 32))
    const groups = [6, 10, 14, 18, 22, 26, 32].map((end, i, ends) => letters.slice(i === 0 ? 0 : ends[i - 1], end))
    return notRead('LVM2_member', { uuid: letters.length === 32 ? groups.join('-') : null })
  }
  return null
}

/** Android's sparse image: chunks of an image, which must be put together first. */
export function recogniseSparseImage(start: Uint8Array): FileSystemFacts | null {
  if (!hasText(start, 0, '\x3a\xff\x26\xed')) return null
  const problem = 'it is a sparse image of Android: "simg2img FILE NEW" makes a raw image of it'
  return { ...notRead('simg'), problem }
}
