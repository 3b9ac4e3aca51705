import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CopyFacts, copiersFor, mayHaveHoles } from '../../src/engine/choose-copier.js'

const mebibyte = 2 ** 20
/** Holes of so many bytes pay for a helper. */
const many = 64 * mebibyte
const data = 32 * mebibyte

describe('copiersFor', () => {
  it.each<[what: string, facts: CopyFacts, ways: string]>([
    ['no regular file', { size: many * 9, allocatedSize: null, overlaySize: 0, sparse: 'auto' }, 'read'],
    ['nothing at all', { size: 0, allocatedSize: 0, overlaySize: 0, sparse: 'auto' }, 'reflink read'],
    ['no holes', { size: data, allocatedSize: data, overlaySize: 0, sparse: 'auto' }, 'reflink read'],
    [
      'more stored than there is',
      { size: data, allocatedSize: data * 2, overlaySize: 0, sparse: 'auto' },
      'reflink read',
    ],
    ['few holes', { size: data + many - 1, allocatedSize: data, overlaySize: 0, sparse: 'auto' }, 'reflink read'],
    [
      'many holes',
      { size: data + many, allocatedSize: data, overlaySize: 0, sparse: 'auto' },
      'reflink extents cp read',
    ],
    ['one hole', { size: many, allocatedSize: 0, overlaySize: 0, sparse: 'auto' }, 'reflink extents cp read'],
    ['one hole, with data over it', { size: many, allocatedSize: 0, overlaySize: 512, sparse: 'auto' }, 'extents read'],
    [
      'an overlay of a quarter',
      { size: data + many, allocatedSize: data, overlaySize: data / 4, sparse: 'auto' },
      'reflink extents cp read',
    ],
    [
      'an overlay of more than a quarter',
      { size: data + many, allocatedSize: data, overlaySize: data / 4 + 512, sparse: 'auto' },
      'reflink extents read',
    ],
    [
      'an overlay of half',
      { size: data + many, allocatedSize: data, overlaySize: data / 2, sparse: 'auto' },
      'reflink extents read',
    ],
    [
      'an overlay of more than half',
      { size: data + many, allocatedSize: data, overlaySize: data / 2 + 512, sparse: 'auto' },
      'extents read',
    ],
    ['zeros to holes', { size: data + many, allocatedSize: data, overlaySize: 0, sparse: 'always' }, 'extents read'],
    ['zeros to holes, few holes', { size: data, allocatedSize: data, overlaySize: 0, sparse: 'always' }, 'read'],
    ['every byte stored', { size: data + many, allocatedSize: data, overlaySize: 0, sparse: 'never' }, 'read'],
  ])('%s', (_what, facts, ways) => {
    expect(copiersFor(facts).join(' ')).toBe(ways)
  })

  it('ends with the way that always works, and tries none twice', () => {
    const numbers = fc.integer({ min: 0, max: 2 ** 40 })
    const facts = fc.record({
      size: numbers,
      allocatedSize: fc.option(numbers),
      overlaySize: numbers,
      sparse: fc.constantFrom('auto' as const, 'always' as const, 'never' as const),
    })
    fc.assert(
      fc.property(facts, (one) => {
        const ways = copiersFor(one)
        expect(ways.at(-1)).toBe('read')
        expect(new Set(ways).size).toBe(ways.length)
      }),
    )
  })
})

describe('mayHaveHoles', () => {
  it.each([
    [null, false],
    [0, true],
    [data, true],
    [data + 1, false],
    [data + many, false],
    [data + 2 * many, false],
  ])('with %s bytes stored: %s', (allocatedSize, expected) => {
    expect(mayHaveHoles({ size: data + many, allocatedSize })).toBe(expected)
  })
})
