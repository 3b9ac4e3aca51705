import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { PassThrough } from 'node:stream'
import zlib from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { localHostFiles } from '../../src/machine/host-files.js'
import { compressStream } from '../../src/machine/streams/compression/compress-stream.js'
import { convert } from '../../src/verbs/convert/index.js'
import { diceFor } from '../support/amount.js'
import { collect, inPieces, noise } from '../support/byte-streams.js'
import { contentOf } from '../support/content-of.js'
import { ownSectors } from '../support/own-sectors.js'
import { temporaryDirectory } from '../support/paths.js'

const noSync = { noSync: true }

/** 256 KiB of noise, 2 MiB of zeros and a page: as an image, packed by LZ4 and gzip, and where to put files. */
async function makeScene() {
  const directory = temporaryDirectory()
  const file = (name: string) => path.join(directory, name)
  const image = Buffer.concat([noise(diceFor('convert'), 2 ** 18), Buffer.alloc(2 ** 21), Buffer.alloc(4096, 7)])
  const lz4 = await collect(compressStream(inPieces(image), { format: 'lz4', threads: 1 }))
  writeFileSync(file('in.lz4'), lz4)
  writeFileSync(file('in'), zlib.gzipSync(image))
  return { directory, file, image, lz4, names: () => readdirSync(directory).sort() }
}

const named = (bytes: AsyncIterable<Uint8Array>) => ({ name: 'it', bytes })

describe('convert of compressed files and streams', () => {
  it('makes raw images with holes', async () => {
    const { file, image, lz4 } = await makeScene()
    const inputs = [file('in.lz4'), file('in'), named(inPieces(lz4, 12_345)), named(inPieces(image, 1000))]
    for (const [i, input] of inputs.entries()) {
      const result = await convert(input, file(`out${i}`), noSync)
      expect(result).toMatchObject({ inputFormat: 'raw', virtualSize: image.length, storedBytes: 2 ** 18 + 4096 })
      expect(readFileSync(file(`out${i}`)).equals(image)).toBe(true)
      expect(statSync(file(`out${i}`)).blocks * 512).toBeLessThan(2 ** 18 + 65_536)
    }
    await convert(file('in'), file('full'), { ...noSync, zeroUnit: 0 })
    expect(statSync(file('full')).blocks * 512).toBeGreaterThanOrEqual(image.length)
    const pipe = new PassThrough()
    const [sent] = await Promise.all([collect(pipe), convert(file('in.lz4'), pipe)])
    expect(sent.equals(image)).toBe(true)
  })

  it('makes qcow2 images and overlays, with no other file left', async () => {
    const { file, image, lz4, names } = await makeScene()
    const backing = Buffer.from(image)
    backing.fill(0xaa, 8192, 16384)
    backing.fill(0xbb, 2 ** 20, 2 ** 20 + 4096)
    writeFileSync(file('root_fs'), backing)
    const before = names()
    const over = { ...noSync, outputBacking: file('root_fs') }
    await convert(file('in.lz4'), file('alone.qcow2'), { ...noSync, format: 'qcow2', compress: true })
    await convert(named(inPieces(lz4)), file('a.cow'), { ...over, format: 'cow' })
    await convert(file('in'), file('over.qcow2'), { ...over, format: 'qcow2', outputBackingFormat: 'raw' })
    for (const made of ['alone.qcow2', 'a.cow', 'over.qcow2']) {
      expect({ made, same: (await contentOf(file(made))).equals(image) }).toEqual({ made, same: true })
      expect(statSync(file(made)).mode & 0o777).toBe(0o644)
    }
    const pages = [2, 3, 256].flatMap((page) => Array.from({ length: 8 }, (_, i) => page * 8 + i))
    expect(await ownSectors(file('a.cow'))).toEqual(pages)
    expect(names()).toEqual([...before, 'alone.qcow2', 'a.cow', 'over.qcow2'].sort())
    await convert(file('in'), file('dry'), { ...over, format: 'cow', dryRun: true })
    expect(await convert(file('in'), file('dry'), { dryRun: true })).toMatchObject({ virtualSize: image.length })
    expect(names()).not.toContain('dry')
  })

  it('removes the unpacked image where an open file keeps its name', async () => {
    const { file, image, names } = await makeScene()
    const before = names()
    let refusals = 1
    const unlink: typeof localHostFiles.unlink = async (name) => {
      if (refusals-- > 0) throw new Error('busy')
      return localHostFiles.unlink(name)
    }
    const options = { ...noSync, format: 'qcow2', files: { ...localHostFiles, unlink } } as const
    await convert(file('in'), file('out'), options)
    expect((await contentOf(file('out'))).equals(image)).toBe(true)
    expect(names()).toEqual([...before, 'out'].sort())
  })

  it('leaves nothing of a damaged or cut input, or of another format', async () => {
    const { file, lz4, names } = await makeScene()
    const damaged = Buffer.from(lz4)
    damaged[100_000]! ^= 1
    writeFileSync(file('cut'), lz4.subarray(0, -5))
    writeFileSync(file('damaged'), damaged)
    writeFileSync(file('xz'), Buffer.from('\xfd7zXZ\0 and so on', 'latin1'))
    writeFileSync(file('qcow2.gz'), zlib.gzipSync(Buffer.from('QFI\xfb\0\0\0\x03 and so on', 'latin1')))
    const before = names()
    const refused = { cut: 'TRUNCATED_COMPRESSED', damaged: 'BAD_COMPRESSED', xz: 'NO_CODEC', 'qcow2.gz': 'NOT_RAW' }
    for (const [name, code] of Object.entries(refused)) {
      for (const format of ['raw', 'qcow2'] as const) {
        const whole = convert(file(name), file('out'), { ...noSync, format })
        await expect(whole, name).rejects.toMatchObject({ code })
        const stream = convert(named(inPieces(readFileSync(file(name)))), file('out'), { ...noSync, format })
        await expect(stream, name).rejects.toMatchObject({ code })
      }
      expect(names()).toEqual(before)
    }
    await expect(convert(file('cut'), file('out'), { dryRun: true })).rejects.toMatchObject({ code: refused.cut })
    const toItself = convert(file('in'), file('in'), { overwrite: true })
    await expect(toItself).rejects.toMatchObject({ code: 'SAME_FILE' })
    const asQcow2 = convert(named(inPieces(lz4)), file('out'), { inputFormat: 'qcow2' })
    await expect(asQcow2).rejects.toMatchObject({ code: 'USAGE' })
  })

  it('takes the bytes as they are where the caller says that they are raw', async () => {
    const { file, lz4 } = await makeScene()
    for (const [i, input] of [file('in.lz4'), named(inPieces(lz4))].entries()) {
      await convert(input, file(`out${i}`), { ...noSync, inputFormat: 'raw' })
      expect(readFileSync(file(`out${i}`)).equals(lz4)).toBe(true)
    }
  })
})
