import { createHash } from 'node:crypto'
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import path from 'node:path'
import zlib from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { convert } from '../../src/verbs/convert/index.js'
import { copySparse } from '../../src/verbs/copy/index.js'
import { createOverlay } from '../../src/verbs/create.js'
import { map } from '../../src/verbs/map/index.js'
import { writeBmap } from '../../src/verbs/map/write-bmap.js'
import { pack } from '../../src/verbs/pack/index.js'
import { unpack } from '../../src/verbs/unpack/index.js'
import { diceFor } from '../support/amount.js'
import { inPieces, noise } from '../support/byte-streams.js'
import { contentOf } from '../support/content-of.js'
import { temporaryDirectory } from '../support/paths.js'

const noSync = { noSync: true }
const size = 2 ** 21 + 100
const stretches = [
  { start: 8192, bytes: noise(diceFor('bmap'), 12_288) },
  { start: 2 ** 20, bytes: Buffer.alloc(4096) },
  { start: 2 ** 21 + 50, bytes: Buffer.from('the end') },
]

/** A sparse raw image with data, with zeros that the host stores, and with data in its short last block. */
function makeScene() {
  const directory = temporaryDirectory()
  const file = (name: string) => path.join(directory, name)
  const fd = openSync(file('disk.img'), 'w')
  ftruncateSync(fd, size)
  for (const { start, bytes } of stretches) writeSync(fd, bytes, 0, bytes.length, start)
  closeSync(fd)
  const image = readFileSync(file('disk.img'))
  // What lies in no range has no meaning, so a copy may have lost its holes and have anything there.
  const noisy = Buffer.alloc(size, 0xee)
  for (const [from, to] of [
    [8192, 20_480],
    [2 ** 20, 2 ** 20 + 4096],
    [2 ** 21, size],
  ] as const) {
    noisy.set(image.subarray(from, to), from)
  }
  writeFileSync(file('full.img'), noisy)
  writeFileSync(file('full.img.gz'), zlib.gzipSync(noisy))
  return { directory, file, image, noisy, names: () => readdirSync(directory).sort() }
}

/** Write the digest of a changed bmap file into it. */
function sealed(text: string): string {
  const place = /<BmapFileChecksum> (\w{64}) </
  const zeroed = text.replace(place, `<BmapFileChecksum> ${'0'.repeat(64)} <`)
  return zeroed.replace(place, `<BmapFileChecksum> ${createHash('sha256').update(zeroed).digest('hex')} <`)
}

describe('writeBmap', () => {
  it('lists what the host stores, zeros included, with digests', async () => {
    const { file, image } = makeScene()
    const result = await writeBmap(file('disk.img'), file('disk.bmap'))
    expect(result).toEqual({ virtualSize: size, mappedLength: 12_288 + 4096 + 100, ranges: 3, warnings: [] })
    const text = readFileSync(file('disk.bmap'), 'latin1')
    expect(text).toBe(sealed(text))
    const digest = (from: number, to: number) => createHash('sha256').update(image.subarray(from, to)).digest('hex')
    expect(text.match(/<Range.*/g)).toEqual([
      `<Range chksum="${digest(8192, 20_480)}"> 2-4 </Range>`,
      `<Range chksum="${digest(2 ** 20, 2 ** 20 + 4096)}"> 256 </Range>`,
      `<Range chksum="${digest(2 ** 21, size)}"> 512 </Range>`,
    ])
    const nonZero = await writeBmap(file('disk.img'), file('disk.bmap'), { detectZeroes: true, overwrite: true })
    expect(nonZero).toMatchObject({ mappedLength: 12_288 + 100, ranges: 2 })
  })

  it('is about what a guest sees of an overlay', async () => {
    const { file } = makeScene()
    await createOverlay(file('cow'), file('disk.img'), noSync)
    await writeBmap(file('cow'), file('cow.bmap'))
    await writeBmap(file('disk.img'), file('disk.bmap'))
    expect(readFileSync(file('cow.bmap'))).toEqual(readFileSync(file('disk.bmap')))
    await convert(file('disk.img'), file('disk.qcow2'), { ...noSync, format: 'qcow2' })
    // Its clusters have 64 KiB, and its size is a whole number of sectors. It has no cluster of the zeros.
    const qcow2 = await writeBmap(file('disk.qcow2'), file('qcow2.bmap'))
    expect(qcow2).toMatchObject({ virtualSize: 2 ** 21 + 512, mappedLength: 65_536 + 512, ranges: 2 })
  })

  it('maps all of a file that has lost its holes', async () => {
    const { file } = makeScene()
    expect(await writeBmap(file('full.img'), file('x.bmap'))).toMatchObject({ mappedLength: size, ranges: 1 })
  })

  it('refuses to replace files', async () => {
    const { file, names } = makeScene()
    const before = names()
    await expect(writeBmap(file('disk.img'), file('full.img'))).rejects.toMatchObject({ code: 'TARGET_EXISTS' })
    const same = writeBmap(file('disk.img'), file('disk.img'), { overwrite: true })
    await expect(same).rejects.toMatchObject({ code: 'SAME_FILE' })
    await createOverlay(file('cow'), file('disk.img'), noSync)
    const below = writeBmap(file('cow'), file('disk.img'), { overwrite: true })
    await expect(below).rejects.toMatchObject({ code: 'SAME_FILE' })
    expect(names()).toEqual([...before, 'cow'].sort())
  })
})

