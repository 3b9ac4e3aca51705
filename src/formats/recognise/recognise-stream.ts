import { indexOfByte, latin1Text } from '../../bytes/fast.js'
import { binaryMagics, isNewcMagic, newcMagic, odcMagic } from '../cpio/layout.js'
import { parseFakerootLine } from '../fakeroot/index.js'
import { blockSize, hasRightChecksum } from '../tar/layout.js'
import { type Compression, compressionOf } from './compressions.js'

/** Bytes from the start of a stream that show its kind. */
export const kindLength = blockSize

/** What a stream holds, by its first bytes. */
export type RecognisedStream =
  | { readonly kind: 'tar' | 'cpio' | 'mtree' | 'fakeroot' }
  /** A form of cpio that umlcow does not read. */
  | { readonly kind: 'old cpio'; readonly form: 'odc' | 'binary' }
  | { readonly kind: 'compressed'; readonly by: Compression }
  | { readonly kind: 'zip' | 'squashfs image' }

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
  const by = compressionOf(start)
  return by === null ? null : { kind: 'compressed', by }
}

function isFakeroot(start: Uint8Array): boolean {
  const end = indexOfByte(start, 0x0a)
  return end > 0 && parseFakerootLine(start.subarray(0, end)) !== null
}
