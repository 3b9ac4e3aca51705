import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { errorCodes, UmlcowError } from '../../../src/errors.js'
import { memberDocument, parsePackManifest } from '../../../src/formats/pack/manifest.js'
import { pack, unpack, verifyPack } from '../../../src/index.js'
import { localHostFiles } from '../../../src/machine/host-files.js'
import { namesIn } from '../../cli/scene.js'
import { amount, seedFor, tally } from '../../support/amount.js'
import { randomNumbers } from '../../support/hostile.js'
import { asyncOf } from '../../support/manifest-entries.js'
import { makePackScene } from './scene.js'

/** No programs of the host: thousands of runs need none. */
const files = { ...localHostFiles, extents: async () => null, touch: async () => false }
const quick = { noSync: true, files, sparse: 'always' } as const

/** Flipped bits, other bytes, a cut, a part that is left out or comes twice. */
function damage(bytes: Buffer, random: (limit: number) => number): Buffer {
  const copy = Buffer.from(bytes)
  const at = random(copy.length)
  const length = 1 + random(600)
  switch (random(6)) {
    case 0:
      copy[at] = copy[at]! ^ (1 << random(8))
      return copy
    case 1:
      copy.fill(random(256), at, Math.min(copy.length, at + length))
      return copy
    case 2:
      return copy.subarray(0, at)
    case 3:
      return Buffer.concat([copy.subarray(0, at), copy.subarray(at + length)])
    case 4:
      return Buffer.concat([copy.subarray(0, at), copy.subarray(at - Math.min(at, length))])
    default:
      return Buffer.concat([copy, Buffer.alloc(length, random(256))])
  }
}

/** What a file must be, apart from the path in the header of an overlay, which leads elsewhere. */
function stateOf(directory: string, name: string): string {
  const file = path.join(directory, name)
  const bytes = fs.readFileSync(file)
  if (name === 'cow.node0') bytes.fill(0, 32, 4128)
  const { mode, mtimeNs } = fs.statSync(file, { bigint: true })
  return `${mode} ${mtimeNs / 1000n} ${bytes.toString('latin1')}`
}

describe('a damaged pack', () => {
  it.each(['none', 'gzip', 'lz4'] as const)('is never taken for the files: %s', async (compression) => {
    const scene = makePackScene()
    await pack(scene.pack, [scene.cow], { ...quick, compression })
    const whole = fs.readFileSync(scene.pack)
    const names = ['root_fs', 'cow.node0']
    const right = [scene.backing, scene.cow].map((file) => stateOf(path.dirname(file), path.basename(file)))
    const random = randomNumbers(seedFor(`damaged ${compression}`))
    const rounds = amount({ quick: 40, deep: 2000 })
    let refused = 0
    for (let round = 0; round < rounds; round++) {
      const bytes = damage(whole, random)
      const source = { name: 'x', bytes: asyncOf([bytes]) }
      const error = await unpack(source, { noSync: true, files, directory: scene.target }).catch(
        (cause: unknown) => cause,
      )
      if (!(error instanceof Error)) {
        // The owner in a header of tar, or padding: nothing that a pack is about.
        expect(
          names.map((name) => stateOf(scene.target, name)),
          `round ${round}`,
        ).toEqual(right)
        for (const name of names) fs.rmSync(path.join(scene.target, name))
        continue
      }
      refused++
      expect(error, `round ${round}: ${error.stack}`).toBeInstanceOf(UmlcowError)
      expect(Object.keys(errorCodes), `round ${round}`).toContain((error as UmlcowError).code)
      expect(namesIn(scene.target), `round ${round}`).toEqual([])
    }
    expect(refused).toBeGreaterThan(rounds / 3)
    tally('damaged packs', rounds, { refused })
  })
})

