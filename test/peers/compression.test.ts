import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import zlib from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { compressStream } from '../../src/machine/streams/compression/compress-stream.js'
import { decompressStream } from '../../src/machine/streams/compression/decompress-stream.js'
import { info } from '../../src/verbs/info.js'
import { amount, diceFor } from '../support/amount.js'
import { collect, inPieces, mixedBytes } from '../support/byte-streams.js'
import { temporaryDirectory } from '../support/paths.js'
import { havePeers } from '../support/peers.js'

const havePrograms = havePeers('/usr/bin/lz4', '/usr/bin/gzip', '/usr/bin/zstd')
const hasZstd = 'createZstdCompress' in zlib

function run(program: string, args: readonly string[], input: Uint8Array): Buffer {
  const done = spawnSync(program, args, { input, maxBuffer: 2 ** 28 })
  expect(done.status, `${program} ${args.join(' ')}: ${done.stderr}`).toBe(0)
  return done.stdout
}

const unpack = (packed: Uint8Array) => collect(decompressStream(inPieces(packed)))

/** How the lz4 command writes. It takes -B4 to -B7, with linked blocks (-BD) or checksums of blocks (-BX). */
const lz4Variants = [
  ...['-B4', '-B5', '-B6', '-B7'].flatMap((size) => [[size], [size, '-BD'], [size, '-BX'], [size, '-BD', '-BX', '-9']]),
  ['--no-frame-crc'],
  ['--no-frame-crc', '-BD', '-B4', '-12'],
  ['--fast=9'],
  ['-9'],
  ['-l'],
  ['-l', '-9'],
]

describe.skipIf(!havePrograms)('compressed streams', () => {
  const dice = diceFor('compression peers')
  const sizes = [0, 1, 70_000, 300_000, amount({ quick: 900_000, deep: 20_000_000 })]

  it('of lz4 are read in all its variants, alone and joined', async () => {
    for (const args of lz4Variants) {
      const bytes = mixedBytes(dice, dice.pick(sizes))
      const packed = run('/usr/bin/lz4', ['-q', '-c', ...args], bytes)
      expect(bytes.equals(await unpack(packed)), args.join(' ')).toBe(true)
      const other = run('/usr/bin/lz4', ['-q', '-c', ...dice.pick(lz4Variants)], Buffer.from('other'))
      const joined = await unpack(Buffer.concat([packed, other, packed]))
      expect(Buffer.concat([bytes, Buffer.from('other'), bytes]).equals(joined), args.join(' ')).toBe(true)
    }
  })

  it('of gzip and zstd are read', async () => {
    const bytes = mixedBytes(dice, sizes[4]!)
    for (const level of ['-1', '-9']) {
      const packed = run('/usr/bin/gzip', ['-c', level], bytes)
      expect(bytes.equals(await unpack(packed))).toBe(true)
    }
    if (!hasZstd) return
    for (const args of [['-1'], ['-19'], ['--no-check'], ['--long=27']]) {
      const packed = run('/usr/bin/zstd', ['-q', '-c', ...args], bytes)
      const joined = unpack(Buffer.concat([packed, packed]))
      if (args[0] === '--long=27') await expect(joined).rejects.toMatchObject({ code: 'NO_CODEC' })
      else expect(Buffer.concat([bytes, bytes]).equals(await joined), args[0]).toBe(true)
    }
  })

  it('of umlcow pass the tests of the commands', async () => {
    const programs = { lz4: '/usr/bin/lz4', gzip: '/usr/bin/gzip', zstd: '/usr/bin/zstd' }
    for (const format of hasZstd ? (['lz4', 'gzip', 'zstd'] as const) : (['lz4', 'gzip'] as const)) {
      for (const size of sizes) {
        const bytes = mixedBytes(dice, size)
        const contentSize = dice.below(2) === 0 ? size : undefined
        const packed = await collect(compressStream(inPieces(bytes), { format, threads: 2, contentSize }))
        expect(bytes.equals(run(programs[format], ['-dc'], packed)), `${format} ${size}`).toBe(true)
      }
    }
  })

  it('have the size that info says', async () => {
    const directory = temporaryDirectory()
    const [file, bytes] = [path.join(directory, 'root_fs'), mixedBytes(dice, 300_000)]
    writeFileSync(file, bytes)
    const made: [string, string, string[], number | null][] = [
      ['lz4', '/usr/bin/lz4', ['-q', '--content-size', file, `${file}.lz4`], 300_000],
      ['lz4', '/usr/bin/lz4', ['-q', '-f', file, `${file}.lz4`], null],
      ['zstd', '/usr/bin/zstd', ['-q', '-k', file, '-o', `${file}.zstd`], 300_000],
      ['gzip', '/usr/bin/gzip', ['-k', '-S', '.gzip', file], null],
    ]
    for (const [by, program, args, unpackedSize] of made) {
      run(program, args, Buffer.alloc(0))
      const { compression, virtualSize } = await info(`${file}.${by}`)
      expect(compression).toEqual({ by, unpackedSize, damage: null })
      expect(virtualSize).toBe(readFileSync(`${file}.${by}`).length)
    }
  })
})
