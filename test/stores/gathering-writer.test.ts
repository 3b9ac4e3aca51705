import { describe, expect, it } from 'vitest'
import type { BlockStore } from '../../src/stores/block-store.js'
import { gatheringWriter } from '../../src/stores/gathering-writer.js'
import { openMemoryStore } from '../../src/stores/memory-store.js'

/** A store with a log of its writes. */
function recorder(isSync: boolean) {
  const memory = openMemoryStore()
  const log: [offset: number, length: number][] = []
  const store: BlockStore = {
    name: 'new',
    get size() {
      return memory.size
    },
    read: memory.read,
    write: (offset, source) => {
      log.push([offset, source.length])
      return memory.write(offset, source)
    },
    truncate: memory.truncate,
    sync: memory.sync,
    close: memory.close,
  }
  const writeNow = (offset: number, source: Uint8Array) => {
    log.push([offset, source.length])
    return memory.writeNow(offset, source)
  }
  return { log, memory, store: isSync ? Object.assign(store, { readNow: memory.readNow, writeNow }) : store }
}

const kib = 1024

describe.each([true, false])('gatheringWriter, store that writes at once: %s', (isSync) => {
  it('joins pieces that follow each other, keeps their order, and does not keep their memory', async () => {
    const { log, memory, store } = recorder(isSync)
    const { put, flush, settle } = gatheringWriter(store)
    const piece = new Uint8Array(4 * kib)
    for (let i = 0; i < 100; i++) put(i * piece.length, piece.fill(i + 1))
    put(0, piece.fill(200))
    put(500 * kib, new Uint8Array(300 * kib).fill(9))
    flush()
    await settle()
    expect(log).toEqual([
      [0, 256 * kib],
      [256 * kib, 144 * kib],
      [0, 4 * kib],
      [500 * kib, 300 * kib],
    ])
    const bytes = memory.bytes()
    expect([0, 1, 63, 64, 99, 125].map((block) => bytes[block * 4 * kib])).toEqual([200, 2, 64, 65, 100, 9])
  })

  it('waits only for a store that cannot write at once', async () => {
    const { put, flush, settle } = gatheringWriter(recorder(isSync).store)
    put(0, new Uint8Array(1))
    expect(settle()).toBeUndefined()
    flush()
    const pending = settle()
    expect(pending === undefined).toBe(isSync)
    await pending
    expect(settle()).toBeUndefined()
  })
})
