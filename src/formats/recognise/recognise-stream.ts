import { indexOfByte, latin1Text } from '../../bytes/fast.js'
import { binaryMagics, isNewcMagic, newcMagic, odcMagic } from '../cpio/layout.js'
import { parseFakerootLine } from '../fakeroot/index.js'
import { blockSize, hasRightChecksum } from '../tar/layout.js'
import { type Compression, compressionOf } from './compressions.js'

/** Of a COW file in either byte order, and of a qcow2 image.  Source: Linux arch/um, QEMU docs/interop/qcow2.rst */
const diskImageMagics: readonly string[] = ['OOOM', 'MOOO', 'QFI\xfb']

/** Where ext2, ext3 and ext4 have their magic number.  Source: Linux Documentation/filesystems/ext4/super.rst */
const extMagicAt = 1024 + 0x38

/** Bytes from the start of a stream that show its kind. */
export const kindLength = extMagicAt + 2

/** What a stream holds, by its first bytes. */
export type RecognisedStream =
  | { readonly kind: 'tar' | 'cpio' | 'mtree' | 'fakeroot' }
  /** A form of cpio that umlcow does not read. */
  | { readonly kind: 'old cpio'; readonly form: 'odc' | 'binary' }
  | { readonly kind: 'compressed'; readonly by: Compression }
  | { readonly kind: 'zip' | 'squashfs image' | 'disk image' }

/** Find out what a stream holds. @param start  its first `kindLength` bytes. @returns null when nothing shows it */
export function recogniseStream(start: Uint8Array): RecognisedStream | null {
  if (start.length >= blockSize && hasRightChecksum(start.subarray(0, blockSize))) return { kind: 'tar' }
  const text = latin1Text(start)
  if (isNewcMagic(text.slice(0, newcMagic.length))) return { kind: 'cpio' }
  if (text.startsWith(odcMagic)) return { kind: 'old cpio', form: 'odc' }
  if (binaryMagics.some((magic) => text.startsWith(magic))) return { kind: 'old cpio', form: 'binary' }
  if (text.startsWith('#mtree')) return { kind: 'mtree' }
  if (isFakeroot(start)) return { kind: 'fakeroot' }
  if (text.startsWith('PK\x03\x04')) return { kind: 'zip' }
  if (text.startsWith('hsqs')) return { kind: 'squashfs image' }
  if (isDiskImage(start, text)) return { kind: 'disk image' }
  const by = compressionOf(start)
  return by === null ? null : { kind: 'compressed', by }
}

/** A COW file, a qcow2 image, or a raw one that begins with a file system. */
function isDiskImage(start: Uint8Array, text: string): boolean {
  if (diskImageMagics.some((magic) => text.startsWith(magic))) return true
  return start.length >= kindLength && start[extMagicAt] === 0x53 && start[extMagicAt + 1] === 0xef
}

function isFakeroot(start: Uint8Array): boolean {
  const end = indexOfByte(start, 0x0a)
  return end > 0 && parseFakerootLine(start.subarray(0, end)) !== null
}
