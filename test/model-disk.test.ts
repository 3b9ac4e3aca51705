import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { UmlcowError } from '../src/errors.js'
import { type HostFiles, localHostFiles } from '../src/machine/host-files.js'
import type { FileStore } from '../src/machine/stores/file-store.js'
import { createDice, type Dice } from './support/generate.js'
import { hookedFiles } from './support/hooked-files.js'
import { createModelClock } from './support/model-clock.js'
import { type CrashOptions, type CrashState, crashStates, prefixesBeforeSyncs } from './support/model-crash.js'
import { createModelDisk, type ModelDisk } from './support/model-disk.js'
import { temporaryDirectory } from './support/paths.js'

const start = 1_700_000_000_000

function newDisk(tickPerCall = 0) {
  const clock = createModelClock({ start, tickPerCall })
  const disk = createModelDisk({ clock })
  disk.makeDirectory('/d')
  return { clock, disk, files: disk.files }
}

function filled(length: number, value: number): Uint8Array {
  return new Uint8Array(length).fill(value)
}

/** The states after the whole log, all of them. */
function statesNow(disk: ModelDisk, options: CrashOptions = {}): CrashState[] {
  return [...crashStates(disk, { prefixes: [disk.log.length], limit: 5000, ...options })]
}

function disksNow(disk: ModelDisk, options: CrashOptions = {}): ModelDisk[] {
  return statesNow(disk, options).map((state) => state.boot())
}

/** What of the disks is different, as text. */
function outcomes(disks: readonly ModelDisk[], look: (disk: ModelDisk) => unknown): string[] {
  return [...new Set(disks.map((disk) => String(look(disk))))].sort()
}

async function using<T>(files: HostFiles, name: string, run: (store: FileStore) => Promise<T> | T): Promise<T> {
  const store = await files.open(name, 'readWrite')
  try {
    return await run(store)
  } finally {
    await store.close()
  }
}

async function create(files: HostFiles, name: string, bytes: Uint8Array, sync = false): Promise<void> {
  const store = await files.open(name, 'createNew')
  await store.write(0, bytes)
  if (sync) await store.sync()
  await store.close()
}

function namesOf(disk: ModelDisk): string[] {
  return [...disk.snapshot().keys()]
}

async function failureOf(run: () => unknown): Promise<string> {
  try {
    await run()
  } catch (error) {
    expect(error).toBeInstanceOf(UmlcowError)
    return `${(error as UmlcowError).code} ${(error as UmlcowError).message}`
  }
  throw new Error('nothing was thrown')
}

