import { linkSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import zlib from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { unpackPair } from '../../fixtures/unpack.js'
import { compressStream } from '../../src/machine/streams/compression/compress-stream.js'
import { createFrom } from '../../src/verbs/create-from.js'
import { info } from '../../src/verbs/info.js'
import { diceFor } from '../support/amount.js'
import { collect, inPieces, noise } from '../support/byte-streams.js'
import { temporaryDirectory } from '../support/paths.js'

/** 1 MiB of noise, 6 MiB of zeros and a sector: as an image, and where to put files. */
function scene() {
  const directory = temporaryDirectory()
  const image = Buffer.concat([noise(diceFor('create from'), 2 ** 20), Buffer.alloc(6 * 2 ** 20), Buffer.alloc(512, 7)])
  const file = (name: string) => path.join(directory, name)
  return { image, file }
}

const packLz4 = (image: Uint8Array) => collect(compressStream(inPieces(image), { format: 'lz4', threads: 1 }))

describe('create --from', () => {
  it('makes the image with holes, of a file and of a stream of odd pieces', async () => {
    const { image, file } = scene()
    writeFileSync(file('in'), image)
    writeFileSync(file('in.lz4'), await packLz4(image))
    writeFileSync(file('in.gz'), zlib.gzipSync(image))
    const inputs = [file('in'), file('in.lz4'), file('in.gz'), { name: 'it', bytes: inPieces(image, 12_345) }]
    for (const [i, input] of inputs.entries()) {
      const result = await createFrom(file(`out${i}`), input)
      expect(result).toMatchObject({ format: 'raw', virtualSize: image.length, dryRun: false })
      expect(readFileSync(file(`out${i}`)).equals(image)).toBe(true)
      expect(statSync(file(`out${i}`)).blocks * 512).toBeLessThan(2 ** 20 + 65_536)
    }
  })

  it('takes a size, and refuses an image that is larger', async () => {
    const { image, file } = scene()
    writeFileSync(file('in.gz'), zlib.gzipSync(image))
    await createFrom(file('larger'), file('in.gz'), { size: image.length + 5000 })
    expect(readFileSync(file('larger')).equals(Buffer.concat([image, Buffer.alloc(5000)]))).toBe(true)
    const tooSmall = createFrom(file('smaller'), file('in.gz'), { size: image.length - 1 })
    await expect(tooSmall).rejects.toMatchObject({ code: 'INPUT_TOO_LARGE' })
    expect(() => statSync(file('smaller'))).toThrow('ENOENT')
    expect(await createFrom(file('dry'), file('in.gz'), { dryRun: true })).toMatchObject({ virtualSize: image.length })
    expect(() => statSync(file('dry'))).toThrow('ENOENT')
  })

  it('leaves nothing of a damaged or cut input, another format or its own output', async () => {
    const { image, file } = scene()
    const packed = await packLz4(image)
    writeFileSync(file('cut.lz4'), packed.subarray(0, -5))
    writeFileSync(file('qcow2.gz'), zlib.gzipSync(Buffer.from('QFI\xfb\0\0\0\x03 and so on', 'latin1')))
    const { paths } = unpackPair('odd', path.dirname(file('pair')))
    writeFileSync(file('in'), image)
    linkSync(file('in'), file('link'))
    const refused: [string, string][] = [
      [file('cut.lz4'), 'TRUNCATED_COMPRESSED'],
      [file('qcow2.gz'), 'NOT_RAW'],
      [paths.overlays[0]!, 'NOT_RAW'],
      [file('nothing'), 'ENOENT'],
    ]
    for (const [input, code] of refused) {
      await expect(createFrom(file('out'), input), input).rejects.toMatchObject({ code })
      expect(() => statSync(file('out'))).toThrow('ENOENT')
    }
    await expect(createFrom(file('link'), file('in'), { overwrite: true })).rejects.toMatchObject({ code: 'SAME_FILE' })
    expect(readFileSync(file('in')).equals(image)).toBe(true)
  })
})

describe('info', () => {
  it('says how a file is compressed, and its unpacked size', async () => {
    const { image, file } = scene()
    const packed = await collect(
      compressStream(inPieces(image), { format: 'lz4', threads: 1, contentSize: image.length }),
    )
    const files: [string, Uint8Array, object | null][] = [
      ['whole', packed, { by: 'lz4', unpackedSize: image.length, damage: null }],
      ['joined', Buffer.concat([packed, packed]), { by: 'lz4', unpackedSize: 2 * image.length, damage: null }],
      ['cut', packed.subarray(0, -3), { by: 'lz4', unpackedSize: null, damage: expect.stringContaining('too early') }],
      ['gzip', zlib.gzipSync('x'), { by: 'gzip', unpackedSize: null, damage: null }],
      ['raw', image, null],
    ]
    for (const [name, bytes, compression] of files) {
      writeFileSync(file(name), bytes)
      expect(await info(file(name))).toMatchObject({ format: 'raw', virtualSize: bytes.length, compression })
    }
  })
})
