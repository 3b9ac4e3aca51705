import { describe, expect, test } from 'vitest'
import { partitionImage, readPartitionTable } from '../../../src/images/partitions/index.js'
import { amount, diceFor } from '../../support/amount.js'
import {
  type GptDisk,
  imageOf,
  linuxType,
  makeGptDisk,
  sealGptHeader,
  writeBootRecord,
} from '../../support/partition-images.js'

async function tableOf(disk: Buffer) {
  return readPartitionTable(imageOf(disk), disk.subarray(0, 512))
}

describe('a master boot record', () => {
  test('lists primary and logical partitions', async () => {
    const disk = Buffer.alloc(2 ** 20)
    writeBootRecord(
      disk,
      0,
      [
        { type: 0x83, start: 64, count: 100, flag: 0x80 },
        { type: 0x05, start: 200, count: 1000 },
        null,
        { type: 0x77, start: 1300, count: 8 },
      ],
      0xdeadbeef,
    )
    // Each boot record has one logical partition, which counts from it, and the next one, which counts from the first.
    writeBootRecord(disk, 200, [
      { type: 0x83, start: 10, count: 20 },
      { type: 0x05, start: 100, count: 100 },
    ])
    writeBootRecord(disk, 300, [{ type: 0x82, start: 1, count: 50 }])

    const table = await tableOf(disk)
    expect(table).toMatchObject({ kind: 'mbr', sectorSize: 512, uuid: 'deadbeef', findings: [] })
    const shown = table!.partitions.map(({ number, start, length, type, typeName, uuid, isBootable, isExtended }) =>
      [number, start / 512, length / 512, type, typeName, uuid, isBootable, isExtended].join(' '),
    )
    expect(shown).toEqual([
      '1 64 100 83 Linux deadbeef-01 true false',
      '2 200 1000 5 extended deadbeef-02 false true',
      '4 1300 8 77  deadbeef-04 false false',
      '5 210 20 83 Linux deadbeef-05 false false',
      '6 301 50 82 Linux swap deadbeef-06 false false',
    ])
  })

  test('is not seen in sectors of other kinds', async () => {
    const disk = Buffer.alloc(4096)
    expect(await tableOf(disk)).toBeNull()
    expect(await tableOf(Buffer.alloc(100))).toBeNull()
    writeBootRecord(disk, 0, [{ type: 0x83, start: 1, count: 1, flag: 0x7f }])
    expect(await tableOf(disk)).toBeNull()
    writeBootRecord(disk, 0, [{ type: 0x83, start: 1, count: 1 }])
    expect((await tableOf(disk))!.uuid).toBeNull()
  })

  test('may lead in a circle, out of the image, or nowhere', async () => {
    const disk = Buffer.alloc(2 ** 20)
    const extended = { type: 0x0f, start: 200, count: 1000 }
    writeBootRecord(disk, 0, [extended])
    expect(await tableOf(disk)).toMatchObject({ findings: [] })
    writeBootRecord(disk, 200, [
      { type: 0x83, start: 1, count: 1 },
      { type: 5, start: 100, count: 100 },
    ])
    expect((await tableOf(disk))!.findings).toEqual([
      'the chain of logical partitions is broken: no table in sector 300',
    ])
    writeBootRecord(disk, 300, [
      { type: 0x83, start: 1, count: 1 },
      { type: 5, start: 0, count: 100 },
    ])
    const circle = await tableOf(disk)
    expect(circle!.partitions.map(({ number }) => number)).toEqual([1, 5, 6])
    expect(circle!.findings).toEqual([
      'the chain of logical partitions goes in a circle, or is too long, at sector 200',
    ])
    writeBootRecord(disk, 300, [null, { type: 5, start: 2 ** 32 - 1, count: 100 }])
    expect((await tableOf(disk))!.findings).toHaveLength(1)
  })

  test('has at most 256 partitions', async () => {
    const disk = Buffer.alloc(2 ** 20)
    writeBootRecord(disk, 0, [{ type: 5, start: 1, count: 1000 }])
    for (let i = 0; i < 600; i++) {
      writeBootRecord(disk, 1 + i, [
        { type: 0x83, start: 1, count: 1 },
        { type: 5, start: i + 1, count: 1 },
      ])
    }
    const table = await tableOf(disk)
    expect(table!.partitions).toHaveLength(256)
    expect(table!.findings).toEqual(['umlcow lists 256 partitions only'])
  })

  test('has partitions that the image lacks', async () => {
    const disk = Buffer.alloc(100 * 512)
    writeBootRecord(disk, 0, [
      { type: 0x83, start: 90, count: 20 },
      { type: 0x83, start: 2 ** 32 - 1, count: 2 ** 32 - 1 },
    ])
    const { partitions, findings } = (await tableOf(disk))!
    expect(partitions.map(({ length }) => length)).toEqual([10 * 512, 0])
    expect(findings[0]).toBe('partition 1 ends at byte 56320, beyond the end of the image')
    for (const partition of partitions) {
      const view = partitionImage(imageOf(disk), partition)
      await view.read(0, new Uint8Array(partition.length))
      await expect(view.read(0, new Uint8Array(partition.length + 1))).rejects.toMatchObject({ code: 'OUT_OF_RANGE' })
    }
  })
})

test('a master boot record may say anything', async () => {
  const dice = diceFor('mbr')
  const types = [0, 5, 0x83]
  for (let i = 0; i < amount({ quick: 150, deep: 15000 }); i++) {
    const disk = Buffer.alloc(64 * 512)
    for (let sector = 0; sector < 64; sector++) {
      const records = Array.from({ length: 4 }, () => ({
        type: types[dice.below(3)]!,
        start: dice.once(20) ? dice.below(2 ** 32) : dice.below(64),
        count: dice.below(64),
      }))
      writeBootRecord(disk, sector, records)
    }
    const { partitions } = (await tableOf(disk))!
    expect(partitions.length).toBeLessThanOrEqual(256)
    for (const { start, length } of partitions) expect(length === 0 || start + length <= disk.length).toBe(true)
  }
})

