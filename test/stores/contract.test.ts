import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { imageStore } from '../../src/images/image-store.js'
import { openRawImage } from '../../src/images/raw-image.js'
import { directReader } from '../../src/machine/stores/direct-store.js'
import { openFileStore } from '../../src/machine/stores/file-store.js'
import { openPipeStore } from '../../src/machine/stores/pipe-store.js'
import { openBlobStore } from '../../src/stores/blob-store.js'
import {
  type BlockStore,
  isSyncStore,
  readExact,
  readPadded,
  readPaddedNow,
  type SyncBlockStore,
  writeExact,
  writeExactNow,
} from '../../src/stores/block-store.js'
import { openMemoryStore } from '../../src/stores/memory-store.js'
import { OpenState } from '../../src/stores/open-state.js'
import { runs } from '../support/amount.js'
import { temporaryDirectory } from '../support/paths.js'
import { oneByteStore } from './faulty-stores.js'

/** A store that holds these bytes, and the way to see what it holds without it. */
type Make = (initial: Uint8Array) => Promise<{ store: SyncBlockStore; stored: () => Uint8Array }>

const makers: readonly (readonly [string, Make])[] = [
  [
    'file store',
    async (initial) => {
      const filePath = path.join(temporaryDirectory(), 'store')
      writeFileSync(filePath, initial)
      const store = await openFileStore(filePath, 'readWrite')
      return { store, stored: () => new Uint8Array(readFileSync(filePath)) }
    },
  ],
  [
    'memory store',
    async (initial) => {
      const store = openMemoryStore(initial)
      return { store, stored: () => store.bytes() }
    },
  ],
]

const ten = Uint8Array.of(10, 11, 12, 13, 14, 15, 16, 17, 18, 19)

function codeOf(error: unknown): string {
  return (error as { code?: string }).code ?? String(error)
}