describe('map with holes', () => {
  it('shows the holes of raw files, as qemu-img does', async () => {
    const { file } = makeScene()
    await createOverlay(file('cow'), file('disk.img'), noSync)
    for (const [name, depth] of [
      ['disk.img', 0],
      ['cow', 1],
    ] as const) {
      const found = await map(file(name), { holes: true })
      const extents = []
      for await (const extent of found.extents) extents.push(extent)
      await found.close()
      const common = (start: number, end: number, data: boolean) => {
        return { start, length: end - start, depth, data, zero: !data, offset: start }
      }
      expect(extents).toEqual([
        common(0, 8192, false),
        common(8192, 20_480, true),
        common(20_480, 2 ** 20, false),
        common(2 ** 20, 2 ** 20 + 4096, true),
        common(2 ** 20 + 4096, 2 ** 21, false),
        common(2 ** 21, size, true),
      ])
    }
  })
})

describe('convert with a bmap', () => {
  const formats = ['raw', 'qcow2'] as const

  it('takes nothing but what lies in ranges: of a raw image, a compressed one and a stream', async () => {
    const { file, image, noisy } = makeScene()
    const bmap = file('disk.bmap')
    await writeBmap(file('disk.img'), bmap)
    const stream = () => ({ name: 'it', bytes: inPieces(noisy, 12_345) })
    for (const format of formats) {
      const results = []
      for (const input of [file('full.img'), file('full.img.gz'), stream()]) {
        const out = file(`${format}${results.length}`)
        results.push(await convert(input, out, { ...noSync, bmap, format }))
        expect((await contentOf(out)).subarray(0, size).equals(image)).toBe(true)
        expect(statSync(out).blocks * 512).toBeLessThan(2 ** 20)
      }
      expect(new Set(results.map(({ storedBytes }) => storedBytes)).size).toBe(1)
    }
    expect(await convert(file('full.img'), file('no'), { ...noSync, bmap, dryRun: true })).toMatchObject({
      dryRun: true,
    })
  })

  it('keeps zeros of gaps above a backing file with data', async () => {
    const { file, image } = makeScene()
    await writeBmap(file('disk.img'), file('disk.bmap'))
    writeFileSync(file('below'), Buffer.alloc(size, 1))
    const how = { ...noSync, bmap: file('disk.bmap'), format: 'qcow2', outputBacking: file('below') } as const
    await convert(file('full.img'), file('over'), { ...how, outputBackingFormat: 'raw' })
    expect((await contentOf(file('over'))).subarray(0, size).equals(image)).toBe(true)
  })

  it('refuses data that is not that of the bmap, and leaves nothing', async () => {
    const { file, noisy, names } = makeScene()
    const bmap = file('disk.bmap')
    await writeBmap(file('disk.img'), bmap)
    const damaged = Buffer.from(noisy)
    damaged[size - 1]! ^= 1
    writeFileSync(file('damaged.img'), damaged)
    writeFileSync(file('damaged.gz'), zlib.gzipSync(damaged))
    writeFileSync(file('short.gz'), zlib.gzipSync(noisy.subarray(0, -1)))
    writeFileSync(file('long.img'), Buffer.concat([noisy, Buffer.alloc(1)]))
    writeFileSync(file('long.gz'), zlib.gzipSync(readFileSync(file('long.img'))))
    const before = names()
    for (const name of ['damaged.img', 'damaged.gz', 'short.gz', 'long.img', 'long.gz']) {
      const trial = convert(file(name), file('out'), { ...noSync, bmap })
      await expect(trial, name).rejects.toMatchObject({ code: 'BMAP_MISMATCH' })
    }
    await expect(convert(file('damaged.img'), file('out'), { ...noSync, bmap })).rejects.toThrow(/of blocks 512 to 512/)
    await expect(convert(file('full.img'), bmap, { ...noSync, bmap, overwrite: true })).rejects.toMatchObject({
      code: 'SAME_FILE',
    })
    await convert(file('disk.img'), file('q'), { ...noSync, format: 'qcow2' })
    await expect(convert(file('q'), file('out'), { ...noSync, bmap })).rejects.toMatchObject({ code: 'USAGE' })
    expect(names()).toEqual([...before, 'q'].sort())
  })

  it('checks the bmap file itself, and takes ranges without digests', async () => {
    const { file, image } = makeScene()
    const bmap = file('disk.bmap')
    await writeBmap(file('disk.img'), bmap)
    const text = readFileSync(bmap, 'latin1')
    const without = sealed(text.replaceAll(/ chksum="\w+"/g, ''))
    writeFileSync(bmap, without)
    await convert(file('full.img'), file('out'), { ...noSync, bmap })
    expect(readFileSync(file('out')).equals(image)).toBe(true)
    for (const damaged of [without.replace('2-4', '2-3'), without.replace(' 2-4 ', ' 3-5 '), `${without} `]) {
      writeFileSync(bmap, damaged)
      await expect(convert(file('full.img'), file('no'), { ...noSync, bmap })).rejects.toMatchObject({
        code: 'BAD_BMAP',
      })
    }
  })
})

