import { describe, expect, it } from 'vitest'
import { errorCodes, UmlcowError } from '../../src/errors.js'
import { type CowHeader, computeLayout, maxHeaderSize, parseCowHeader } from '../../src/formats/cow/index.js'
import { findTruncation, openCowImage } from '../../src/images/cow-image.js'
import { openRawImage } from '../../src/images/raw-image.js'
import { countAllocated } from '../../src/overlays/count-allocated.js'
import { openMemoryStore } from '../../src/stores/memory-store.js'
import { amount, isDeep, runSeed, sampleOf, tally } from '../support/amount.js'
import { fixtureOverlays, mutateHeader, randomNumbers } from '../support/hostile.js'
import { temporaryDirectory } from '../support/paths.js'

const mutations = amount({ quick: 3000, deep: 100_000 })

let unpacked: ReturnType<typeof fixtureOverlays> | undefined

/** Unpacked once: it takes long. */
function overlaysOnce(): ReturnType<typeof fixtureOverlays> {
  unpacked ??= fixtureOverlays(temporaryDirectory())
  return unpacked
}

/** The fields where the format's documents put them, read on their own; undefined where the rules refuse the header. */
function fieldsByTheBook(bytes: Uint8Array, header: CowHeader) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const little = header.fieldOrder === 'little'
  const [mtime, size, sector, path, pathLength] = {
    v1: [264, 268, 276, 8, 256],
    v2: [4104, 4108, 4116, 8, 4096],
    v3: [8, 12, 20, 32, 4096],
    v3padded: [8, 16, 24, 36, 4096],
  }[header.layout] as [number, number, number, number, number]
  const field = bytes.subarray(path, path + pathLength)
  return {
    mtime: view.getUint32(mtime, little),
    virtualSize: Number(view.getBigUint64(size, little)),
    sectorSize: view.getUint32(sector, little),
    backingPath: Uint8Array.from(field.subarray(0, field.indexOf(0))),
  }
}

/** Look at an overlay as `info`, `map` and `check` do. Returns the code of the error, or null when it could be read. */
async function lookAt(bytes: Uint8Array): Promise<string | null> {
  const store = openMemoryStore(bytes)
  let header: CowHeader
  try {
    header = parseCowHeader(bytes.subarray(0, maxHeaderSize), { fileSize: bytes.length })
  } catch (error) {
    if (!(error instanceof UmlcowError) || !(error.code in errorCodes)) throw error
    return error.code
  }
  const { mtime, virtualSize, sectorSize, backingPath } = header
  expect({ mtime, virtualSize, sectorSize, backingPath }).toEqual(fieldsByTheBook(bytes, header))
  const layout = computeLayout(header)
  expect(layout.bitmapOffset + layout.bitmapLength).toBeLessThanOrEqual(layout.dataOffset)
  expect(Number.isSafeInteger(layout.dataOffset + layout.dataLength)).toBe(true)
  await countAllocated({ store, header, layout })
  await findTruncation(store, header)
  const image = openCowImage(store, header, openRawImage(openMemoryStore(new Uint8Array(1000))))
  const length = Math.min(4096, virtualSize)
  await image.read(0, new Uint8Array(length))
  await image.read(virtualSize - length, new Uint8Array(length))
  let at = 0
  let left = 20
  for await (const extent of image.extents(0, virtualSize)) {
    expect(extent.start).toBe(at)
    at += extent.length
    if (--left === 0) break
  }
  return null
}

describe('hostile headers', () => {
  it(`${mutations} mutated headers: a coded error or a right answer`, async () => {
    const overlays = overlaysOnce()
    const random = randomNumbers(amount({ quick: runSeed, deep: 1 }))
    const outcomes = new Map<string | null, number>()
    for (let i = 0; i < mutations; i++) {
      const { bytes } = overlays[i % overlays.length] as { bytes: Buffer }
      // What follows the header matters little here; copying megabytes so many times would take long.
      const file = bytes.subarray(0, Math.min(bytes.length, 16 * 1024))
      const mutated = Uint8Array.from(file)
      mutated.set(mutateHeader(file.subarray(0, maxHeaderSize), random))
      const outcome = await lookAt(mutated)
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    }
    // The mutations reach both sides of every check.
    for (const code of [
      'NOT_COW',
      'BAD_VERSION',
      'BAD_SECTOR_SIZE',
      'BAD_VIRTUAL_SIZE',
      'BAD_ALIGNMENT',
      'BAD_COW_FORMAT',
    ]) {
      expect(outcomes.get(code) ?? 0, code).toBeGreaterThan(amount({ quick: 0, deep: 50 }))
    }
    expect(outcomes.get(null) ?? 0).toBeGreaterThan(amount({ quick: 30, deep: 1000 }))
    tally('mutated headers', mutations, { kinds: outcomes.size })
  })

  it(`every fixture cut at ${isDeep ? 'every byte' : 'bytes'} of its header`, async () => {
    for (const { name, bytes } of overlaysOnce()) {
      const { headerSize } = computeLayout(parseCowHeader(bytes.subarray(0, maxHeaderSize), { fileSize: bytes.length }))
      // Most of a header is its path.
      const isPath = (length: number) => length >= 300 && length < headerSize - 60
      const lengths = Array.from({ length: headerSize }, (_, length) => length)
      const ends = lengths.filter((length) => !isPath(length))
      for (const length of [...ends, ...sampleOf(name, lengths.filter(isPath), 40)]) {
        const code = await lookAt(bytes.subarray(0, length))
        const expected = length < 4 ? ['NOT_COW'] : ['SHORT_HEADER', 'BAD_BYTE_ORDER']
        expect(expected, `${name} cut at ${length}`).toContain(code)
      }
      expect(await lookAt(bytes), name).toBeNull()
    }
  })
})