describe.each(makers)('%s', (_name, make) => {
  test('tells its size and keeps what it was given', async () => {
    const { store, stored } = await make(ten)
    expect(store.size).toBe(10)
    expect(stored()).toEqual(ten)
    expect(store.name).not.toBe('')
    expect(isSyncStore(store)).toBe(true)
    await store.close()
  })

  test('reads at an offset, and leaves what it does not fill', async () => {
    const { store } = await make(ten)
    const target = new Uint8Array(6).fill(0xee)
    expect(await store.read(2, target.subarray(1, 4))).toBe(3)
    expect([...target]).toEqual([0xee, 12, 13, 14, 0xee, 0xee])
    expect(store.readNow(0, target)).toBe(6)
    expect([...target]).toEqual([10, 11, 12, 13, 14, 15])
    await store.close()
  })

  test('reads less at its end and nothing past it', async () => {
    const { store } = await make(ten)
    for (const read of [store.read, async (...args: Parameters<typeof store.readNow>) => store.readNow(...args)]) {
      const target = new Uint8Array(4).fill(0xee)
      expect(await read(8, target)).toBe(2)
      expect([...target]).toEqual([18, 19, 0xee, 0xee])
      expect(await read(10, target)).toBe(0)
      expect(await read(1000, target)).toBe(0)
      expect(await read(2 ** 40, target)).toBe(0)
      expect(await read(3, new Uint8Array(0))).toBe(0)
    }
    await store.close()
  })

  test('grows as it is written; the gap reads as zeros', async () => {
    const { store, stored } = await make(ten)
    expect(await store.write(9, Uint8Array.of(1, 2))).toBe(2)
    expect(store.size).toBe(11)
    expect(store.writeNow(14, Uint8Array.of(3))).toBe(1)
    expect(store.size).toBe(15)
    expect([...stored()]).toEqual([10, 11, 12, 13, 14, 15, 16, 17, 18, 1, 2, 0, 0, 0, 3])
    const target = new Uint8Array(15)
    await readExact(store, 0, target)
    expect(target).toEqual(stored())
    await store.close()
  })

  test('does not shrink or grow by writes inside it', async () => {
    const { store } = await make(ten)
    await writeExact(store, 3, Uint8Array.of(1))
    await writeExact(store, 0, new Uint8Array(0))
    expect(store.size).toBe(10)
    await store.close()
  })

  test('truncates: what is cut off is gone, what is added reads as zeros', async () => {
    const { store, stored } = await make(ten)
    await store.truncate(4)
    expect(store.size).toBe(4)
    expect(await store.read(4, new Uint8Array(1))).toBe(0)
    await store.truncate(8)
    expect(store.size).toBe(8)
    expect([...stored()]).toEqual([10, 11, 12, 13, 0, 0, 0, 0])
    await writeExact(store, 9, Uint8Array.of(7))
    expect([...stored()]).toEqual([10, 11, 12, 13, 0, 0, 0, 0, 0, 7])
    await store.truncate(0)
    expect(store.size).toBe(0)
    await store.truncate(3)
    expect([...stored()]).toEqual([0, 0, 0])
    await store.close()
  })

  test.each([
    [-1, 1],
    [0.5, 1],
    [Number.NaN, 1],
    [Number.POSITIVE_INFINITY, 1],
    [2 ** 53, 0],
    [2 ** 53 - 1, 1],
    [2 ** 53 - 4, 5],
  ])('refuses offset %d with %d bytes', async (offset, length) => {
    const { store } = await make(ten)
    const bytes = new Uint8Array(length)
    await expect(store.read(offset, bytes)).rejects.toMatchObject({ code: 'OUT_OF_RANGE' })
    await expect(store.write(offset, bytes)).rejects.toMatchObject({ code: 'OUT_OF_RANGE' })
    expect(() => store.readNow(offset, bytes)).toThrow(expect.objectContaining({ code: 'OUT_OF_RANGE' }))
    expect(() => store.writeNow(offset, bytes)).toThrow(expect.objectContaining({ code: 'OUT_OF_RANGE' }))
    expect(store.size).toBe(10)
    await store.close()
  })

  test.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])('refuses a size of %d', async (size) => {
    const { store } = await make(ten)
    await expect(store.truncate(size)).rejects.toMatchObject({ code: 'OUT_OF_RANGE' })
    expect(store.size).toBe(10)
    await store.close()
  })

  test('can be synced, and closed twice', async () => {
    const { store } = await make(ten)
    await store.sync()
    await store.close()
    await store.close()
  })

  test('is an array that grows, for any sequence of calls', async () => {
    const step = fc.oneof(
      fc.record({
        do: fc.constant('write' as const),
        at: fc.nat(300),
        bytes: fc.uint8Array({ maxLength: 60 }),
        now: fc.boolean(),
      }),
      fc.record({ do: fc.constant('truncate' as const), at: fc.nat(300) }),
      fc.record({ do: fc.constant('read' as const), at: fc.nat(400), length: fc.nat(80), now: fc.boolean() }),
    )
    const property = fc.asyncProperty(
      fc.uint8Array({ maxLength: 40 }),
      fc.array(step, { maxLength: 25 }),
      async (initial, steps) => {
        const { store, stored } = await make(initial)
        let model = [...initial]
        try {
          for (const one of steps) {
            if (one.do === 'truncate') {
              await store.truncate(one.at)
              model = Array.from({ length: one.at }, (_, i) => model[i] ?? 0)
            } else if (one.do === 'write') {
              if (one.now) writeExactNow(store, one.at, one.bytes)
              else await writeExact(store, one.at, one.bytes)
              const length = one.bytes.length === 0 ? model.length : Math.max(model.length, one.at + one.bytes.length)
              model = Array.from({ length }, (_, i) => one.bytes[i - one.at] ?? model[i] ?? 0)
            } else {
              const target = new Uint8Array(one.length).fill(0xee)
              if (one.now) readPaddedNow(store, one.at, target)
              else await readPadded(store, one.at, target)
              expect([...target]).toEqual(Array.from({ length: one.length }, (_, i) => model[one.at + i] ?? 0))
            }
            expect(store.size).toBe(model.length)
          }
          expect([...stored()]).toEqual(model)
        } finally {
          await store.close()
        }
      },
    )
    await fc.assert(property, { numRuns: runs(60) })
  })
})

