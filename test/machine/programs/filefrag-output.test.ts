import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ExtentParser } from '../../../src/machine/programs/filefrag-output.js'
import { amount, runs } from '../../support/amount.js'

// Listings as filefrag 1.47 of e2fsprogs prints them for descriptor 3, of files on ext4.

const columns = ' ext:     logical_offset:        physical_offset: length:   expected: flags:\n'

const real: Record<string, { size: number; listing: string; stretches: number[] }> = {
  'several extents, the first two with a gap': {
    size: 104857600,
    listing: `Filesystem type is: ef53
File size of /proc/self/fd/3 is 104857600 (104857600 blocks of 1 bytes)
${columns}   0:        0.. 1048575: 148855848960..148856897535: 1048576:            
   1: 10485760..11534335: 148866334720..148867383295: 1048576:            
   2: 52428800..53477375: 148874723328..148875771903: 1048576: 148908277760:
   3: 103809024..104857599: 148850606080..148851654655: 1048576: 148926103552: last,eof
/proc/self/fd/3: 3 extents found
`,
    stretches: [0, 1048576, 10485760, 11534336, 52428800, 53477376, 103809024, 104857600],
  },
  'an empty file': {
    size: 0,
    listing: `Filesystem type is: ef53
File size of /proc/self/fd/3 is 0 (0 blocks of 1 bytes)
/proc/self/fd/3: 0 extents found
`,
    stretches: [],
  },
  'one hole': {
    size: 1000000,
    listing: `Filesystem type is: ef53
File size of /proc/self/fd/3 is 1000000 (1003520 blocks of 1 bytes)
/proc/self/fd/3: 0 extents found
`,
    stretches: [],
  },
  unwritten: {
    size: 1048576,
    listing: `Filesystem type is: ef53
File size of /proc/self/fd/3 is 1048576 (1048576 blocks of 1 bytes)
${columns}   0:        0.. 1048575: 161869725696..161870774271: 1048576:             last,unwritten,eof
/proc/self/fd/3: 1 extent found
`,
    stretches: [0, 1048576],
  },
  'just written, its size no multiple of a block': {
    size: 5000,
    listing: `Filesystem type is: ef53
File size of /proc/self/fd/3 is 5000 (8192 blocks of 1 bytes)
${columns}   0:        0..    8191: 35441360896..35441369087:   8192:             last,eof
/proc/self/fd/3: 1 extent found
`,
    stretches: [0, 5000],
  },
  'one block, and preallocated beyond its end': {
    size: 100,
    listing: `Filesystem type is: ef53
File size of /proc/self/fd/3 is 100 (4096 block of 1 bytes)
${columns}   0:        0..    4095: 35441356800..35441360895:   4096:            ,eof
   1:     4096.. 1048575: 161870774272..161871818751: 1044480: 35441360896: last,unwritten,eof
/proc/self/fd/3: 2 extents found
`,
    stretches: [0, 100],
  },
}

function parsed(size: number, chunks: Iterable<string>): number[] | null {
  const parser = new ExtentParser(size)
  for (const chunk of chunks) parser.push(chunk)
  const found = parser.finish()
  return found === null ? null : [...found]
}

const size = 104857600
const head = `Filesystem type is: ef53\nFile size of /proc/self/fd/3 is ${size} (${size} blocks of 1 bytes)\n`
const foot = '/proc/self/fd/3: 1 extent found\n'
const row = (index: number, start: number, length: number) =>
  `${index}: ${start}.. ${start + length - 1}: 4096.. 8191: ${length}: last,eof\n`
const listing = (...rows: string[]) => `${head}${columns}${rows.join('')}${foot}`