describe('what survives a power failure', () => {
  test('a write without a sync: data and inode go their own ways', async () => {
    const { disk, files, clock } = newDisk()
    disk.putFile('/d/a', filled(512, 1))
    clock.advance(5000)
    await using(files, '/d/a', (store) => store.write(0, filled(512, 2)))
    const look = (after: ModelDisk) => `${after.readFile('/d/a')[0]} ${after.mtimeSeconds('/d/a') - start / 1000}`
    expect(outcomes(disksNow(disk), look)).toEqual(['1 0', '1 5', '2 0', '2 5'])
  })

  test('fsync of a file makes what was before it durable, and nothing after it', async () => {
    const { disk, files } = newDisk()
    disk.putFile('/d/a', filled(1024, 1))
    await using(files, '/d/a', async (store) => {
      await store.write(0, filled(512, 2))
      await store.sync()
      await store.write(512, filled(512, 2))
    })
    expect(outcomes(disksNow(disk), (after) => [...new Set(after.readFile('/d/a'))])).toEqual(['2', '2,1'])
  })

  test('fsync of one file says nothing about another', async () => {
    const { disk, files } = newDisk()
    for (const name of ['/d/a', '/d/b']) disk.putFile(name, filled(512, 1))
    await using(files, '/d/b', (store) => store.write(0, filled(512, 2)))
    await using(files, '/d/a', async (store) => {
      await store.write(0, filled(512, 2))
      await store.sync()
    })
    const look = (after: ModelDisk) => [after.readFile('/d/a')[0], after.readFile('/d/b')[0]]
    expect(outcomes(disksNow(disk), look)).toEqual(['2,1', '2,2'])
  })

  test('a growing write: the inode without the data is zeros, the data without the inode is not seen', async () => {
    const { disk, files } = newDisk()
    disk.putFile('/d/a', filled(100, 1))
    await using(files, '/d/a', (store) => store.write(512, filled(512, 2)))
    const look = (after: ModelDisk) => {
      const bytes = after.readFile('/d/a')
      return `${bytes.length} ${bytes.at(-1)}`
    }
    expect(outcomes(disksNow(disk), look)).toEqual(['100 1', '1024 0', '1024 2'])
  })

  test('bytes beyond the end are gone when the file grows again, unless stale tails are wanted', async () => {
    const { disk, files } = newDisk()
    disk.putFile('/d/a', filled(100, 1))
    await using(files, '/d/a', (store) => store.write(512, filled(512, 2)))
    const grown = async (staleTails: boolean) => {
      const disks = disksNow(disk, { staleTails }).filter((after) => after.readFile('/d/a').length === 100)
      for (const after of disks) await using(after.files, '/d/a', (store) => store.truncate(1024))
      return outcomes(disks, (after) => after.readFile('/d/a').at(-1))
    }
    expect(await grown(false)).toEqual(['0'])
    expect(await grown(true)).toEqual(['0', '2'])
  })

  test('a truncate: the size and the zeros of what is cut off go their own ways', async () => {
    const { disk, files } = newDisk()
    disk.putFile('/d/a', filled(1024, 1))
    await using(files, '/d/a', async (store) => {
      await store.truncate(512)
      await store.truncate(1024)
    })
    const look = (after: ModelDisk) => `${after.readFile('/d/a').length} ${after.readFile('/d/a').at(-1)}`
    // The clock stood still, so growing back to 1024 is the synced record again: seen as a state of its own.
    expect(outcomes(disksNow(disk), look)).toEqual(['1024 0', '1024 1', '512 1'])
    disk.syncEverything()
    expect(outcomes(disksNow(disk), look)).toEqual(['1024 0'])
  })

  test('a write of many sectors tears at any of them, never within', async () => {
    const { disk, files } = newDisk()
    disk.putFile('/d/a', filled(2048, 1))
    await using(files, '/d/a', (store) => store.write(256, filled(1024, 2)))
    const look = (after: ModelDisk) => {
      const bytes = after.readFile('/d/a')
      return [0, 255, 256, 511, 512, 1023, 1024, 1279, 1280].map((at) => bytes[at]).join('')
    }
    const whole = ['111111111', '112222221']
    const torn = ['111111221', '111122111', '111122221', '112211111', '112211221', '112222111']
    expect(outcomes(disksNow(disk), look)).toEqual([...whole, ...torn].sort())
    expect(outcomes(disksNow(disk, { limit: 2 }), look)).toEqual(whole)
  })

  test('two writes into one sector do not come apart: the later has the earlier in it', async () => {
    const { disk, files } = newDisk()
    disk.putFile('/d/a', filled(512, 1))
    await using(files, '/d/a', async (store) => {
      await store.write(0, filled(10, 2))
      await store.write(100, filled(10, 3))
    })
    const look = (after: ModelDisk) => `${after.readFile('/d/a')[0]}${after.readFile('/d/a')[100]}`
    expect(outcomes(disksNow(disk), look)).toEqual(['11', '21', '23'])
  })

  test('the record of an inode is any that it had since the sync, as a whole', async () => {
    const { disk, files, clock } = newDisk()
    disk.putFile('/d/a', filled(512, 1), { mtime: 7, permissions: 0o600 })
    await using(files, '/d/a', async (store) => {
      await files.setPermissions(store, 0o640)
      await files.setMtime(store, 9)
      clock.advance(1000)
      await store.truncate(600)
    })
    const look = (after: ModelDisk) => {
      const { mtime, permissions, size } = after.facts('/d/a')
      return `${mtime} ${permissions.toString(8)} ${size}`
    }
    const expected = ['7 600 512', '7 640 512', '9 640 512', `${start / 1000 + 1} 640 600`]
    expect(outcomes(disksNow(disk), look)).toEqual(expected.sort())
  })

  test('the name of a new file needs its directory synced, whatever else is', async () => {
    const { disk, files } = newDisk()
    await create(files, '/d/a', filled(512, 1), true)
    expect(outcomes(disksNow(disk), (after) => after.exists('/d/a'))).toEqual(['false', 'true'])
    await files.syncDirectory('/d')
    expect(outcomes(disksNow(disk), (after) => after.readFile('/d/a')[0])).toEqual(['1'])
  })

  test('a name whose file was not synced leads to an empty or a torn file', async () => {
    const { disk, files } = newDisk()
    await create(files, '/d/a', filled(512, 1))
    await files.syncDirectory('/d')
    const look = (after: ModelDisk) => `${after.readFile('/d/a').length} ${after.readFile('/d/a')[0]}`
    expect(outcomes(disksNow(disk), look)).toEqual(['0 undefined', '512 0', '512 1'])
  })

  test('a rename is lost without a sync of the directory, but never half done', async () => {
    const { disk, files } = newDisk()
    disk.putFile('/d/new', filled(512, 2))
    disk.putFile('/d/old', filled(512, 1))
    await files.rename('/d/new', '/d/old')
    const look = (after: ModelDisk) => `${namesOf(after)} ${after.readFile('/d/old')[0]}`
    expect(outcomes(disksNow(disk), look)).toEqual(['/d/new,/d/old 1', '/d/old 2'])
    await files.syncDirectory('/d')
    expect(outcomes(disksNow(disk), look)).toEqual(['/d/old 2'])
  })

  test('names of one directory arrive in order, or in any with anyNames; directories do not know each other', async () => {
    const { disk, files } = newDisk()
    disk.makeDirectory('/e')
    disk.putFile('/d/tmp', filled(1, 1))
    await files.link('/d/tmp', '/d/name')
    await files.unlink('/d/tmp')
    await files.link('/d/name', '/e/name')
    const prefixes = [
      '/d/tmp',
      '/d/name,/d/tmp',
      '/d/name',
      '/d/tmp,/e/name',
      '/d/name,/d/tmp,/e/name',
      '/d/name,/e/name',
    ]
    expect(outcomes(disksNow(disk), namesOf)).toEqual([...prefixes].sort())
    expect(outcomes(disksNow(disk, { anyNames: true }), namesOf)).toEqual(['', ...prefixes, '/e/name'].sort())
    await files.syncDirectory('/d')
    expect(outcomes(disksNow(disk), namesOf)).toEqual(['/d/name', '/d/name,/e/name'])
  })

  test('after a crash there is no lock, no log, and the clock stands where it stood', async () => {
    const { disk, files, clock } = newDisk()
    expect(await files.lock('x')).not.toBeNull()
    clock.advance(5000)
    await create(files, '/d/a', filled(1, 1))
    const time = clock.now()
    clock.advance(99_000)
    const [after] = disksNow(disk)
    expect(after!.log).toEqual([])
    expect(after!.files.clock.now()).toBe(time)
    expect(await after!.files.lock('x')).not.toBeNull()
  })

  test('a disk after a crash can crash again, and none disturbs another', async () => {
    const { disk, files } = newDisk()
    disk.putFile('/d/a', filled(1024, 1))
    await using(files, '/d/a', (store) => store.write(0, filled(512, 2)))
    const states = statesNow(disk)
    const firsts = states.map((state) => state.boot())
    for (const [i, after] of firsts.entries()) {
      await using(after.files, '/d/a', (store) => store.write(512, filled(512, 10 + i)))
      await create(after.files, '/d/b', filled(1, 1))
    }
    await using(files, '/d/a', (store) => store.write(0, filled(1024, 9)))
    const look = (after: ModelDisk) => `${after.readFile('/d/a')[0]}${after.readFile('/d/a')[512]}`
    expect(states.map((state) => look(state.boot()))).toEqual(['11', '21'])
    expect(firsts.map(look)).toEqual(['110', '211'])
    expect(outcomes(disksNow(firsts[1]!), look)).toEqual(['21', '211'])
  })
})

