import type { ModelDisk } from '../../../support/model-disk.js'
import { isSupplied, type NaiveFacts, naiveFacts } from '../../../support/naive.js'

// What the kernel does with overlays, after arch/um/drivers/cow_user.c and ubd_user.c: when it opens one, what a guest
// then reads, and how a guest writes. Nothing is shared with src/, so that a mistake there cannot hide itself.

export type Version = 1 | 2 | 3

const sectorSize = 512

/** Where the fields of a header are, and whether they are little-endian: a version 1 header is in host order. */
const fields = {
  1: { path: 8, mtime: 264, size: 268, sectorSize: 276, little: true },
  2: { path: 8, mtime: 4104, size: 4108, sectorSize: 4116, little: false },
  3: { path: 32, mtime: 8, size: 12, sectorSize: 20, little: false },
} as const

export function factsFor(version: Version, virtualSize: number): NaiveFacts {
  return naiveFacts(`v${version}`, virtualSize, sectorSize, 4096)
}

/** Sectors that a bit can stand for. */
export function bitCount(version: Version, virtualSize: number): number {
  return Math.min(Math.ceil(virtualSize / sectorSize), factsFor(version, virtualSize).bitmapLength * 8)
}

export interface NewOverlay {
  readonly version: Version
  readonly virtualSize: number
  readonly mtime: number
  readonly backingPath: string
  /** Bytes by sector. */
  readonly sectors?: ReadonlyMap<number, Uint8Array> | undefined
}

/** The bytes of an overlay, at full length. */
export function overlayBytes({ version, virtualSize, mtime, backingPath, sectors }: NewOverlay): Buffer {
  const facts = factsFor(version, virtualSize)
  const bytes = Buffer.alloc(facts.dataOffset + virtualSize)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const at = fields[version]
  view.setUint32(0, 0x4f4f4f4d, at.little)
  view.setUint32(4, version, at.little)
  bytes.write(backingPath, at.path)
  view.setUint32(at.mtime, mtime, at.little)
  view.setBigUint64(at.size, BigInt(virtualSize), at.little)
  view.setUint32(at.sectorSize, sectorSize, at.little)
  if (version === 3) view.setUint32(24, 4096, false)
  for (const [sector, data] of sectors ?? []) {
    bytes.set(data, facts.dataOffset + sector * sectorSize)
    bytes[bitOffset(facts, sector)]! |= 1 << (sector % 8)
  }
  return bytes
}

function bitOffset(facts: NaiveFacts, sector: number): number {
  return facts.bitmapOffset + Math.floor(sector / 8)
}

export interface SeenHeader {
  readonly version: Version
  readonly mtime: number
  readonly facts: NaiveFacts
}

/** Null when it is no overlay. */
export function seeHeader(bytes: Buffer): SeenHeader | null {
  if (bytes.length < 280) return null
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const little = view.getUint32(0, true) === 0x4f4f4f4d
  if (!little && view.getUint32(0, false) !== 0x4f4f4f4d) return null
  const version = view.getUint32(4, little) as Version
  const at = fields[version]
  if (bytes.length < factsFor(version, 0).headerSize || view.getUint32(at.sectorSize, at.little) !== sectorSize) {
    return null
  }
  const virtualSize = Number(view.getBigUint64(at.size, at.little))
  return { version, mtime: view.getUint32(at.mtime, at.little), facts: factsFor(version, virtualSize) }
}

/** Whether the kernel opens an overlay on a backing file: its header has the size and the second of the mtime. */
export function kernelOpens(disk: ModelDisk, overlayPath: string, backingPath: string): boolean {
  return openedByKernel(disk, overlayPath, backingPath) !== null
}

/** The bytes of an overlay that the kernel opens, or null. */
export function openedByKernel(disk: ModelDisk, overlayPath: string, backingPath: string): Buffer | null {
  if (!disk.exists(overlayPath) || !disk.exists(backingPath)) return null
  const bytes = disk.readFile(overlayPath)
  const header = seeHeader(bytes)
  if (header === null) return null
  const { size, mtime } = disk.facts(backingPath)
  return header.facts.virtualSize === size && header.mtime === mtime ? bytes : null
}

/** What a guest reads. The same as `mergeNaively`, a sector at a time. */
export function readThrough(overlay: Buffer, backing: Buffer): Buffer {
  const header = seeHeader(overlay)
  if (header === null) throw new Error('not an overlay')
  const { facts } = header
  const merged = Buffer.alloc(facts.virtualSize)
  backing.copy(merged)
  for (let sector = 0; sector * sectorSize < facts.virtualSize; sector++) {
    if (!isSupplied(overlay, facts, sector)) continue
    const start = sector * sectorSize
    const end = Math.min(start + sectorSize, facts.virtualSize)
    merged.fill(0, start, end)
    overlay.copy(merged, start, facts.dataOffset + start, facts.dataOffset + end)
  }
  return merged
}

export function suppliedSectors(overlay: Buffer): number[] {
  const header = seeHeader(overlay)
  if (header === null) throw new Error('not an overlay')
  const { facts } = header
  const count = Math.ceil(facts.virtualSize / sectorSize)
  return Array.from({ length: count }, (_, sector) => sector).filter((sector) => isSupplied(overlay, facts, sector))
}

export interface Guest {
  /** Write whole sectors, the last one perhaps partial: the data, then the words of the bitmap. */
  write(sectors: ReadonlyMap<number, Uint8Array>): Promise<void>
  sync(): Promise<void>
}

/** Boot a guest on an overlay: it keeps the bitmap in memory, as it was when it booted, and writes it back from there. */
export function bootGuest(disk: ModelDisk, overlayPath: string): Guest {
  const bytes = disk.readFile(overlayPath)
  const { facts } = seeHeader(bytes)!
  const bitmap = Buffer.from(bytes.subarray(facts.bitmapOffset, facts.bitmapOffset + facts.bitmapLength))
  const withStore = async (run: (store: Awaited<ReturnType<typeof disk.files.open>>) => Promise<void>) => {
    const store = await disk.files.open(overlayPath, 'readWrite')
    try {
      await run(store)
    } finally {
      await store.close()
    }
  }
  return {
    write: (sectors) =>
      withStore(async (store) => {
        for (const [sector, data] of sectors) {
          await store.write(facts.dataOffset + sector * sectorSize, data)
          bitmap[Math.floor(sector / 8)]! |= 1 << (sector % 8)
        }
        const touched = [...sectors.keys()].map((sector) => Math.floor(sector / 64) * 8)
        for (const word of new Set(touched)) {
          await store.write(facts.bitmapOffset + word, bitmap.subarray(word, word + 8))
        }
      }),
    sync: () => withStore((store) => store.sync()),
  }
}