describe('exact transfers through a store that moves a byte at a time', () => {
  const make = () => oneByteStore(openMemoryStore(ten))

  test('readExact fills all, or says what is missing', async () => {
    const store = make()
    const target = new Uint8Array(7)
    await readExact(store, 3, target)
    expect([...target]).toEqual([13, 14, 15, 16, 17, 18, 19])
    await readExact(store, 10, new Uint8Array(0))
    await expect(readExact(store, 4, target)).rejects.toMatchObject({
      code: 'SHORT_READ',
      details: { offset: 4, expected: 7, got: 6 },
    })
    await expect(readExact(store, 10, new Uint8Array(1))).rejects.toMatchObject({ code: 'SHORT_READ' })
  })

  test.each([
    [0, 10, [10, 11, 12, 13, 14, 15, 16, 17, 18, 19]],
    [8, 4, [18, 19, 0, 0]],
    [10, 3, [0, 0, 0]],
    [2 ** 45, 2, [0, 0]],
    [9, 1, [19]],
    [4, 0, []],
  ])('readPadded at %d of %d bytes has zeros past the end', async (offset, length, expected) => {
    const store = make()
    const larger = new Uint8Array(length + 4).fill(0xee)
    await readPadded(store, offset, larger.subarray(2, 2 + length))
    expect([...larger]).toEqual([0xee, 0xee, ...expected, 0xee, 0xee])
    larger.fill(0xee)
    readPaddedNow(store, offset, larger.subarray(2, 2 + length))
    expect([...larger]).toEqual([0xee, 0xee, ...expected, 0xee, 0xee])
  })

  test('writeExact writes all', async () => {
    const store = make()
    await writeExact(store, 8, Uint8Array.of(1, 2, 3))
    writeExactNow(store, 0, Uint8Array.of(4, 5))
    const target = new Uint8Array(11)
    await readExact(store, 0, target)
    expect([...target]).toEqual([4, 5, 12, 13, 14, 15, 16, 17, 1, 2, 3])
  })
})

describe('exact transfers through a store that goes wrong', () => {
  /** A store that says it has 100 bytes and gives or takes none. */
  const stuck: SyncBlockStore = {
    name: 'stuck',
    size: 100,
    read: async () => 0,
    write: async () => 0,
    readNow: () => 0,
    writeNow: () => 0,
    truncate: async () => {},
    sync: async () => {},
    close: async () => {},
  }

  test('end with an error where nothing more comes, for ever waiting never', async () => {
    const bytes = new Uint8Array(5)
    await expect(readExact(stuck, 0, bytes)).rejects.toMatchObject({ code: 'SHORT_READ' })
    // The file has shrunk since its size was asked: these bytes are missing, not zeros.
    await expect(readPadded(stuck, 90, bytes)).rejects.toMatchObject({ code: 'SHORT_READ' })
    expect(() => readPaddedNow(stuck, 90, bytes)).toThrow(expect.objectContaining({ code: 'SHORT_READ' }))
    await expect(writeExact(stuck, 0, bytes)).rejects.toMatchObject({ code: 'SHORT_WRITE' })
    expect(() => writeExactNow(stuck, 0, bytes)).toThrow(expect.objectContaining({ code: 'SHORT_WRITE' }))
  })

  test('pass errors on as they are', async () => {
    const failure = Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO' })
    const failing: BlockStore = { ...stuck, read: () => Promise.reject(failure), write: () => Promise.reject(failure) }
    for (const run of [
      () => readExact(failing, 0, new Uint8Array(1)),
      () => readPadded(failing, 0, new Uint8Array(1)),
      () => writeExact(failing, 0, new Uint8Array(1)),
    ]) {
      const error = await run().catch((caught: unknown) => caught)
      expect(error).toBe(failure)
      expect(codeOf(error)).toBe('EIO')
    }
  })
})