describe('putFile', () => {
  test('is durable at once, or only in the page cache', () => {
    const { disk } = newDisk()
    disk.putFile('/d/a', filled(512, 1), { mtime: 1234, permissions: 0o600, owner: 77 })
    disk.putFile('/d/sub/b', filled(512, 1), { synced: false })
    expect(outcomes(disksNow(disk), namesOf)).toEqual(['/d/a', '/d/a,/d/sub/b'])
    expect(disksNow(disk)[0]!.facts('/d/a')).toMatchObject({ mtime: 1234, permissions: 0o600, owner: 77, size: 512 })
    disk.syncEverything()
    expect(statesNow(disk)).toHaveLength(1)
    expect(disksNow(disk)[0]!.snapshot()).toEqual(disk.snapshot())
    expect(() => disk.putFile('/d/a', filled(1, 1))).toThrow('EEXIST')
  })

  test('what it puts is not there before', () => {
    const { disk } = newDisk()
    disk.putFile('/d/a', filled(1, 1))
    disk.putFile('/d/b', filled(1, 1))
    const all = [...crashStates(disk)].map((state) => namesOf(state.boot()).length)
    expect(all).toEqual([0, 1, 2])
  })
})

describe('enumeration and sampling', () => {
  /** Log: put, data of two sectors, inode, names, sync of the file. */
  async function smallCase() {
    const { disk, files, clock } = newDisk()
    disk.putFile('/d/a', filled(1024, 1))
    clock.advance(1000)
    const store = await files.open('/d/a', 'readWrite')
    await store.write(0, filled(1024, 2))
    await create(files, '/d/b', new Uint8Array(0))
    await store.sync()
    return disk
  }

  test('makes every state of every prefix, once', async () => {
    const disk = await smallCase()
    expect(disk.log.map(({ kind }) => kind)).toEqual(['put', 'data', 'inode', 'names', 'syncFile'])
    // Two sectors: 4; with the inode 8; with the name 16; then only the name is open.
    const counts = new Map<number, number>()
    for (const { prefix } of crashStates(disk)) counts.set(prefix, (counts.get(prefix) ?? 0) + 1)
    expect([...counts.values()]).toEqual([1, 1, 4, 8, 16, 2])
    const look = (after: ModelDisk) => {
      const bytes = after.readFile('/d/a')
      return `${bytes[0]}${bytes[512]} ${after.mtimeSeconds('/d/a') - start / 1000} ${after.exists('/d/b')}`
    }
    const disks = [...crashStates(disk, { prefixes: [4] })].map((state) => state.boot())
    const expected = ['11', '12', '21', '22'].flatMap((data) =>
      [0, 1].flatMap((mtime) => [false, true].map((name) => `${data} ${mtime} ${name}`)),
    )
    expect(outcomes(disks, look)).toEqual(expected.sort())
  })

  test('takes whole writes, then samples, as the limit has it', async () => {
    const disk = await smallCase()
    const count = (options: CrashOptions) => [...crashStates(disk, { prefixes: [4], ...options })].length
    expect(count({ limit: 16 })).toBe(16)
    expect(count({ limit: 15 })).toBe(8)
    expect(count({ limit: 7, samples: 20 })).toBe(25)
    expect(count({ limit: 7, samples: 0 })).toBe(5)
  })

  test('has the five extremes among the samples', async () => {
    const disk = await smallCase()
    const states = [...crashStates(disk, { prefixes: [4], limit: 1, samples: 0 })]
    expect(states.map((state) => state.describe())).toEqual([
      'after 4 of 5 effects, state 0 of seed 1: nothing unsynced',
      'after 4 of 5 effects, state 1 of seed 1: everything',
      'after 4 of 5 effects, state 2 of seed 1: inode of /d/a as of #2',
      'after 4 of 5 effects, state 3 of seed 1: names in /d #3',
      'after 4 of 5 effects, state 4 of seed 1: data #1',
    ])
    expect(states[1]!.boot().snapshot()).toEqual(disk.snapshot())
  })

  test('the same seed gives the same states, whatever prefixes went before', async () => {
    const { disk } = await randomLog(createDice(5))
    const shots = (options: CrashOptions, prefix: number) =>
      [...crashStates(disk, { limit: 10, samples: 30, ...options })]
        .filter((state) => state.prefix === prefix)
        .map((state) => ({ is: state.describe(), has: state.boot().snapshot() }))
    const prefix = disk.log.length - 1
    const once = shots({ prefixes: [prefix], seed: 3 }, prefix)
    expect(once.length).toBeGreaterThan(30)
    expect(shots({ prefixes: [4, prefix, 9], seed: 3 }, prefix)).toEqual(once)
    expect(shots({ prefixes: [prefix], seed: 4 }, prefix)).not.toEqual(once)
  })

  test('the prefixes before syncs have every state that any prefix has', async () => {
    const disk = await smallCase()
    const look = (options: CrashOptions) => {
      const disks = [...crashStates(disk, options)].map((state) => state.boot())
      return outcomes(disks, (after) => JSON.stringify([...after.snapshot()], (_, value) => String(value)))
    }
    const prefixes = prefixesBeforeSyncs(disk.log, 1)
    expect(prefixes).toEqual([4, 5])
    expect(look({ prefixes })).toEqual(look({ prefixes: [1, 2, 3, 4, 5] }))
  })
})

