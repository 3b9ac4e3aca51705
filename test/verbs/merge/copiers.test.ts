import {
  closeSync,
  fstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Copier } from '../../../src/engine/choose-copier.js'
import { type HostFiles, localHostFiles } from '../../../src/machine/host-files.js'
import { openMemoryStore } from '../../../src/stores/memory-store.js'
import type { MergeOptions } from '../../../src/verbs/merge/index.js'
import { merge } from '../../../src/verbs/merge/index.js'
import { namesIn, pairMtime, setMtime, writeOverlay } from '../../cli/scene.js'
import {
  dataOf,
  hasBytes,
  makeSparsePair,
  mergedBytes,
  type SparsePair,
  storedSize,
} from '../../support/sparse-pair.js'

/** The host's part of every way, done with what Node has; each can be taken away. */
function host(overrides: Partial<HostFiles> = {}): HostFiles {
  const copy: HostFiles['copyByCp'] = async (from, to) => {
    const data = dataOf(fstatSync(from.fd).size)
    for (let i = 0; i < data.length; i += 2) {
      const bytes = Buffer.alloc(data[i + 1]! - data[i]!)
      from.readNow(data[i]!, bytes)
      writeSync(to.fd, bytes, 0, bytes.length, data[i]!)
    }
    truncateSync(`/proc/self/fd/${to.fd}`, fstatSync(from.fd).size)
    return true
  }
  return {
    ...localHostFiles,
    copyByCp: copy,
    reflink: (from, to) => copy(from, to, {}),
    extents: async (file) => dataOf(fstatSync(file.fd).size),
    ...overrides,
  }
}

const no = async () => false
const nothing = async () => null
const isRead: Partial<HostFiles> = { reflink: no, copyByCp: no, extents: nothing }
const ways: readonly Copier[] = ['reflink', 'cp', 'extents', 'read']

function expectMerged(pair: SparsePair): void {
  expect(hasBytes(pair.target, mergedBytes(pair))).toBe(true)
  expect(namesIn(pair.directory)).toEqual(['cow', 'merged', 'root_fs'])
}

async function expectRefused(pair: SparsePair, code: string, options: MergeOptions): Promise<void> {
  const before = namesIn(pair.directory)
  await expect(merge(pair.cow, pair.target, options)).rejects.toMatchObject({ code })
  expect(namesIn(pair.directory)).toEqual(before)
}

describe('each way of copying', () => {
  for (const copier of ways) {
    for (const sparse of ['auto', 'always', 'never'] as const) {
      const works = sparse === 'auto' || copier === 'read' || (sparse === 'always' && copier === 'extents')
      it(`${copier}, sparse ${sparse}: ${works ? 'the same bytes' : 'is refused'}`, async () => {
        const pair = makeSparsePair()
        const options = { copier, sparse, noSync: true, verify: true, bufferSize: 65536, files: host() }
        if (!works) return expectRefused(pair, 'COPIER_UNAVAILABLE', options)
        const result = await merge(pair.cow, pair.target, options)
        expect(result).toMatchObject({ copier, verified: expect.stringMatching(/^(disk|cache)$/) })
        expectMerged(pair)
        if (sparse === 'never') expect(storedSize(pair.target)).toBeGreaterThanOrEqual(pair.virtualSize)
        else expect(storedSize(pair.target)).toBeLessThan(4 * 2 ** 20)
      })
    }
  }

  it.each([
    ['a larger', 5000],
    ['a smaller', -5000],
    ['a much smaller', -30 * 2 ** 20],
  ])('with %s backing file', async (_what, surplus) => {
    const pair = makeSparsePair()
    const expected = Buffer.from(mergedBytes(pair))
    truncateSync(pair.backing, pair.virtualSize + surplus)
    setMtime(pair.backing)
    if (surplus < 0) {
      // The two last sectors: of the overlay, and of the backing file that has gone.
      expected.fill(0, pair.virtualSize - 700, pair.virtualSize - 512)
    }
    const overflow: HostFiles['extents'] = async () =>
      dataOf(pair.virtualSize + surplus).filter((at) => at < 40 * 2 ** 20)
    const extents = surplus > 0 ? host().extents : overflow
    for (const copier of ['cp', 'extents', 'read'] as const) {
      const files = host({ extents, copyByCp: localCopy })
      await merge(pair.cow, pair.target, { copier, noSync: true, overwrite: true, force: ['size'], files })
      expect(hasBytes(pair.target, expected), copier).toBe(true)
    }
  })
})