describe('after close', () => {
  const fileWith = (content: Uint8Array) => {
    const file = path.join(temporaryDirectory(), 'store')
    writeFileSync(file, content)
    return file
  }
  const stores: readonly (readonly [string, () => Promise<BlockStore>])[] = [
    ['file store', () => openFileStore(fileWith(ten), 'readWrite')],
    ['direct reader', async () => directReader(await openFileStore(fileWith(ten), 'readWrite'))],
    ['memory store', async () => openMemoryStore(ten)],
    ['pipe store', async () => openPipeStore(2, 'standard error')],
    ['blob store', async () => openBlobStore(new Blob([ten]))],
    ['image as a store', async () => imageStore(openRawImage(openMemoryStore(ten)), 'image')],
  ]

  test.each(stores)('%s refuses every call with CLOSED', async (_name, make) => {
    const store = await make()
    await store.close()
    const closed = { code: 'CLOSED', message: `${store.name}: is closed` }
    for (const length of [0, 1]) {
      await expect(store.read(0, new Uint8Array(length))).rejects.toMatchObject(closed)
      await expect(store.write(0, new Uint8Array(length))).rejects.toMatchObject(closed)
    }
    await expect(store.truncate(0)).rejects.toMatchObject(closed)
    await expect(store.sync()).rejects.toMatchObject(closed)
    if (isSyncStore(store)) {
      expect(() => store.readNow(0, new Uint8Array(1))).toThrow(expect.objectContaining(closed))
      expect(() => store.writeNow(0, new Uint8Array(1))).toThrow(expect.objectContaining(closed))
    }
    if ('fd' in store) expect(() => store.fd).toThrow(expect.objectContaining(closed))
    await store.close()
  })

  test.each([
    ['file store', () => openFileStore(fileWith(ten), 'readWrite')],
    ['memory store', async () => openMemoryStore(ten)],
    ['blob store', async () => openBlobStore(new Blob([ten]))],
  ] as const)('%s is closed by `await using`; there was no such method', async (_name, make) => {
    const store = await make()
    await store[Symbol.asyncDispose]()
    await expect(store.read(0, new Uint8Array(1))).rejects.toMatchObject({ code: 'CLOSED' })
  })

  test('a second close leaves a file alone that has the descriptor by now', async () => {
    const store = await openFileStore(fileWith(ten), 'read')
    const { fd } = store
    await store.close()
    const other = openSync(fileWith(Uint8Array.of(99)), 'r')
    try {
      expect(other).toBe(fd)
      await expect(store.read(0, new Uint8Array(1))).rejects.toMatchObject({ code: 'CLOSED' })
      await store.close()
      expect([...readFileSync(other)]).toEqual([99])
    } finally {
      closeSync(other)
    }
  })

  test('close waits for the transfers under way, and refuses those that come after it', async () => {
    const store = await openFileStore(fileWith(ten), 'readWrite')
    const ended: string[] = []
    const target = new Uint8Array(10)
    const calls = [
      store.read(0, target).then(() => ended.push('read')),
      store.write(10, ten).then(() => ended.push('write')),
      store.sync().then(() => ended.push('sync')),
    ]
    const closing = [store.close(), store.close()].map((one) => one.then(() => ended.push('close')))
    await expect(store.read(0, target)).rejects.toMatchObject({ code: 'CLOSED' })
    await Promise.all([...calls, ...closing])
    expect(ended.slice(3)).toEqual(['close', 'close'])
    expect(target).toEqual(ten)
  })

  test('a close that fails is told of once', async () => {
    const state = new OpenState('x')
    let count = 0
    const fail = async () => {
      count++
      throw new Error('EIO')
    }
    await expect(state.close(fail)).rejects.toThrow('EIO')
    await state.close(fail)
    expect(count).toBe(1)
  })
})

describe('blob store', () => {
  test('reads like any store, and refuses ranges that are none', async () => {
    const store = openBlobStore(new Blob([ten]), 'cow')
    expect([store.name, store.size]).toEqual(['cow', 10])
    const target = new Uint8Array(4)
    expect(await store.read(3, target)).toBe(4)
    expect([...target]).toEqual([13, 14, 15, 16])
    expect(await store.read(8, target)).toBe(2)
    expect([...target]).toEqual([18, 19, 15, 16])
    for (const offset of [10, 2 ** 40]) expect(await store.read(offset, target)).toBe(0)
    for (const offset of [-1, 0.5, Number.NaN, 2 ** 53]) {
      await expect(store.read(offset, target)).rejects.toMatchObject({ code: 'OUT_OF_RANGE' })
    }
  })

  test('cannot be written', async () => {
    const store = openBlobStore(new Blob([ten]), 'cow')
    const refused = { code: 'OUT_OF_RANGE', message: 'cow: a Blob cannot be written' }
    await expect(store.write(0, Uint8Array.of(1))).rejects.toMatchObject(refused)
    await expect(store.truncate(0)).rejects.toMatchObject(refused)
    await store.sync()
    expect(isSyncStore(store)).toBe(false)
  })
})