/** Overwrites and syncs of two files of eight sectors, with what each file held after each effect. */
async function randomLog(dice: Dice): Promise<{ disk: ModelDisk; history: Buffer[][] }> {
  const { disk, files } = newDisk()
  const names = ['/d/a', '/d/b']
  const history: Buffer[][] = []
  disk.onEffect((_, index) => {
    history[index] = names.map((name) => (disk.exists(name) ? disk.readFile(name) : Buffer.alloc(0)))
  })
  for (const name of names) disk.putFile(name, filled(4096, 1))
  const stores = await Promise.all(names.map((name) => files.open(name, 'readWrite')))
  for (let i = 0; i < 25; i++) {
    const store = dice.pick(stores)
    const offset = dice.below(4000)
    const bytes = new Uint8Array(1 + dice.below(4096 - offset))
    dice.fill(bytes)
    store.writeNow(offset, bytes)
    if (i < 20 && dice.once(6)) await store.sync()
  }
  return { disk, history }
}

test('every sector after a crash is one that the page cache held since its last sync', async () => {
  for (let seed = 0; seed < 10; seed++) {
    const { disk, history } = await randomLog(createDice(seed))
    const fileInodes = ['/d/a', '/d/b'].map((name) => Number(disk.facts(name).inode))
    for (const state of crashStates(disk, { samples: 10, limit: 20 })) {
      if (state.prefix < 2) continue
      const after = state.boot()
      for (const [which, inode] of fileInodes.entries()) {
        const past = disk.log.slice(0, state.prefix)
        const synced = past.findLastIndex(
          (effect) => effect.kind !== 'data' && 'inode' in effect && effect.inode === inode && effect.kind !== 'inode',
        )
        const since = history.slice(synced, state.prefix).map((held) => held[which]!)
        const bytes = after.readFile(which === 0 ? '/d/a' : '/d/b')
        for (let at = 0; at < 4096; at += 512) {
          const known = since.some((held) => held.subarray(at, at + 512).equals(bytes.subarray(at, at + 512)))
          if (!known) throw new Error(`seed ${seed}, file ${which}, offset ${at}: ${state.describe()}`)
        }
      }
    }
  }
})

