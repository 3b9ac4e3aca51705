import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { type HostFiles, localHostFiles } from '../../src/machine/host-files.js'
import { preserveMtime } from '../../src/machine/preserve-mtime.js'
import { touchTime } from '../../src/machine/programs/touch.js'
import type { FileStore } from '../../src/machine/stores/file-store.js'
import { fakePrograms } from '../support/fake-programs.js'
import { temporaryDirectory } from '../support/paths.js'
import { havePeers } from '../support/peers.js'

afterEach(() => vi.unstubAllEnvs())

async function openFile(): Promise<FileStore> {
  const name = path.join(temporaryDirectory(), '-file')
  writeFileSync(name, 'x')
  const store = await localHostFiles.open(name, 'readWrite')
  onTestFinished(() => store.close())
  return store
}

const time = { mtime: 1_234_567_890, mtimeNs: 1_234_567_890_123_456_789n }
const mtimeOf = (store: FileStore) => localHostFiles.statOpen(store).mtimeNs

describe('preserveMtime', () => {
  it.skipIf(!havePeers('/usr/bin/touch'))("sets nanoseconds with the host's touch, before 1970 too", async () => {
    const store = await openFile()
    expect(await preserveMtime(localHostFiles, store, time)).toBe('nanoseconds')
    expect(mtimeOf(store)).toBe(time.mtimeNs)
    const early = { mtime: -6, mtimeNs: -5_000_000_001n }
    expect(await preserveMtime(localHostFiles, store, early)).toBe('nanoseconds')
    expect(mtimeOf(store)).toBe(early.mtimeNs)
  })

  const without: Record<string, HostFiles['touch']> = {
    'no touch': async () => false,
    'a touch that knows only seconds': async (store) => {
      await localHostFiles.setMtime(store, time.mtime)
      return true
    },
    'a touch that ignores the date': async (store) => {
      await localHostFiles.setMtime(store, 1)
      return true
    },
  }
  it.each(Object.keys(without))('sets microseconds with %s', async (name) => {
    const store = await openFile()
    expect(await preserveMtime({ ...localHostFiles, touch: without[name]! }, store, time)).toBe('microseconds')
    expect(mtimeOf(store)).toBe(1_234_567_890_123_456_000n)
  })

  it('starts no program for whole microseconds, and reports what a coarse file system stores', async () => {
    const store = await openFile()
    const touch: HostFiles['touch'] = async () => expect.unreachable()
    expect(await preserveMtime({ ...localHostFiles, touch }, store, { mtime: 7, mtimeNs: 7_000_001_000n })).toBe(
      'nanoseconds',
    )
    const coarse: HostFiles = {
      ...localHostFiles,
      touch: async () => false,
      setMtime: (file, seconds) => localHostFiles.setMtime(file, seconds - (seconds % 2)),
    }
    expect(await preserveMtime(coarse, store, { mtime: 8, mtimeNs: 8_000_000_001n })).toBe('microseconds')
    expect(await preserveMtime(coarse, store, { mtime: 8, mtimeNs: 8_500_000_001n })).toBe('seconds')
    expect(await preserveMtime(coarse, store, { mtime: 9, mtimeNs: 9_000_000_001n })).toBe('none')
  })
})

describe('touch', () => {
  it.each([
    [0n, '@0.000000000'],
    [1n, '@0.000000001'],
    [-1n, '@-0.000000001'],
    [-5_000_000_001n, '@-5.000000001'],
    [time.mtimeNs, '@1234567890.123456789'],
  ])('takes %s as %s', (nanoseconds, text) => expect(touchTime(nanoseconds)).toBe(text))

  it('may fail, or not be a program at all', async () => {
    const store = await openFile()
    vi.stubEnv('PATH', fakePrograms({ touch: 'exit 1' }))
    expect(await localHostFiles.touch(store, 1n)).toBe(false)
    const directory = fakePrograms({ touch: '' })
    writeFileSync(path.join(directory, 'touch'), '#!/no/such/interpreter\n')
    vi.stubEnv('PATH', directory)
    expect(await localHostFiles.touch(store, 1n)).toBe(false)
  })
})
