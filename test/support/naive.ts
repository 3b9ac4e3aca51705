// The plainest reader there is: one sector after another, one byte after another, in arrays. It shares no code with
// src/, and does what the page on the format says and nothing to be fast.

/** The header layouts and, for those with a choice, the byte orders that exist in the wild. */
export type NaiveLayoutName = 'v1' | 'v1big' | 'v1hybrid' | 'v2' | 'v2little' | 'v3' | 'v3little' | 'v3padded'

/** Where things are in an overlay, bytes. */
export interface NaiveFacts {
  readonly headerSize: number
  readonly virtualSize: number
  readonly sectorSize: number
  readonly bitmapOffset: number
  readonly bitmapLength: number
  readonly dataOffset: number
}

const headerSizes: Record<NaiveLayoutName, bigint> = {
  v1: 280n,
  v1big: 280n,
  v1hybrid: 280n,
  v2: 4120n,
  v2little: 4120n,
  v3: 4128n,
  v3little: 4128n,
  v3padded: 4136n,
}

function roundUp(value: bigint, unit: bigint): bigint {
  let rounded = (value / unit) * unit
  if (rounded < value) rounded += unit
  return rounded
}

/** The table of the format's page in exact integers. */
export function naiveFacts(
  layout: NaiveLayoutName,
  virtualSize: number,
  sectorSize: number,
  alignment: number,
): NaiveFacts {
  const headerSize = headerSizes[layout]
  const size = BigInt(virtualSize)
  const sector = BigInt(sectorSize)
  const isOld = layout.startsWith('v1') || layout.startsWith('v2')
  const bitmapOffset = isOld ? headerSize : roundUp(headerSize, BigInt(alignment))
  const bitmapLength = isOld ? (size + sector - 1n) / (8n * sector) : roundUp(roundUp(size, sector) / sector, 8n) / 8n
  const dataOffset = roundUp(bitmapOffset + bitmapLength, isOld ? sector : BigInt(alignment))
  return {
    headerSize: Number(headerSize),
    virtualSize,
    sectorSize,
    bitmapOffset: Number(bitmapOffset),
    bitmapLength: Number(bitmapLength),
    dataOffset: Number(dataOffset),
  }
}

/** True when the bitmap of `overlay` has a bit for this sector and it is set. */
export function isSupplied(overlay: Uint8Array, facts: NaiveFacts, sector: number): boolean {
  const byteIndex = Math.floor(sector / 8)
  if (byteIndex >= facts.bitmapLength) return false
  const byte = overlay[facts.bitmapOffset + byteIndex] ?? 0
  return Math.floor(byte / 2 ** (sector % 8)) % 2 === 1
}

/** What the guest sees, sector by sector. What lies beyond the end of either file reads as zeros. */
export function mergeNaively(overlay: Uint8Array, backing: Uint8Array, facts: NaiveFacts): Uint8Array {
  const merged = new Uint8Array(facts.virtualSize)
  for (let sector = 0; sector * facts.sectorSize < facts.virtualSize; sector++) {
    const fromOverlay = isSupplied(overlay, facts, sector)
    const start = sector * facts.sectorSize
    for (let at = start; at < Math.min(start + facts.sectorSize, facts.virtualSize); at++) {
      merged[at] = (fromOverlay ? overlay[facts.dataOffset + at] : backing[at]) ?? 0
    }
  }
  return merged
}