describe('the files of a model disk', () => {
  test('writes and truncates set the mtime, to the same size too; opening, reading and syncing do not', async () => {
    const { disk, files, clock } = newDisk()
    disk.putFile('/d/a', filled(512, 1), { mtime: 5 })
    const seconds = () => disk.mtimeSeconds('/d/a')
    const store = await files.open('/d/a', 'readWrite')
    await store.read(0, new Uint8Array(10))
    await store.sync()
    await store.write(0, new Uint8Array(0))
    expect(seconds()).toBe(5)
    await store.truncate(512)
    expect(seconds()).toBe(start / 1000)
    await files.setMtime(store, 4_294_967_295)
    expect(files.statOpen(store)).toMatchObject({ mtime: 4_294_967_295, mtimeNs: 4_294_967_295_000_000_000n })
    clock.advance(1000.25)
    store.writeNow(0, filled(1, 1))
    expect(files.statOpen(store).mtimeNs).toBe(BigInt(start) * 1_000_000n + 1_000_250_000n)
    await store.close()
    expect(await failureOf(() => store.read(0, new Uint8Array(1)))).toContain('EBADF')
  })

  test('the clock moves as it is told to', async () => {
    const clock = createModelClock({ start: 100, tickPerCall: 2 })
    expect([clock.now(), clock.now()]).toEqual([100, 102])
    await clock.sleep(1000)
    expect(clock.now()).toBe(1104)
    await expect(clock.sleep(5, AbortSignal.abort())).rejects.toMatchObject({ code: 'INTERRUPTED' })
    const { disk, files } = newDisk(1000)
    await create(files, '/d/a', filled(1, 1))
    // The create and the write took one call each.
    expect(disk.mtimeSeconds('/d/a')).toBe(start / 1000 + 1)
  })

  test('an unlinked file lives while it is open', async () => {
    const { disk, files } = newDisk()
    disk.putFile('/d/a', filled(512, 1))
    const store = await files.open('/d/a', 'readWrite')
    await files.unlink('/d/a')
    await store.write(0, filled(512, 2))
    await create(files, '/d/a', filled(1, 7))
    const bytes = new Uint8Array(1)
    expect(await store.read(0, bytes)).toBe(1)
    expect(bytes[0]).toBe(2)
    expect(disk.readFile('/d/a')).toEqual(Buffer.of(7))
    await store.sync()
    await files.syncDirectory('/d')
    expect(outcomes(disksNow(disk), (after) => after.readFile('/d/a')[0])).toEqual(['0', '7', 'undefined'])
  })

  test('are known by a store that somebody wrapped', async () => {
    const { disk } = newDisk()
    disk.putFile('/d/a', filled(512, 1))
    disk.putFile('/d/b', filled(7, 1))
    const files = hookedFiles(() => {}, disk.files)
    const [a, b] = [await files.open('/d/a', 'read'), await files.open('/d/b', 'read')]
    expect([files.statOpen(a).size, files.statOpen(b).size]).toEqual([512, 7])
    expect(a.fd).toBeLessThan(0)
  })

  test('have paths of bytes, links of names, and numbers that the test sets', async () => {
    const { disk, files } = newDisk()
    const odd = Buffer.concat([Buffer.from('/d/'), Buffer.of(0xff)])
    await create(files, odd.toString('latin1'), filled(1, 1))
    expect(disk.exists(odd)).toBe(false)
    disk.putFile(odd, filled(5000, 1))
    expect(await files.realPath(Buffer.from('/d/../d//./').toString())).toEqual(Buffer.from('/d'))
    const listed: Buffer[] = []
    for await (const name of files.names('/d')) listed.push(name)
    expect(listed).toEqual([Buffer.from('\u00ff'), Buffer.of(0xff)])
    await files.link(odd, '/d/b')
    expect(disk.linkCount('/d/b')).toBe(2)
    expect((await files.stat('/d/b')).allocatedSize).toBe(8192)
    expect(await files.freeSpace('/d')).toBe(Number.POSITIVE_INFINITY)
    disk.freeBytes = 3
    expect(await files.freeSpace('/d')).toBe(3)
    const facts = await files.stat('/d/b')
    expect(await files.users([facts])).toEqual([{ users: [], unseen: [] }])
    disk.usersOf = () => ({ users: [{ pid: 1, access: 'write', seen: 'open' }], unseen: [] })
    expect((await files.users([facts]))[0]!.users).toHaveLength(1)
  })

  test('lock a name once', async () => {
    const { files } = newDisk()
    const lock = await files.lock('x')
    expect(await files.lock('x')).toBeNull()
    await lock!.release()
    const again = await files.lock('x')
    await lock!.release()
    expect(again).not.toBeNull()
    expect(await files.lock('x')).toBeNull()
  })
})

