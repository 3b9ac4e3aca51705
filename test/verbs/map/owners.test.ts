import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { unpackPair } from '../../../fixtures/unpack.js'
import {
  fileSystemUsage,
  type MapExtent,
  type MapOptions,
  map,
  merge,
  openFileSystem,
  walkExtDirectories,
} from '../../../src/index.js'
import { temporaryDirectory } from '../../support/paths.js'

interface Mapped {
  readonly extents: MapExtent[]
  readonly notes: readonly string[]
  readonly sums: Readonly<Record<string, number>>
}

/** List a map with owners, which must tile the image. */
async function mapped(path: string, options: MapOptions = {}): Promise<Mapped> {
  const image = await map(path, { owners: true, ...options })
  const extents: MapExtent[] = []
  const sums: Record<string, number> = {}
  let at = options.startOffset ?? 0
  for await (const extent of image.extents) {
    expect(extent.start).toBe(at)
    at += extent.length
    extents.push(extent)
    sums[extent.owner!] = (sums[extent.owner!] ?? 0) + extent.length
  }
  await image.close()
  expect(at).toBe((options.startOffset ?? 0) + image.mappedLength)
  return { extents, sums, notes: image.notes }
}

function unpack(kind: string) {
  const directory = temporaryDirectory()
  const { paths } = unpackPair(kind, directory)
  return { directory, cow: paths.overlays[0]!, backing: paths.backing }
}

/** The bytes of a file or directory, as extents of the image. */
async function placesOf(path: string, backing: string) {
  await using opened = await openFileSystem(path, { backing })
  const { files } = opened
  const places: { owner: string; start: number; end: number }[] = []
  for await (const { inode, entries } of walkExtDirectories(files, await files.inode(2))) {
    for (const file of [inode, ...entries.map((entry) => entry.inode)]) {
      if (file.type !== 'file' && file.type !== 'directory') continue
      const owner = file.type === 'file' ? 'fileData' : 'directories'
      for await (const extents of files.extents(file)) {
        for (const { physical, length } of extents) {
          if (physical === null) continue
          const { blockSize } = files.superblock
          places.push({ owner, start: physical * blockSize, end: (physical + length) * blockSize })
        }
      }
    }
  }
  return places
}

describe('map with owners', () => {
  test.each(['ext4', 'ext4-1k'])('%s: what the kernel wrote', async (kind) => {
    const { cow, backing, directory } = unpack(kind)
    const { extents, sums, notes } = await mapped(cow, { backing })
    expect(notes).toEqual([])
    const { free, journalSize } = await fileSystemUsage(cow, { backing })
    expect(sums).toMatchObject({ free, journal: journalSize })
    const places = await placesOf(cow, backing)
    for (const { owner, start, end } of places) {
      const found = extents.filter((extent) => extent.start < end && extent.start + extent.length > start)
      expect(new Set(found.map((extent) => extent.owner))).toEqual(new Set([owner]))
    }
    const sumOf = (name: string) =>
      [...new Map(places.map((place) => [place.start, place])).values()]
        .filter(({ owner }) => owner === name)
        .reduce((sum, { start, end }) => sum + end - start, 0)
    expect(sums).toMatchObject({ fileData: sumOf('fileData'), directories: sumOf('directories') })

    // The layers are those of the map without owners.
    const plain = await map(cow, { backing })
    const bytes = [0, 0]
    for await (const { depth, length } of plain.extents) bytes[depth]! += length
    await plain.close()
    for (const depth of [0, 1]) {
      const part = extents.filter((extent) => extent.depth === depth)
      expect(part.reduce((sum, { length }) => sum + length, 0)).toBe(bytes[depth])
    }

    await merge(cow, `${directory}/merged`, { backing, noSync: true })
    expect((await mapped(`${directory}/merged`)).sums).toEqual(sums)
    const half = extents.filter(({ start }) => start >= 2 ** 20)
    const later = await mapped(cow, { backing, startOffset: 2 ** 20 })
    expect(later.extents.slice(1)).toEqual(half.slice(half.length - later.extents.length + 1))
  })

  test('in a partition, all else is outside', async () => {
    const { cow, backing, directory } = unpack('ext4')
    const image = `${directory}/merged`
    await merge(cow, image, { backing, noSync: true })
    const content = readFileSync(image)
    const { sums } = await mapped(image)
    const disk = Buffer.alloc(2 ** 20 + content.length + 5000 * 512)
    // A DOS partition table with one partition of Linux, from 1 MiB on.
    disk.set([0, 0, 0, 0, 0x83], 446)
    disk.writeUInt32LE(2048, 454)
    disk.writeUInt32LE(content.length / 512, 458)
    disk.writeUInt16BE(0x55aa, 510)
    disk.set(content, 2 ** 20)
    writeFileSync(`${image}.disk`, disk)
    const expected = { ...sums, outside: 2 ** 20 + 5000 * 512 }
    for (const [name, options] of [[''], ['@1'], ['', { partition: 1 }]] as const) {
      const found = await mapped(`${image}.disk${name}`, options)
      expect(found.sums).toEqual(expected)
      expect(found.extents[0]).toMatchObject({ start: 0, length: 2 ** 20, owner: 'outside' })
    }
    await expect(mapped(`${image}.disk`, { partition: 2 })).rejects.toMatchObject({ code: 'PARTITION_MISSING' })
    await expect(mapped(`${image}.disk@0`)).rejects.toMatchObject({ code: 'FS_UNKNOWN' })
  })

  test('refuses an image without a file system that it reads', async () => {
    const image = `${temporaryDirectory()}/image`
    writeFileSync(image, '')
    truncateSync(image, 2 ** 20)
    await expect(mapped(image)).rejects.toMatchObject({
      code: 'FS_UNKNOWN',
      message: expect.stringContaining(image),
      hint: expect.stringContaining('without --owners'),
    })
    const plain = await map(image)
    for await (const extent of plain.extents) expect(extent).not.toHaveProperty('owner')
    await plain.close()
  })
})