describe('copy and pack with a bmap', () => {
  it('make holes of what lies in no range', async () => {
    const { file, image } = makeScene()
    const bmap = file('disk.bmap')
    await writeBmap(file('disk.img'), bmap)
    const copy = await copySparse(file('full.img'), file('copy'), { ...noSync, bmap })
    expect(copy).toMatchObject({ copier: 'read', size })
    expect(readFileSync(file('copy')).equals(image)).toBe(true)
    expect(statSync(file('copy')).blocks * 512).toBeLessThan(2 ** 17)
    const packed = await pack(file('p'), [file('full.img')], { ...noSync, bmap, compression: 'none' })
    const sha256 = createHash('sha256').update(image).digest('hex')
    expect(packed.members).toEqual([expect.objectContaining({ storedSize: 12_288 + 4096 + 100, sha256 })])
    mkdirSync(file('there'))
    await unpack(file('p'), { ...noSync, directory: file('there') })
    expect(readFileSync(file('there/full.img')).equals(image)).toBe(true)
  })

  it('take blocks of 512 bytes exactly', async () => {
    const { file, image } = makeScene()
    await writeBmap(file('disk.img'), file('disk.bmap'))
    const text = readFileSync(file('disk.bmap'), 'latin1')
    const ranges = text.slice(text.indexOf('<BlockMap>') + 10, text.indexOf('</BlockMap>'))
    const small = text
      .replace(ranges, '<Range> 17 </Range><Range> 18-19 </Range>')
      .replace(' 4096 ', ' 512 ')
      .replace(/<BlocksCount> \d+/, `<BlocksCount> ${Math.ceil(size / 512)}`)
      .replace(/<MappedBlocksCount> \d+/, '<MappedBlocksCount> 3')
    writeFileSync(file('small.bmap'), sealed(small))
    const expected = Buffer.alloc(size)
    expected.set(image.subarray(17 * 512, 20 * 512), 17 * 512)
    const how = { ...noSync, bmap: file('small.bmap') }
    await copySparse(file('full.img'), file('copy'), how)
    await convert(file('full.img'), file('converted'), how)
    await convert(file('full.img.gz'), file('unpacked'), how)
    for (const name of ['copy', 'converted', 'unpacked']) expect(readFileSync(file(name)).equals(expected)).toBe(true)
    expect((await pack(file('p'), [file('full.img')], how)).members[0]).toMatchObject({ storedSize: 3 * 512 })
  })

  it('refuse damage, other formats, and several files', async () => {
    const { file, noisy, names } = makeScene()
    const bmap = file('disk.bmap')
    await writeBmap(file('disk.img'), bmap)
    noisy[8192]! ^= 1
    writeFileSync(file('damaged'), noisy)
    await createOverlay(file('cow'), file('disk.img'), noSync)
    const before = names()
    const how = { ...noSync, bmap }
    const refused: [() => Promise<unknown>, string][] = [
      [() => copySparse(file('damaged'), file('out'), how), 'BMAP_MISMATCH'],
      [() => pack(file('out'), [file('damaged')], how), 'BMAP_MISMATCH'],
      [() => copySparse(file('full.img'), bmap, { ...how, overwrite: true }), 'SAME_FILE'],
      [() => pack(bmap, [file('full.img')], { ...how, overwrite: true }), 'SAME_FILE'],
      [() => copySparse(file('cow'), file('out'), how), 'USAGE'],
      [() => pack(file('out'), [file('cow')], how), 'USAGE'],
      [() => pack(file('out'), [file('cow')], { ...how, delta: true }), 'USAGE'],
      [() => copySparse(file('full.img'), file('out'), { ...how, sparse: 'never' }), 'USAGE'],
    ]
    for (const [trial, code] of refused) await expect(trial()).rejects.toMatchObject({ code })
    expect(names()).toEqual(before)
  })
})
