import { readFileSync, utimesSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { infoDocument, infoText } from '../../src/cli/reports/info.js'
import { createOverlay, createQcow2, type ImageInfo, info, infoChain } from '../../src/index.js'
import { openFileSystem } from '../../src/overlays/open-file-system.js'
import { HandExt } from '../support/ext-by-hand.js'
import { validate } from '../support/json-schema.js'
import { linuxType, makeGptDisk } from '../support/partition-images.js'
import { root, temporaryDirectory } from '../support/paths.js'

const schema = JSON.parse(readFileSync(path.join(root, 'docs/schema/info.json'), 'utf8'))

/** Two partitions of 256 KiB from 64 KiB on: ext4 that was not unmounted, and swap. */
function writeDisk(): string {
  const places = [128, 640].map((first) => ({ type: linuxType, first, last: first + 511, name: `at\n${first}` }))
  const { bytes } = makeGptDisk(512, 2048, places)
  const ext = new HandExt()
  ext.bytes.write('r\xf6\x1b', 1024 + 0x78, 'latin1')
  bytes.set(ext.bytes, 128 * 512)
  bytes.write('SWAPSPACE2', 640 * 512 + 4086)
  const file = path.join(temporaryDirectory(), 'disk')
  writeFileSync(file, bytes)
  return file
}

/** The part of a report that is about contents. */
function contentsOf(image: ImageInfo): unknown {
  const document = infoDocument(image)
  expect(validate(schema, JSON.parse(JSON.stringify(document)), { closed: true })).toEqual([])
  return document['contents']
}

const first = {
  number: 1,
  start: 65536,
  size: 262144,
  type: linuxType,
  'type-name': 'Linux',
  name: 'at\n128',
  uuid: '00000000-0000-4000-8000-000000000001',
  bootable: false,
  extended: false,
  'file-system': { type: 'ext4', label: 'r\\xf6\\x1b', uuid: null, state: ['mounted'], problem: null },
}

describe('info shows what is inside', () => {
  test('a raw image, an overlay and a qcow2 image of a disk', async () => {
    const disk = writeDisk()
    const [cow, qcow2] = [`${disk}.cow`, `${disk}.qcow2`]
    await createOverlay(cow, disk)
    await createQcow2(qcow2, { backing: disk, backingFormat: 'raw' })
    const plain = contentsOf(await info(disk))
    expect(plain).toMatchObject({
      'file-system': null,
      'partition-table': {
        type: 'gpt',
        problems: [],
        partitions: [first, { number: 2, 'file-system': { type: 'swap' } }],
      },
      problem: null,
    })
    for (const file of [cow, qcow2]) {
      expect(contentsOf(await info(file))).toEqual(plain)
      expect(contentsOf(await info(file, { fast: true }))).toBeUndefined()
      expect(contentsOf(await info(file, { noBacking: true }))).toBeUndefined()
      const chain = await infoChain(`${file}@1`)
      expect(chain.map(({ contents }) => contents!.table!.partitions.length)).toEqual([1, 2])
    }
    expect(infoText(await info(cow))).toContain(`
partition table: gpt, sectors of 512 bytes, UUID 11223344-5566-4788-99aa-bbccddeeff00
    1: 256 KiB at 64 KiB, Linux "at\\x0a128": ext4, label "r\\xf6\\x1b", was not unmounted
    2: 256 KiB at 320 KiB, Linux "at\\x0a640": swap
`)
  })

  test('one partition, by its number', async () => {
    const disk = writeDisk()
    const one = contentsOf(await info(`${disk}@1`))
    expect(one).toMatchObject({ 'partition-table': { partitions: [first] } })
    expect(contentsOf(await info(disk, { partition: 1, fast: true }))).toEqual(one)
    expect(contentsOf(await info(disk, { partition: 0 }))).toBeUndefined()
    const missing = { code: 'PARTITION_MISSING', message: `${disk}: the image has no partition 3: it has 1, 2` }
    await expect(info(`${disk}@3`)).rejects.toMatchObject(missing)
  })

  test('a file system that fills the image, and nothing that umlcow knows', async () => {
    const file = path.join(temporaryDirectory(), 'fs')
    const hand = new HandExt()
    hand.bytes.writeUInt16LE(3, 1024 + 0x3a)
    hand.field(0x60, 0x43)
    writeFileSync(file, hand.bytes)
    const text = infoText(await info(file))
    expect(text).toContain(
      '\nfile system: ext4, has errors, umlcow cannot read this ext file system: it uses compression\n',
    )
    writeFileSync(file, 'text')
    expect(await info(file)).toMatchObject({ contents: { fileSystem: null, table: null, problem: null } })
    expect(contentsOf(await info(file))).toBeUndefined()
  })

  test('but not of a backing file that does not fit, nor of compressed bytes; and it survives what it cannot read', async () => {
    const disk = writeDisk()
    const cow = `${disk}.cow`
    await createOverlay(cow, disk)
    utimesSync(disk, 1, 1)
    expect((await info(cow)).contents).toBeNull()
    const lz4 = `${disk}.lz4`
    writeFileSync(lz4, Buffer.from('04224d18', 'hex'))
    expect((await info(lz4)).contents).toBeNull()
    const qcow2 = `${disk}.qcow2`
    await createQcow2(qcow2, { size: 2 ** 20, overwrite: true })
    const damaged = readFileSync(qcow2)
    // The first table of clusters lies in the place that the header says; now it leads out of the file.
    damaged.writeBigUInt64BE(2n ** 63n + 2n ** 40n, Number(damaged.readBigUInt64BE(40)))
    writeFileSync(qcow2, damaged)
    const { contents } = await info(qcow2)
    expect(contents).toMatchObject({ fileSystem: null, table: null, problem: expect.stringContaining(qcow2) })
    expect(contentsOf(await info(qcow2))).toMatchObject({ problem: contents!.problem })
  })
})

test('openFileSystem takes IMAGE@N, and names the image in its messages', async () => {
  const disk = writeDisk()
  for (const [name, partition] of [
    [`${disk}@1`, undefined],
    [disk, 1],
    [disk, undefined],
  ] as const) {
    await using opened = await openFileSystem(name, { partition })
    expect(opened.partition).toMatchObject({ number: 1, start: 65536 })
    expect(opened.files.superblock.blockCount).toBe(256)
  }
  const failures = [
    [`${disk}@2`, 'FS_UNKNOWN', 'partition 2 holds swap: umlcow reads the files of ext2, ext3 and ext4 only'],
    [`${disk}@7`, 'PARTITION_MISSING', 'the image has no partition 7: it has 1, 2'],
  ] as const
  for (const [name, code, message] of failures) {
    await expect(openFileSystem(name, {})).rejects.toMatchObject({ code, message: `${disk}: ${message}` })
  }
  await expect(openFileSystem(`${disk}x@1`, {})).rejects.toMatchObject({ code: 'ENOENT' })
})