/** A copy of whatever there is. */
const localCopy: HostFiles['copyByCp'] = async (from, to) => {
  writeFileSync(`/proc/self/fd/${to.fd}`, readFileSync(`/proc/self/fd/${from.fd}`))
  return true
}

describe('without being told, the best way that works', () => {
  it.each<[Copier, Partial<HostFiles>]>([
    ['reflink', {}],
    ['extents', { reflink: no }],
    ['cp', { reflink: no, extents: nothing }],
    ['read', isRead],
  ])('%s', async (copier, overrides) => {
    const pair = makeSparsePair()
    expect(await merge(pair.cow, pair.target, { noSync: true, files: host(overrides) })).toMatchObject({ copier })
    expectMerged(pair)
  })

  it('gets an empty file, whatever the way before it left there', async () => {
    const pair = makeSparsePair()
    const sizes: number[] = []
    const litter: HostFiles['copyByCp'] = async (_from, to) => {
      sizes.push(fstatSync(to.fd).size)
      writeSync(to.fd, Buffer.alloc(3_000_000, 'litter'), 0, 3_000_000, 60_000_000)
      return false
    }
    const files = host({ reflink: (from, to) => litter(from, to, {}), copyByCp: litter, extents: nothing })
    expect(await merge(pair.cow, pair.target, { noSync: true, files })).toMatchObject({ copier: 'read' })
    expect(sizes).toEqual([0, 0])
    expectMerged(pair)
    expect(storedSize(pair.target)).toBeLessThan(4 * 2 ** 20)
  })

  it('none but reading for a chain', async () => {
    const pair = makeSparsePair()
    const top = path.join(pair.directory, 'top')
    setMtime(pair.cow)
    writeOverlay(top, { virtualSize: pair.virtualSize, backing: pair.cow })
    const options = { chain: true, noSync: true, files: host() }
    expect(await merge(top, pair.target, options)).toMatchObject({ copier: 'read' })
    expect(hasBytes(pair.target, mergedBytes(pair))).toBe(true)
    rmSync(pair.target)
    for (const copier of ['reflink', 'cp', 'extents'] as const) {
      await expect(merge(top, pair.target, { ...options, copier })).rejects.toMatchObject({
        code: 'COPIER_UNAVAILABLE',
      })
      expect(namesIn(pair.directory)).toEqual(['cow', 'root_fs', 'top'])
    }
  })

  it('no copy for a pipe, which gets every byte', async () => {
    for (const [copier, overrides] of [
      ['extents', {}],
      ['read', isRead],
    ] as const) {
      const pair = makeSparsePair()
      const pipe = openMemoryStore()
      const result = await merge(pair.cow, { pipe, facts: null }, { files: host(overrides) })
      expect(result).toMatchObject({ copier, verified: null, target: null })
      expect(Buffer.compare(pipe.bytes(), mergedBytes(pair))).toBe(0)
    }
  })

  it('tells none for a dry run', async () => {
    const pair = makeSparsePair()
    const result = await merge(pair.cow, pair.target, { dryRun: true, verify: true, files: host() })
    expect(result).toMatchObject({ copier: null, verified: null })
    expect(namesIn(pair.directory)).toEqual(['cow', 'root_fs'])
  })
})