describe('hooks', () => {
  test('see each effect once it is logged, and may make others', async () => {
    const { disk, files } = newDisk()
    disk.putFile('/d/a', filled(512, 1))
    const seen: string[] = []
    const stop = disk.onEffect(async (effect, index) => {
      seen.push(`${index} ${effect.call}`)
      if (effect.kind === 'data' && effect.call.endsWith('/a')) await create(files, '/d/b', filled(1, 1))
    })
    await using(files, '/d/a', (store) => store.write(0, filled(1, 2)))
    expect(seen).toEqual(['1 write /d/a', '3 create /d/b', '2 write /d/a', '4 write /d/b', '5 write /d/b'])
    stop()
    await create(files, '/d/c', filled(1, 1))
    expect(seen).toHaveLength(5)
  })

  test('run on beside a writeNow, which cannot wait for them', async () => {
    const { disk, files } = newDisk()
    disk.putFile('/d/a', filled(512, 1))
    const stop = disk.onEffect(async () => {
      stop()
      await create(files, '/d/b', filled(1, 1), true)
    })
    const store = await files.open('/d/a', 'readWrite')
    store.writeNow(0, filled(1, 2))
    await disk.hooksDone()
    expect(disk.readFile('/d/b')).toEqual(Buffer.of(1))
  })
})

