import { ceilDivide, floorDivide } from '../../bytes/align.js'
import { latin1Bytes } from '../../bytes/fast.js'
import { digestLength, writtenBlockSize } from './layout.js'

/** The start of a bmap file, with digits 0 for its own digest. */
export interface BmapHead {
  readonly bytes: Uint8Array
  /** Where the digest of the whole file goes. */
  readonly fileDigestOffset: number
}

/** @param mappedBlocks  blocks of all ranges together */
export function serializeBmapHead(imageSize: number, mappedBlocks: number): BmapHead {
  const before = `<?xml version="1.0" ?>
<!-- The blocks of an image that hold something. "bmaptool copy" writes these, and leaves out the others. -->
<bmap version="2.0">
    <ImageSize> ${imageSize} </ImageSize>
    <BlockSize> ${writtenBlockSize} </BlockSize>
    <BlocksCount> ${ceilDivide(imageSize, writtenBlockSize)} </BlocksCount>
    <MappedBlocksCount> ${mappedBlocks} </MappedBlocksCount>
    <ChecksumType> sha256 </ChecksumType>
    <BmapFileChecksum> `
  const after = ' </BmapFileChecksum>\n    <BlockMap>\n'
  return { bytes: latin1Bytes(before + '0'.repeat(digestLength) + after), fileDigestOffset: before.length }
}

/** @param start  first byte of the range, the start of a block @param end  its end, bytes @param digest  of its bytes */
export function serializeBmapRange(start: number, end: number, digest: string): Uint8Array {
  const first = floorDivide(start, writtenBlockSize)
  const last = ceilDivide(end, writtenBlockSize) - 1
  const blocks = first === last ? `${first}` : `${first}-${last}`
  return latin1Bytes(`        <Range chksum="${digest}"> ${blocks} </Range>\n`)
}

export const bmapTail = latin1Bytes('    </BlockMap>\n</bmap>\n')