describe('the manifest of a pack', () => {
  const memberOf = async () => {
    const scene = makePackScene()
    const { members } = await pack(scene.pack, [scene.cow], { ...quick, compression: 'none', dryRun: true })
    return members.map((member) => memberDocument(member)) as Record<string, unknown>[]
  }
  const parse = (document: unknown) => parsePackManifest(Buffer.from(JSON.stringify(document)), 'x')
  const codeOf = (document: unknown) => {
    try {
      return parse(document).length
    } catch (error) {
      return (error as UmlcowError).code
    }
  }
  const around = (members: unknown, more = {}) => ({ format: 'umlcow pack', version: 1, members, ...more })

  it('is read strictly', async () => {
    const [backing, overlay] = await memberOf()
    expect(codeOf(around([backing, overlay]))).toBe(2)
    const wrong: Record<string, unknown[]> = {
      name: ['', 1, null, { hex: 'f' }, { hex: 'zz' }, { hex: 7 }, []],
      size: [-1, 0.5, '1', 2 ** 53, null],
      stored: [-1, 2 ** 52, null],
      sha256: ['', 'A'.repeat(64), 'g'.repeat(64), 1],
      'mtime-ns': ['', '-', '1.5', 'x', 1, '9'.repeat(99), '9'.repeat(101)],
      mode: [0o10000, -1, null],
      overlay: [1, 'x', [], {}, { header: null, backing: null }],
    }
    for (const [field, values] of Object.entries(wrong)) {
      for (const value of values) {
        expect(['BAD_PACK', 'UNSAFE_PATH'], `${field} ${value}`).toContain(
          codeOf(around([{ ...backing, [field]: value }])),
        )
      }
      const { [field]: _left, ...rest } = backing!
      expect(codeOf(around([rest])), `no ${field}`).toBe('BAD_PACK')
    }
    for (const name of ['..', '.', 'a/b', '/etc/passwd', 'a\0', 'umlcow-pack.json', 'x'.repeat(256), '../x']) {
      expect(codeOf(around([{ ...backing, name }])), name).toBe('UNSAFE_PATH')
    }
    const cases: [unknown, unknown][] = [
      [null, 'BAD_PACK'],
      [[], 'BAD_PACK'],
      [around([]), 'BAD_PACK'],
      [around({}), 'BAD_PACK'],
      [around([backing, backing]), 'BAD_PACK'],
      [around([overlay, backing]), 'BAD_PACK'],
      [around([overlay]), 'BAD_PACK'],
      [around([{ ...backing, sha256: '0'.repeat(64) }, overlay]), 'BAD_PACK'],
      [around([backing], { format: 'other' }), 'BAD_PACK'],
      [around([backing], { version: 2 }), 'PACK_VERSION'],
      [around(Array.from({ length: 4097 }, () => backing)), 'BAD_PACK'],
    ]
    for (const [document, code] of cases) expect(codeOf(document), JSON.stringify(document)?.slice(0, 99)).toBe(code)
    const hostilePath = (overlay as { overlay: { header: object } }).overlay
    for (const path of [{ hex: '00ff00' }, 'a\0b', 'x'.repeat(4097)]) {
      const header = { ...hostilePath.header, 'backing-filename': path }
      expect(codeOf(around([backing, { ...overlay, overlay: { ...hostilePath, header } }]))).toBe('BAD_PACK')
    }
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
    for (const text of ['', '\xff', '{', deep]) {
      expect(() => parsePackManifest(Buffer.from(text, 'latin1'), 'x')).toThrow(UmlcowError)
    }
  })

  it('must come first, and fit the files', async () => {
    const scene = makePackScene()
    const code = (source: Buffer) =>
      verifyPack({ name: 'x', bytes: asyncOf([source]) }).then(
        () => null,
        (error: UmlcowError) => error.code,
      )
    await pack(scene.pack, [scene.cow], { ...quick, compression: 'none' })
    const bytes = fs.readFileSync(scene.pack)
    expect(await code(bytes)).toBeNull()
    const second =
      bytes.indexOf('umlcow-pack.json') +
      512 +
      512 *
        Math.ceil(
          Number.parseInt(
            bytes.toString('latin1', bytes.indexOf('ustar') - 257 + 124, bytes.indexOf('ustar') - 257 + 135),
            8,
          ) / 512,
        )
    expect(await code(bytes.subarray(second))).not.toBeNull()
    expect(await code(Buffer.concat([bytes.subarray(0, -1024), bytes]))).toBe('BAD_PACK')
    expect(await code(bytes.subarray(0, -1024))).toBe('BAD_PACK')
    expect(await code(bytes.subarray(0, -512))).toBeNull()
    expect(await code(Buffer.alloc(10_240, 'x'))).toBe('NOT_PACK')
    expect(await code(Buffer.alloc(0))).toBe('TRUNCATED_ARCHIVE')
  })
})