describe('the same as the files of this machine', () => {
  /** What a call gives, errors as their text. */
  async function result(run: () => unknown): Promise<unknown> {
    try {
      return await run()
    } catch (error) {
      return error instanceof UmlcowError ? `${error.code} ${error.message}` : Promise.reject(error)
    }
  }

  async function listed(files: HostFiles, directory: string): Promise<string[]> {
    const names: string[] = []
    for await (const name of files.names(directory)) names.push(name.toString())
    return names.sort()
  }

  type Step = (files: HostFiles, stores: FileStore[]) => unknown

  /** The kind and size; the mtime only where it was set, for the clocks differ. */
  function plainFacts(facts: { kind: string; size: number; mtime: number; permissions: number } | null) {
    if (facts === null || facts.kind !== 'file') return facts?.kind ?? null
    return { size: facts.size, mtime: facts.mtime < 2 ** 20 ? facts.mtime : 'now', permissions: facts.permissions }
  }

  function randomStep(dice: Dice, directory: string): Step {
    const name = () => path.join(directory, dice.pick(['a', 'b', 'c', 'a/x', 'no/x', '.', '']))
    const [one, other] = [name(), name()]
    // The model opens no directories; the host does to read.
    const plain = path.join(directory, dice.pick(['a', 'b', 'c']))
    const access = dice.pick(['read', 'readWrite', 'readWrite', 'createNew', 'createNew'] as const)
    const offset = dice.below(dice.pick([600, 5000, 20_000]))
    const bytes = new Uint8Array(dice.below(dice.pick([2, 700, 9000])))
    dice.fill(bytes)
    const which = dice.below(8)
    const number = dice.below(100_000)
    const store = (stores: FileStore[]) => stores[which % stores.length]!
    const filledBy = async (read: (target: Uint8Array) => unknown) => {
      const target = filled(bytes.length, 0xee)
      return [await read(target), Buffer.from(target).toString('hex')]
    }
    const onStore = (run: (store: FileStore, files: HostFiles) => unknown): Step => {
      return (files, stores) => (stores.length === 0 ? null : run(store(stores), files))
    }
    const open: Step = async (files, stores) => {
      const opened = await files.open(access === 'read' ? plain : one, access)
      stores.push(opened)
      return [opened.name, opened.size]
    }
    return dice.pick<Step>([
      open,
      open,
      onStore((s) => s.write(offset, bytes)),
      onStore((s) => s.write(offset, bytes)),
      onStore((s) => s.writeNow(offset, bytes)),
      onStore((s) => s.writeNow(offset, bytes)),
      onStore((s) => filledBy((target) => s.read(offset, target))),
      onStore((s) => filledBy((target) => s.readNow(offset, target))),
      onStore((s) => s.truncate(offset)),
      onStore((s) => s.write(-1, bytes)),
      onStore((s) => s.truncate(0.5)),
      onStore((s) => s.sync()),
      onStore((s, files) => files.setMtime(s, number)),
      onStore((s, files) => files.setPermissions(s, 0o600 + (number % 64))),
      onStore((s, files) => plainFacts(files.statOpen(s))),
      onStore((s) => s.size),
      (_, stores) => (stores.length > 4 ? stores.splice(which % stores.length, 1)[0]!.close() : null),
      async (files) => plainFacts(await files.lstatOrNull(one)),
      async (files) => plainFacts(await files.stat(one)),
      async (files) => (await files.realPath(one)).toString(),
      async (files) => (await files.readLink(one)).toString(),
      (files) => files.link(one, other),
      (files) => files.rename(path.join(directory, 'a'), plain),
      (files) => files.unlink(one),
      (files) => files.syncDirectory(directory),
      (files) => listed(files, directory),
      (files) => listed(files, one),
    ])
  }

  test.each([...Array(20).keys()])('for the random calls of seed %i', async (seed) => {
    const directory = temporaryDirectory()
    const { disk } = newDisk()
    disk.makeDirectory(directory)
    const sides = [disk.files, localHostFiles].map((files) => ({ files, stores: [] as FileStore[] }))
    const dice = createDice(seed)
    try {
      for (let i = 0; i < 300; i++) {
        const step = randomStep(dice, directory)
        const [model, real] = [
          await result(() => step(sides[0]!.files, sides[0]!.stores)),
          await result(() => step(sides[1]!.files, sides[1]!.stores)),
        ]
        expect(model, `step ${i}`).toEqual(real)
      }
    } finally {
      for (const { stores } of sides) for (const store of stores) await store.close()
    }
  })
})
