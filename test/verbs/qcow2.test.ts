import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { serializeQcow2Header } from '../../src/formats/qcow2/index.js'
import { createQcow2Sink, type Qcow2SinkOptions } from '../../src/images/qcow2/qcow2-sink.js'
import { openImage } from '../../src/overlays/open-image.js'
import { openMemoryStore } from '../../src/stores/memory-store.js'
import { check } from '../../src/verbs/check/index.js'
import { compact } from '../../src/verbs/compact/index.js'
import { convert } from '../../src/verbs/convert/index.js'
import { createOverlay } from '../../src/verbs/create.js'
import { createQcow2 } from '../../src/verbs/create-qcow2.js'
import { createRaw } from '../../src/verbs/create-raw.js'
import { info, infoChain } from '../../src/verbs/info.js'
import { map } from '../../src/verbs/map/index.js'
import { merge } from '../../src/verbs/merge/index.js'
import { collect } from '../images/oracle.js'
import { temporaryDirectory } from '../support/paths.js'

const size = 300_032
const cluster = 65_536
const base = Buffer.alloc(size, 'base')
let directory: string
const at = (name: string) => path.join(directory, name)
const coded = (code: string) => expect.objectContaining({ code })

/** Write a qcow2 image whose second cluster is all 'q'. */
async function writeImage(name: string, options: Partial<Qcow2SinkOptions> = {}): Promise<Buffer> {
  const store = openMemoryStore()
  const sink = createQcow2Sink(store, { virtualSize: size, ...options })
  await sink.write(cluster, Buffer.alloc(cluster, 'q'))
  await sink.finish()
  const bytes = Buffer.from(store.bytes())
  writeFileSync(at(name), bytes)
  return bytes
}

async function contentOf(name: string): Promise<Buffer> {
  const image = await openImage(at(name))
  const bytes = Buffer.alloc(image.virtualSize)
  await image.read(0, bytes)
  await image.close()
  return bytes
}

const below = (name: string, format: string) => ({ backing: { path: Buffer.from(name), format } })

beforeEach(() => {
  directory = temporaryDirectory()
  writeFileSync(at('base'), base)
})

describe('create -f qcow2', () => {
  it('records the path and the format of the backing file, and has its size', async () => {
    const made = await createQcow2(at('new'), {
      backing: at('base'),
      backingFormat: 'raw',
      pathStyle: { kind: 'relative' },
    })
    expect(made).toMatchObject({ format: 'qcow2', virtualSize: size, backingPath: Buffer.from('base') })
    expect((await info(at('new'))).qcow2).toMatchObject({
      header: { version: 3, clusterSize: cluster, extensions: { backingFormat: 'raw' } },
      backing: { findings: [] },
    })
    expect(await contentOf('new')).toEqual(base)
    expect(await check(at('new'))).toMatchObject({ findings: [], qcow2: { allocatedClusters: 0, totalClusters: 5 } })
  })

  it('does not replace an overlay unless the new image has a backing file, too', async () => {
    await createQcow2(at('over'), { backing: at('base'), backingFormat: 'raw' })
    await createOverlay(at('cow'), at('base'))
    for (const name of ['over', 'cow']) {
      const before = readFileSync(at(name))
      await expect(createQcow2(at(name), { size: cluster, overwrite: true })).rejects.toEqual(coded('TARGET_PROTECTED'))
      expect(readFileSync(at(name)).equals(before)).toBe(true)
      await createQcow2(at(name), { backing: at('base'), backingFormat: 'raw', overwrite: true })
    }
  })

  it('makes an empty image without leaked clusters', async () => {
    await createQcow2(at('empty'), { size: 0 })
    expect((await check(at('empty'))).findings).toEqual([])
  })

  it('needs a size or a backing file with its format, and refuses what it could not read', async () => {
    await expect(createQcow2(at('no'))).rejects.toEqual(coded('USAGE'))
    await expect(createQcow2(at('no'), { backing: at('base') })).rejects.toEqual(coded('USAGE'))
    await expect(createQcow2(at('no'), { backing: at('base'), backingFormat: 'qcow2' })).rejects.toEqual(
      coded('BACKING_FORMAT'),
    )
    await expect(createQcow2(at('no'), { size: 2 ** 45, clusterSize: 512 })).rejects.toEqual(coded('BAD_VIRTUAL_SIZE'))
    await expect(createQcow2(at('base'), { backing: at('base'), backingFormat: 'raw' })).rejects.toEqual(
      coded('SAME_FILE'),
    )
  })
})