describe('a real listing', () => {
  test.each(Object.entries(real))('%s', (_what, one) => {
    expect(parsed(one.size, [one.listing])).toEqual(one.stretches)
  })

  test('that is cut anywhere counts for nothing', () => {
    for (const one of Object.values(real)) {
      for (let end = 0; end < one.listing.length; end++) {
        expect(parsed(one.size, [one.listing.slice(0, end)]), JSON.stringify(one.listing.slice(0, end))).toBeNull()
      }
    }
  })

  test('is the same in whatever chunks it comes', () => {
    const cuts = fc.array(fc.nat(700), { maxLength: 20 })
    const damage = fc.option(
      fc.record({ at: fc.nat(700), text: fc.constantFrom('\n', ':', '9', '..', '-', 'x'.repeat(1200)) }),
    )
    fc.assert(
      fc.property(fc.constantFrom(...Object.values(real)), cuts, damage, (one, places, hurt) => {
        const text =
          hurt === null ? one.listing : one.listing.slice(0, hurt.at) + hurt.text + one.listing.slice(hurt.at)
        const ends = [...places, 0, text.length].map((at) => Math.min(at, text.length)).sort((a, b) => a - b)
        const chunks = ends.slice(1).map((end, i) => text.slice(ends[i], end))
        const whole = parsed(one.size, [text])
        expect(parsed(one.size, chunks)).toEqual(whole)
        expect(parsed(one.size, text)).toEqual(whole)
        if (hurt === null) expect(whole).toEqual(one.stretches)
      }),
      { numRuns: runs(300) },
    )
  })

  test('of a file of another size counts for nothing', () => {
    for (const one of Object.values(real)) expect(parsed(one.size + 1, [one.listing])).toBeNull()
  })
})

test('extents that touch or nearly do are one stretch', () => {
  const gap = 64 * 1024
  expect(parsed(size, [listing(row(0, 0, 4096), row(1, 4096, 4096), row(2, 8192 + gap, 4096))])).toEqual([
    0,
    12288 + gap,
  ])
  expect(parsed(size, [listing(row(0, 0, 4096), row(1, 4096 + gap + 1, 4096))])).toEqual([
    0,
    4096,
    4097 + gap,
    8193 + gap,
  ])
})

