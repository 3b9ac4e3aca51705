import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { errorCodes, UmlcowError } from '../../../src/errors.js'
import { parseCowHeader } from '../../../src/formats/cow/index.js'
import { findTruncation } from '../../../src/images/cow-image.js'
import { openMemoryStore } from '../../../src/stores/memory-store.js'
import { runs } from '../../support/amount.js'
import { generatePair, pairLayouts } from '../../support/generate.js'
import { root } from '../../support/paths.js'

const directory = path.join(root, 'fixtures/invalid')
const fixtures = readdirSync(directory).filter((name) => name.endsWith('.cow'))

/** The code of the error that `run` throws, or null when it throws none. */
function codeOf(run: () => unknown): string | null {
  try {
    run()
    return null
  } catch (error) {
    if (!(error instanceof UmlcowError)) throw error
    expect(Object.keys(errorCodes)).toContain(error.code)
    return error.code
  }
}

describe('fixtures/invalid', () => {
  test('has a file for every code that parsing a header gives', () => {
    const codes = new Set(fixtures.map((name) => name.split('--')[0]))
    expect([...codes].sort()).toEqual([
      'BAD_ALIGNMENT',
      'BAD_BACKING_PATH',
      'BAD_BYTE_ORDER',
      'BAD_COW_FORMAT',
      'BAD_SECTOR_SIZE',
      'BAD_VERSION',
      'BAD_VIRTUAL_SIZE',
      'NOT_COW',
      'SHORT_HEADER',
      'TRUNCATED_OVERLAY',
    ])
  })

  test.each(fixtures)('%s', async (name) => {
    const bytes = readFileSync(path.join(directory, name))
    const expected = name.split('--')[0]
    if (expected !== 'TRUNCATED_OVERLAY') {
      expect(codeOf(() => parseCowHeader(bytes, { fileSize: bytes.length }))).toBe(expected)
      return
    }
    const header = parseCowHeader(bytes, { fileSize: bytes.length })
    const found = await findTruncation(openMemoryStore(bytes), header)
    expect(found).not.toBeNull()
    expect(found?.inBitmap).toBe(name.includes('bitmap'))
    expect(found?.inBitmap || (found?.missingLength ?? 0) > 0).toBe(true)
  })
})

describe('a header that is cut', () => {
  test.each(pairLayouts)('%s, at every length', (layout) => {
    const { overlayBytes, facts } = generatePair(1, { layout, virtualSize: 96 * 1024, sectorSize: 512 })
    for (let length = 0; length <= facts.headerSize; length++) {
      const bytes = overlayBytes.subarray(0, length)
      const expected = length < 4 ? 'NOT_COW' : length < facts.headerSize ? 'SHORT_HEADER' : null
      expect(codeOf(() => parseCowHeader(bytes, { fileSize: overlayBytes.length }))).toBe(expected)
    }
  })
})

describe('a header with noise in it', () => {
  test('gives a header or a coded error, and nothing else', () => {
    const property = fc.property(
      fc.nat(10_000),
      fc.array(
        fc.record({ at: fc.oneof(fc.nat(48), fc.integer({ min: 260, max: 280 }), fc.nat(4135)), to: fc.nat(255) }),
        {
          minLength: 1,
          maxLength: 4,
        },
      ),
      fc.option(fc.nat(2 ** 32)),
      (seed, changes, fileSize) => {
        const { overlayBytes } = generatePair(seed, { virtualSize: 4096 })
        const bytes = overlayBytes.slice(0, 4136)
        for (const { at, to } of changes) bytes[at % bytes.length] = to
        codeOf(() => {
          const header = parseCowHeader(bytes, { fileSize: fileSize ?? undefined })
          expect(header.virtualSize).toBeLessThan(2 ** 53)
          expect(header.sectorSize).toBeGreaterThanOrEqual(512)
          expect(header.alignment).toBeGreaterThanOrEqual(1)
        })
      },
    )
    fc.assert(property, { numRuns: runs(1000) })
  })

  test('pure noise behind a magic gives a header or a coded error', () => {
    const property = fc.property(fc.uint8Array({ maxLength: 300 }), fc.constantFrom('OOOM', 'MOOO'), (noise, magic) => {
      codeOf(() => parseCowHeader(Buffer.concat([Buffer.from(magic), noise])))
    })
    fc.assert(property, { numRuns: runs(500) })
  })
})

describe('messages', () => {
  test.each([
    ['NOT_COW--text.cow', 'cow.node0: not a COW file: expected the magic 0x4f4f4f4d at offset 0'],
    ['BAD_VERSION--4.cow', 'cow.node0: expected version 1, 2 or 3, got 4 at offset 4'],
    ['SHORT_HEADER--magic-only.cow', 'cow.node0: the file ends inside its header: expected 8 bytes, got 4'],
    [
      'BAD_SECTOR_SIZE--v3-513.cow',
      'cow.node0: expected a sector size that is a power of two from 512 to 1048576, got 513 at offset 20',
    ],
    [
      'BAD_SECTOR_SIZE--v1-513.cow',
      'cow.node0: expected a sector size that is a power of two from 512 to 1048576, got 513 at offset 276',
    ],
    ['BAD_ALIGNMENT--v3-0.cow', 'cow.node0: expected an alignment of 1 to 1073741824, got 0'],
  ])('%s', (name, message) => {
    const bytes = readFileSync(path.join(directory, name))
    expect(() => parseCowHeader(bytes, { fileSize: bytes.length, name: 'cow.node0' })).toThrow(message)
  })
})