const lines = [
  { type: linuxType, first: 40, last: 49, name: 'root \u{1f40b}', isBootable: true },
  null,
  { type: '01234567-89ab-4def-8123-456789abcdef', first: 50, last: 50 },
]

function headerOf({ bytes, sectorSize, lastSector }: GptDisk, which: 'first' | 'last'): Buffer {
  const at = (which === 'first' ? 1 : lastSector) * sectorSize
  return bytes.subarray(at, at + 92)
}

function damage(header: Buffer): void {
  header[57]! ^= 1
}

describe.each([512, 4096])('a GUID partition table, sectors of %i bytes', (sectorSize) => {
  const sectorCount = 100
  const make = () => makeGptDisk(sectorSize, sectorCount, lines)

  const expected = {
    kind: 'gpt',
    sectorSize,
    uuid: '11223344-5566-4788-99aa-bbccddeeff00',
    partitions: [
      {
        number: 1,
        start: 40 * sectorSize,
        length: 10 * sectorSize,
        type: linuxType,
        typeName: 'Linux',
        name: 'root \u{1f40b}',
        uuid: '00000000-0000-4000-8000-000000000001',
        isBootable: true,
        isExtended: false,
      },
      {
        number: 3,
        start: 50 * sectorSize,
        length: sectorSize,
        type: '01234567-89ab-4def-8123-456789abcdef',
        typeName: null,
        name: null,
        uuid: '00000000-0000-4000-8000-000000000003',
        isBootable: false,
        isExtended: false,
      },
    ],
  }

  test('is read', async () => {
    expect(await tableOf(make().bytes)).toEqual({ ...expected, findings: [] })
  })

  test('is read from its copy when the header or the array is damaged', async () => {
    const disk = make()
    disk.bytes[2 * sectorSize + 60]! ^= 1
    const finding = (what: string) =>
      `the GUID partition table is damaged: its ${what} has a wrong checksum, so umlcow uses the copy at the end`
    expect(await tableOf(disk.bytes)).toEqual({ ...expected, findings: [finding('array of partitions')] })
    damage(headerOf(disk, 'first'))
    expect(await tableOf(disk.bytes)).toEqual({ ...expected, findings: [finding('header')] })
    // The image grew: only the protective entry says where the disk once ended.
    const grown = Buffer.concat([disk.bytes, Buffer.alloc(10 * sectorSize)])
    expect(await tableOf(grown)).toEqual({ ...expected, findings: [finding('header')] })
    damage(headerOf(disk, 'last'))
    expect(await tableOf(disk.bytes)).toMatchObject({
      partitions: [],
      findings: [
        'the GUID partition table is damaged: its header has a wrong checksum, and umlcow finds no copy of it',
      ],
    })
  })

  test('may say anything', async () => {
    const dice = diceFor(`gpt ${sectorSize}`)
    const disk = make()
    for (let i = 0; i < amount({ quick: 300, deep: 30000 }); i++) {
      const bytes = Buffer.from(disk.bytes)
      const header = headerOf({ ...disk, bytes }, 'first')
      for (let flips = 1 + dice.below(3); flips > 0; flips--) header[dice.below(92)] = dice.below(256)
      header.write('EFI PART', 'latin1')
      sealGptHeader(header)
      const table = await tableOf(bytes)
      for (const { start, length } of table!.partitions) expect(start + length).toBeLessThanOrEqual(bytes.length)
    }
  })
})

test('a GUID partition table with impossible places, and with too many partitions', async () => {
  const places = [
    [2 ** 53 - 1, 2 ** 53 - 1],
    [50, 40],
    [2 ** 60, 2 ** 61],
  ] as const
  const odd = makeGptDisk(
    512,
    100,
    places.map(([first, last]) => ({ type: linuxType, first, last })),
  )
  expect(await tableOf(odd.bytes)).toMatchObject({
    partitions: [],
    findings: [1, 2, 3].map((number) => `partition ${number} has an impossible place`),
  })
  const line = { type: linuxType, first: 1, last: 1 }
  const many = makeGptDisk(512, 4000, Array(300).fill(line), { entryCount: 1000, entrySize: 256 })
  expect((await tableOf(many.bytes))!.partitions).toHaveLength(256)
  const huge = makeGptDisk(512, 100, [line])
  for (const which of ['first', 'last'] as const) {
    const header = headerOf(huge, which)
    header.writeUInt32LE(2 ** 32 - 1, 80)
    sealGptHeader(header)
  }
  expect((await tableOf(huge.bytes))!.findings[0]).toContain(
    '4294967295 entries of 128 bytes, which umlcow does not read',
  )
})

test('a view of a partition has its bytes and its extents', async () => {
  const disk = Buffer.from(Array.from({ length: 3000 }, (_, i) => i % 251))
  const view = partitionImage(imageOf(disk), { start: 500, length: 1000 })
  const bytes = new Uint8Array(100)
  await view.read(900, bytes)
  expect(Buffer.from(bytes)).toEqual(disk.subarray(1400, 1500))
  const extents = []
  for await (const extent of view.extents(10, 20)) extents.push(extent)
  expect(extents).toEqual([{ start: 10, length: 20, depth: 0, data: true, zero: false, offset: 510 }])
  await expect(view.read(901, bytes)).rejects.toMatchObject({ code: 'OUT_OF_RANGE' })
  await view.close()
  await expect(view.read(0, bytes)).rejects.toMatchObject({ code: 'CLOSED' })
})
