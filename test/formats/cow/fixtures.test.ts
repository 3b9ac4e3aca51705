import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { listPairs, unpackPair } from '../../../fixtures/unpack.js'
import { computeLayout, editHeader, maxHeaderSize, parseCowHeader } from '../../../src/formats/cow/index.js'
import { temporaryDirectory } from '../../support/paths.js'

/** The words of pair.json for the two byte orders, of the magic and of the fields. */
const byteOrders: Record<string, readonly [string, string]> = {
  big: ['big', 'big'],
  little: ['little', 'little'],
  'big-endian magic and version, rest little-endian': ['big', 'little'],
  'little-endian magic and version, rest big-endian': ['little', 'big'],
}

describe('the headers of the fixtures', () => {
  test.each(listPairs().map(({ kind }) => kind))('%s', (kind) => {
    const pair = unpackPair(kind, temporaryDirectory())
    for (const [index, overlay] of pair.overlays.entries()) {
      const file = new Uint8Array(readFileSync(pair.paths.overlays[index]!))
      const header = parseCowHeader(file.subarray(0, maxHeaderSize), { fileSize: file.length })
      expect(header.virtualSize).toBe(pair.backing.size)
      expect(header.mtime).toBe(pair.backing.mtime)
      expect(Buffer.from(header.backingPath).toString()).toBe('/srv/uml/root_fs')

      const { headerSize, bitmapOffset, bitmapLength, dataOffset } = computeLayout(header)
      expect(header.bytes).toEqual(file.slice(0, headerSize))
      expect(editHeader(header, {})).toEqual(header.bytes)
      expect(editHeader(header, { mtime: header.mtime, backingPath: header.backingPath })).toEqual(header.bytes)
      if (pair.group === 'kernel') {
        expect(header).toMatchObject({ version: 3, layout: 'v3', magicOrder: 'big', sectorSize: 512, alignment: 4096 })
      }
      if (overlay.header === undefined) continue
      const {
        byteOrder,
        padded64,
        version,
        sectorSize,
        alignment = sectorSize,
        headerLength,
        ...places
      } = overlay.header
      expect(places).toEqual({ bitmapOffset, bitmapLength, dataOffset })
      expect(headerSize).toBe(headerLength)
      expect(header).toMatchObject({ version, sectorSize, alignment })
      expect(header.layout === 'v3padded').toBe(padded64)
      expect([header.magicOrder, header.fieldOrder]).toEqual(byteOrders[byteOrder])
    }
  })

  test('are there: every layout and both groups', () => {
    const pairs = listPairs()
    expect(new Set(pairs.map(({ group }) => group))).toEqual(new Set(['kernel', 'versions']))
    const headers = pairs.flatMap(({ overlays }) => overlays.map(({ header }) => header)).filter((one) => one != null)
    expect(new Set(headers.map(({ version }) => version))).toEqual(new Set([1, 2, 3]))
    expect(headers.length).toBeGreaterThanOrEqual(17)
  })
})