describe('what goes wrong', () => {
  it.each(['reflink', 'cp', 'extents'] as const)('a way that was asked for and does not work: %s', async (copier) => {
    await expectRefused(makeSparsePair(), 'COPIER_UNAVAILABLE', { copier, files: host(isRead) })
  })

  it('an input that changes while it is copied', async () => {
    for (const name of ['cow', 'backing'] as const) {
      for (const copier of ['reflink', 'cp', 'extents'] as const) {
        const pair = makeSparsePair()
        const touch = () => utimesSync(pair[name], pairMtime, pairMtime + 1)
        const good = host()
        const files = host({
          reflink: (from, to) => good.reflink(from, to).finally(touch),
          copyByCp: (from, to, signal) => good.copyByCp(from, to, signal).finally(touch),
          extents: (file, signal) => good.extents(file, signal).finally(touch),
        })
        await expectRefused(pair, 'INPUT_CHANGED', { copier, files })
      }
    }
  })

  it('an input that is written to and given its old time while it is copied', async () => {
    for (const name of ['cow', 'backing'] as const) {
      const pair = makeSparsePair()
      setMtime(pair[name])
      const writeUnseen = () => {
        const fd = openSync(pair[name], 'r+')
        writeSync(fd, 'other', 5000)
        closeSync(fd)
        setMtime(pair[name])
      }
      const good = host()
      const files = host({ extents: (file, signal) => good.extents(file, signal).finally(writeUnseen) })
      await expectRefused(pair, 'INPUT_CHANGED', { copier: 'extents', files })
    }
  })

  it('a filefrag that lies: verifying finds it, and nothing else does', async () => {
    const pair = makeSparsePair()
    const files = host({ extents: async () => dataOf().slice(0, 2) })
    await expectRefused(pair, 'VERIFY_FAILED', { copier: 'extents', verify: true, files })
    // It is trusted as far as the host's filefrag is.
    await merge(pair.cow, pair.target, { copier: 'extents', noSync: true, files })
    expect(hasBytes(pair.target, mergedBytes(pair))).toBe(false)
  })

  it('a cp that changes a byte: verifying finds it', async () => {
    const pair = makeSparsePair()
    const copyByCp: HostFiles['copyByCp'] = async (from, to) => {
      await localCopy(from, to, {})
      writeSync(to.fd, 'X', 50_000_000)
      return true
    }
    await expect(
      merge(pair.cow, pair.target, { copier: 'cp', verify: true, files: host({ copyByCp }) }),
    ).rejects.toMatchObject({
      code: 'VERIFY_FAILED',
      details: { offset: 50_000_000 - (50_000_000 % 262144), length: 262144 },
    })
    expect(namesIn(pair.directory)).toEqual(['cow', 'root_fs'])
  })

  it('another file in the place of the backing file: its holes do not count', async () => {
    const pair = makeSparsePair()
    const open: HostFiles['open'] = async (file, access, options) => {
      if (options?.direct && String(file) === pair.backing) {
        renameSync(pair.backing, `${pair.backing}.old`)
        writeFileSync(pair.backing, '')
        truncateSync(pair.backing, pair.virtualSize)
      }
      return localHostFiles.open(file, access, options)
    }
    // A file that gets another name counts as changed: only with force is there a result to look at.
    const options = { copier: 'read', noSync: true, files: host({ open }) } as const
    await expect(merge(pair.cow, pair.target, options)).rejects.toMatchObject({ code: 'INPUT_CHANGED' })
    renameSync(`${pair.backing}.old`, pair.backing)
    await merge(pair.cow, pair.target, { ...options, force: ['in-use'] })
    expect(statSync(`${pair.backing}.old`).size).toBe(pair.virtualSize)
    expect(hasBytes(pair.target, mergedBytes(pair))).toBe(true)
  })

  it.each([0, 1, 1000, 4095, 5000, -4096, 2 ** 25, Number.NaN, 4096.5])('a buffer of %d bytes', async (bufferSize) => {
    const pair = makeSparsePair()
    await expect(merge(pair.cow, pair.target, { bufferSize, files: host() })).rejects.toThrow(RangeError)
    expect(namesIn(pair.directory)).toEqual(['cow', 'root_fs'])
  })
})