describe('what counts for nothing', () => {
  test.each<[what: string, text: string]>([
    ['nothing', ''],
    ['no first line', listing(row(0, 0, 4096)).slice(head.indexOf('\n') + 1)],
    ['no columns', `${head}${row(0, 0, 4096)}${foot}`],
    ['no last line', `${head}${columns}${row(0, 0, 4096)}`],
    ['another file', listing(row(0, 0, 4096)).replaceAll('fd/3', 'fd/4')],
    ['blocks of another size', listing(row(0, 0, 4096)).replace('of 1 bytes', 'of 4096 bytes')],
    ['a size that is none', listing(row(0, 0, 4096)).replace(`is ${size}`, 'is 0x6400000')],
    ['an extra line after the last', `${listing(row(0, 0, 4096))}\n`],
    ['a second listing', listing(row(0, 0, 4096)).repeat(2)],
    ['an extra line between', listing(row(0, 0, 4096), '\n', row(1, 8192, 4096))],
    ['a message between', listing(row(0, 0, 4096), 'Discontinuity: Block 8192\n')],
    ['carriage returns', listing(row(0, 0, 4096)).replaceAll('\n', '\r\n')],
    ['a message of the file', listing('/proc/self/fd/3: FIBMAP/FIEMAP unsupported\n')],
    ['rows that overlap', listing(row(0, 0, 8192), row(1, 4096, 8192))],
    ['rows out of order', listing(row(0, 8192, 4096), row(1, 0, 4096))],
    ['a row twice', listing(row(0, 0, 4096), row(0, 0, 4096))],
    ['a row left out', listing(row(0, 0, 4096), row(2, 8192, 4096))],
    ['an empty row', listing(row(0, 4096, 0))],
    ['a length that does not fit', listing('0: 0..4095: 0..4095: 8192: eof\n')],
    ['blocks in place of bytes', listing('0: 0..0: 5..5: 4096: eof\n')],
    ['a negative start', listing('0: -1..4094: 0..4095: 4096: eof\n')],
    ['no numbers', listing('0: NaN..NaN: 0..4095: NaN: eof\n')],
    ['no end of numbers', listing('0: 0..Infinity: 0..4095: Infinity: eof\n')],
    ['fractions', listing('0: 0.5..4095.5: 0..4095: 4096: eof\n')],
    ['numbers of other kinds', listing('0: 0x0..0xfff: 0..4095: 0x1000: eof\n')],
    ['exponents', listing('0: 0..4095: 0..4095: 4.096e3: eof\n')],
    ['beyond safe integers', listing(`0: ${2 ** 53}..${2 ** 53 + 4094}: 0..4095: 4095: eof\n`)],
    ['no logical bytes', listing('0:: 0..4095: 4096: eof\n')],
    ['a colon too much', listing('0:: 0..4095: 0..4095: 4096: eof\n')],
    ['a colon too few', listing('0 0..4095: 0..4095: 4096: eof\n')],
    ['three ends', listing('0: 0..1..4095: 0..4095: 4096: eof\n')],
    ['no fields', listing('0\n')],
    ['an empty line', listing('\n')],
    ['a line too long', listing(`0: 0..4095: 0..4095: 4096: ${'eof,'.repeat(300)}\n`)],
  ])('%s', (_what, text) => {
    expect(parsed(size, [text])).toBeNull()
    expect(parsed(size, text)).toBeNull()
  })

  test('anything at all, without an error', () => {
    fc.assert(fc.property(fc.array(fc.string()), (chunks) => void expect(parsed(size, chunks)).toBeNull()))
  })

  test('a good listing after a message on standard error', () => {
    const parser = new ExtentParser(size)
    parser.refuse()
    parser.push(listing(row(0, 0, 4096)))
    expect(parser.finish()).toBeNull()
  })
})

describe('memory', () => {
  /** Bytes of the heap that `run` adds, at the most. */
  function growth(run: (look: () => void) => void): number {
    const used = () => process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers
    const before = used()
    let most = 0
    run(() => {
      most = Math.max(most, used() - before)
    })
    return most
  }

  test('a line that never ends is not kept', () => {
    const parser = new ExtentParser(size)
    parser.push(head)
    const chunk = 'x'.repeat(64 * 1024)
    const started = process.cpuUsage()
    const most = growth((look) => {
      for (let i = 0; i < 4096; i++) {
        parser.push(chunk + i)
        if (i % 256 === 0) look()
      }
    })
    expect(parser.finish()).toBeNull()
    // To look at all of the line for each piece would take minutes.
    expect(process.cpuUsage(started).user, 'microseconds').toBeLessThan(4e6)
    expect(most).toBeLessThan(64 * 2 ** 20)
  })

  test('a million rows that touch take no room, and so many stretches are refused at last', () => {
    const far = 2 ** 45
    const headOf = `Filesystem type is: ef53\nFile size of /proc/self/fd/3 is ${far} (${far} blocks of 1 bytes)\n${columns}`
    for (const step of [4096, 2 ** 20]) {
      // Those that touch show in a tenth of them that they take no room.
      const rows = step === 4096 ? amount({ quick: 105_000, deep: 1_050_000 }) : 1_050_000
      const parser = new ExtentParser(far)
      parser.push(headOf)
      const most = growth((look) => {
        for (let i = 0; i < rows; i += 1000) {
          parser.push(Array.from({ length: 1000 }, (_, n) => row(i + n, (i + n) * step, 4096)).join(''))
          if (i % 50_000 === 0) look()
        }
      })
      parser.push(foot)
      expect(parser.finish()?.length ?? null).toBe(step === 4096 ? 2 : null)
      expect(most).toBeLessThan(128 * 2 ** 20)
    }
  })
})