describe('chains', () => {
  it('of qcow2, COW and raw files read in the recorded formats', async () => {
    await createOverlay(at('cow'), at('base'))
    await writeImage('over-cow', below('cow', 'cow'))
    await writeImage('over-both', below('over-cow', 'qcow2'))
    const expected = Buffer.from(base)
    expected.fill('q', cluster, 2 * cluster)
    expect(await contentOf('over-both')).toEqual(expected)
    expect((await infoChain(at('over-both'))).map(({ format }) => format)).toEqual(['qcow2', 'qcow2', 'cow', 'raw'])
  })

  it('take a raw backing file as it is, whatever it begins with', async () => {
    const inner = await writeImage('inner')
    await writeImage('over-raw', { ...below('inner', 'raw'), virtualSize: inner.length })
    expect((await contentOf('over-raw')).subarray(0, cluster)).toEqual(inner.subarray(0, cluster))
  })

  it('are refused in a circle, with an unknown format, and with a COW file of no recorded format', async () => {
    await writeImage('circle', below('circle2', 'qcow2'))
    await writeImage('circle2', below('circle', 'qcow2'))
    await expect(contentOf('circle')).rejects.toEqual(coded('CHAIN_TOO_LONG'))
    await expect(infoChain(at('circle'))).rejects.toEqual(coded('CHAIN_TOO_LONG'))
    await writeImage('vmdk', below('base', 'vmdk'))
    await expect(contentOf('vmdk')).rejects.toEqual(coded('BACKING_FORMAT'))
    await createOverlay(at('cow2'), at('base'))
    const bytes = await writeImage('no-format', below('cow2', 'cow'))
    bytes.writeUInt32BE(0, 104) // Ends the header extensions before the format.
    writeFileSync(at('no-format'), bytes)
    await expect(contentOf('no-format')).rejects.toEqual(coded('BACKING_FORMAT'))
    await writeImage('remote', below('nbd://host', 'raw'))
    await expect(contentOf('remote')).rejects.toEqual(coded('BACKING_FORMAT'))
    await writeImage('self', below('self', 'qcow2'))
    await expect(contentOf('self')).rejects.toEqual(coded('BACKING_SELF'))
    await writeImage('missing', below('not-there', 'raw'))
    await expect(contentOf('missing')).rejects.toEqual(coded('BACKING_MISSING'))
  })
})

describe('merge of a qcow2 image', () => {
  it('makes a raw image that equals what the guest sees', async () => {
    await writeImage('top', below('base', 'raw'))
    const result = await merge(at('top'), at('merged'))
    expect(result).toMatchObject({ inPlace: false, allocatedSectors: 1, sectorSize: cluster, virtualSize: size })
    expect(readFileSync(at('merged'))).toEqual(await contentOf('top'))
  })

  it('refuses its backing file, itself, and damaged tables', async () => {
    await writeImage('top2', below('base', 'raw'))
    await expect(merge(at('top2'), at('base'), {})).rejects.toEqual(coded('QCOW2_FEATURE'))
    await expect(merge(at('top2'), at('top2'), { overwrite: true })).rejects.toEqual(coded('SAME_FILE'))
    const bytes = await writeImage('damaged')
    // The L1 table is the second cluster; its first entry is not the L2 table any more.
    bytes.writeUInt32BE(cluster, cluster + 4)
    writeFileSync(at('damaged'), bytes)
    await expect(merge(at('damaged'), at('never'))).rejects.toEqual(coded('QCOW2_DAMAGED'))
    expect((await check(at('damaged'))).findings.map(({ severity }) => severity)).toContain('damage')
    expect(readFileSync(at('base'))).toEqual(base)
  })

  it('protects an image and its backing file as targets of others', async () => {
    await writeImage('kept', below('base', 'raw'))
    await expect(createRaw(at('kept'), 4096, { overwrite: true })).rejects.toEqual(coded('TARGET_PROTECTED'))
    await expect(createRaw(at('base'), 4096, { overwrite: true })).rejects.toEqual(coded('TARGET_PROTECTED'))
  })
})

it('map shows what no file of the chain has', async () => {
  await writeImage('alone')
  const found = await map(at('alone'))
  const extents = await collect(found.extents)
  await found.close()
  expect(extents.map(({ length, data, present }) => [length, data, present])).toEqual([
    [cluster, false, false],
    [cluster, true, undefined],
    [size - 2 * cluster, false, false],
  ])
})

describe('merge, convert and compact', () => {
  const noSync = { noSync: true }
  let made = 0
  const runs = [
    ['merge', (name: string, more = {}) => merge(at(name), at('made'), { ...noSync, overwrite: true, ...more })],
    ['convert', (name: string, more = {}) => convert(at(name), at('made'), { ...noSync, overwrite: true, ...more })],
    ['compact', (name: string, more = {}) => compact(at(name), { ...noSync, output: at(`made${made++}`), ...more })],
  ] as const

  const offsetAt = (bytes: Buffer, at: number) => Number(bytes.readBigUInt64BE(at) & 0xfffffffffffe00n)
  const l2Of = (bytes: Buffer) => offsetAt(bytes, offsetAt(bytes, 40))

  /** Clear the only entry of the L2 table: the second cluster of the guest is lost. */
  function loseEntry(bytes: Buffer): Buffer {
    return bytes.fill(0, l2Of(bytes) + 8, l2Of(bytes) + 16)
  }

  it.each(runs)('%s refuses leaks, which may be data whose entry was lost, in any layer', async (_, run) => {
    writeFileSync(at('leaks'), loseEntry(await writeImage('leaks', below('base', 'raw'))))
    await writeImage('over-leaks', below('leaks', 'qcow2'))
    for (const name of ['leaks', 'over-leaks']) {
      await expect(run(name)).rejects.toMatchObject({
        code: 'QCOW2_LEAKS',
        message: expect.stringMatching(/leaks: 1 cluster leaked: .*they may be data whose table entry was lost/),
        hint: expect.stringMatching(/qemu-img check -r leaks .*leaks" frees them\n--force=leaks goes on/),
      })
      const { warnings } = await run(name, { force: ['leaks'] })
      expect(warnings).toEqual([expect.stringContaining('1 cluster leaked')])
    }
  })

  it.each(runs)(
    '%s reads a dirty image with late refcounts, and looks for other damage behind them',
    async (_, run) => {
      const bytes = await writeImage('dirty')
      const entry = bytes.readBigUInt64BE(l2Of(bytes) + 8)
      bytes[79] = 1 // The feature "dirty".
      const refcounts = offsetAt(bytes, offsetAt(bytes, 48))
      bytes.fill(0, refcounts, refcounts + cluster)
      bytes.writeUInt16BE(1, refcounts)
      writeFileSync(at('dirty'), bytes)
      const { warnings } = await run('dirty')
      expect(warnings).toEqual([expect.stringMatching(/is marked dirty, and has \d+ wrong refcounts and/)])
      // More wrong flags than a report shows, then an entry that leads out of the file.
      for (let i = 2; i < 40; i++) bytes.writeBigUInt64BE(entry, l2Of(bytes) + 8 * i)
      bytes.writeBigUInt64BE(0xffff0000n, l2Of(bytes) + 8 * 40)
      writeFileSync(at('dirty'), bytes)
      await expect(run('dirty')).rejects.toMatchObject({
        code: 'QCOW2_DAMAGED',
        hint: expect.stringMatching(/^umlcow check /),
      })
    },
  )
})

describe('features', () => {
  const header = serializeQcow2Header({
    clusterBits: 16,
    virtualSize: size,
    l1Size: 1,
    l1Offset: cluster,
    refcountTableOffset: 2 * cluster,
    refcountTableClusters: 1,
  })
  const withBytes = (change: (bytes: Buffer) => void): string => {
    const bytes = Buffer.alloc(4 * cluster)
    bytes.set(header)
    change(bytes)
    writeFileSync(at('feature'), bytes)
    return at('feature')
  }

  it.each<[string, RegExp, (bytes: Buffer) => void]>([
    ['encryption', /encrypted qcow2 images \(LUKS\)/, (bytes) => bytes.writeUInt32BE(2, 32)],
    ['a data file', /external data file/, (bytes) => bytes.writeUInt32BE(4, 76)],
    ['an unknown feature', /feature 9$/, (bytes) => bytes.writeUInt32BE(512, 76)],
    [
      'a feature with a name, escaped',
      /feature 40, "odd\\x1bname"/,
      (bytes) => {
        bytes.writeUInt32BE(256, 72)
        bytes.writeUInt32BE(0x6803f857, 104)
        bytes.writeUInt32BE(48, 108)
        bytes.write('\0\x28odd\x1bname', 112)
      },
    ],
  ])('%s is refused by name', async (_, message, change) => {
    await expect(info(withBytes(change))).rejects.toMatchObject({ code: 'QCOW2_FEATURE', message })
  })

  it.each<[string, string, (bytes: Buffer) => void]>([
    ['version 1', 'BAD_VERSION', (bytes) => bytes.writeUInt32BE(1, 4)],
    ['clusters of 256 bytes', 'QCOW2_HEADER', (bytes) => bytes.writeUInt32BE(8, 20)],
    ['a size beyond its tables', 'QCOW2_HEADER', (bytes) => bytes.writeUInt32BE(1, 24)],
    ['a size of 2^63', 'BAD_VIRTUAL_SIZE', (bytes) => bytes.writeUInt32BE(0x80000000, 24)],
    ['an L1 table that is too long', 'QCOW2_HEADER', (bytes) => bytes.writeUInt32BE(0xffffffff, 36)],
    ['an L1 table behind the file', 'QCOW2_HEADER', (bytes) => bytes.writeUInt32BE(9, 40)],
    ['a refcount table off a cluster', 'QCOW2_HEADER', (bytes) => bytes.writeUInt32BE(cluster + 8, 52)],
    ['refcounts of 128 bits', 'QCOW2_HEADER', (bytes) => bytes.writeUInt32BE(7, 96)],
    ['a header of 103 bytes', 'QCOW2_HEADER', (bytes) => bytes.writeUInt32BE(103, 100)],
    ['an extension without an end', 'QCOW2_HEADER', (bytes) => bytes.fill(0xff, 104, 112)],
    ['too many snapshots', 'QCOW2_HEADER', (bytes) => bytes.writeUInt32BE(0xffffffff, 60)],
    [
      'a path of 2000 bytes',
      'QCOW2_HEADER',
      (bytes) => bytes.fill('\x00\x00\x00\xc8\x00\x00\x07\xd0', 12, 20, 'latin1'),
    ],
  ])('%s is refused', async (_, code, change) => {
    await expect(info(withBytes(change))).rejects.toEqual(coded(code))
  })
})
