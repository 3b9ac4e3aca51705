import fs from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkHumfs } from '../../src/humfs/check/index.js'
import { humfsify } from '../../src/humfs/humfsify/index.js'
import { humfsInfo } from '../../src/humfs/info.js'
import { restoreHumfs } from '../../src/humfs/restore/index.js'
import { localTreeReader } from '../../src/trees/host/tree-reader.js'
import { localTreeWriter, type TreeWriter } from '../../src/trees/host/tree-writer.js'
import { amount } from '../support/amount.js'
import {
  addLongPath,
  isRoot,
  makeNastyTree,
  makeSmallTree,
  owner,
  removeTree,
  scratchDirectory,
  snapshot,
} from '../support/humfs-tree.js'

const options = { ...owner, size: 2 ** 30, noSync: true }

/** Modification times to the microsecond, which is what Node can set. */
function times(top: string): Record<string, number> {
  const names = fs.readdirSync(path.join(top, 'data'), { recursive: true, encoding: 'latin1' })
  return Object.fromEntries(
    names.map((name) => [name, Math.floor(fs.lstatSync(Buffer.from(`${top}/data/${name}`, 'latin1')).mtimeMs * 1000)]),
  )
}

describe('a tree with everything that is hard to keep', () => {
  it('comes back from humfs as it was, and nothing in it was executed', async () => {
    const top = scratchDirectory()
    makeNastyTree(top)
    const before = snapshot(top)
    const result = await humfsify(top, options)
    expect(result).toMatchObject({ resumed: false, dryRun: false, warnings: [], aside: [] })
    expect(result.entries).toBe(Object.keys(before).length)
    expect(await checkHumfs(top)).toMatchObject({ findings: [], entries: result.entries })

    const data = Object.entries(snapshot(top)).filter(([name]) => name === 'data' || name.startsWith('data/'))
    expect(data).toHaveLength(Object.keys(before).length)
    for (const [name, facts] of data) {
      const [mode = '', uid, gid] = facts.split(' ')
      expect([uid, gid], name).toEqual([owner.user, owner.group])
      // No devices, no sockets, and no bits above 0777.
      expect(mode, name).toMatch(/^(100[67]\d\d|40[7]\d\d|120777|10\d{3})$/)
    }
    const info = await humfsInfo(top)
    expect(Object.values(info.counts).reduce((a, b) => a + b)).toBe(result.entries)
    expect(info).toMatchObject({ without: 0, total: 2 ** 30, counts: { fifo: 1, socket: isRoot ? 2 : 1 } })

    expect(await restoreHumfs(top, { noSync: true })).toMatchObject({ entries: result.entries, undone: false })
    expect(snapshot(top)).toEqual(before)
  })

  it('keeps its times', async () => {
    const top = scratchDirectory()
    makeNastyTree(top)
    const names = times(top)
    await humfsify(top, options)
    await restoreHumfs(top, { noSync: true })
    const after = times(top)
    for (const [name, time] of Object.entries(names)) expect(Math.abs(after[name]! - time), name).toBeLessThanOrEqual(1)
  })

  it('may have paths of 4,000 bytes, and longer ones are refused by name with nothing changed', async () => {
    const top = scratchDirectory()
    addLongPath(top, 4000)
    const before = snapshot(top)
    await humfsify(top, options)
    await restoreHumfs(top, { noSync: true })
    expect(snapshot(top)).toEqual(before)

    const other = scratchDirectory()
    addLongPath(other, 4050)
    const untouched = snapshot(other)
    await expect(humfsify(other, options)).rejects.toMatchObject({ code: 'HUMFS_UNFIT' })
    expect(snapshot(other)).toEqual(untouched)
  })

  it('takes the longest paths that it does not refuse there and back', async () => {
    const top = scratchDirectory()
    const longest = 4095 - top.length - '/.umlcow-humfs/gone/file_metadata/'.length - '/metadata'.length
    addLongPath(top, longest + 2) // What it is given counts a slash too many, and one for the odd last name.
    const lengths = Object.keys(snapshot(top)).map((name) => Buffer.byteLength(name) - 'data/'.length)
    expect(Math.max(...lengths)).toBeGreaterThan(longest)
    await expect(humfsify(top, options)).rejects.toMatchObject({ code: 'HUMFS_UNFIT' })

    const other = scratchDirectory()
    addLongPath(other, longest)
    const before = snapshot(other)
    await humfsify(other, options)
    await restoreHumfs(other, { noSync: true })
    expect(snapshot(other)).toEqual(before)
  })

  it.runIf(isRoot)('makes devices that nobody can open before they are what they shall be', async () => {
    const top = scratchDirectory()
    makeSmallTree(top)
    fs.chmodSync(path.join(top, 'data', 'big'), 0o600)
    await humfsify(top, options)
    const modes: number[] = []
    const rename: TreeWriter['rename'] = (from, to) => {
      const { type, mode } = localTreeReader.lstat(from)
      if (type === 'character') modes.push(mode)
      localTreeWriter.rename(from, to)
    }
    await restoreHumfs(top, { noSync: true, writer: { ...localTreeWriter, rename } })
    expect(modes).toEqual([0o600, 0o600])
  })

  it('is not changed by a dry run, of either way', async () => {
    const top = scratchDirectory()
    makeNastyTree(top)
    const before = snapshot(top)
    expect(await humfsify(top, { ...options, dryRun: true })).toMatchObject({ dryRun: true })
    expect(snapshot(top)).toEqual(before)
    await humfsify(top, options)
    const after = snapshot(top)
    expect(await restoreHumfs(top, { dryRun: true })).toMatchObject({ dryRun: true })
    expect(snapshot(top)).toEqual(after)
  })

  it('tells how far it is', async () => {
    const top = scratchDirectory()
    makeNastyTree(top)
    for (let i = 0; i < 300; i++) fs.writeFileSync(path.join(top, 'data', `file${i}`), '')
    const reported: number[] = []
    await humfsify(top, { ...options, onProgress: ({ transferred, size }) => reported.push(transferred / size) })
    expect(reported.every((share) => share >= 0 && share <= 1)).toBe(true)
  })

  it.each([
    ['info', humfsInfo],
    ['check', checkHumfs],
  ])('tells how far a look at it is: %s', async (_, look) => {
    const top = scratchDirectory()
    makeNastyTree(top)
    const { entries } = await humfsify(top, options)
    const reported: object[] = []
    await look(top, { onProgress: ({ transferred, size }) => reported.push({ transferred, size }) })
    expect(reported.at(-1)).toEqual({ transferred: entries, size: entries })
  })
})

const name = fc.uint8Array({ minLength: 1, maxLength: 12 }).map((bytes) => {
  const clean = Buffer.from(bytes.map((byte) => (byte === 0 || byte === 0x2f ? 0x61 : byte)))
  return clean.every((byte) => byte === 0x2e) ? Buffer.from('dots') : clean
})
const id = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 2 ** 32 - 2 }))
const node = fc.record({
  name,
  kind: fc.constantFrom('file', 'file', 'directory', 'symlink', 'link'),
  mode: fc.integer({ min: 0, max: 0o7777 }),
  uid: id,
  gid: id,
  inside: fc.nat(),
})

/** Names that are taken, or lie where nothing can, are left out. */
function makeRandomTree(top: string, nodes: readonly (typeof node extends fc.Arbitrary<infer T> ? T : never)[]): void {
  const directories = [Buffer.from(path.join(top, 'data'))]
  const files: Buffer[] = []
  const modes: [Buffer, number][] = []
  fs.mkdirSync(directories[0]!)
  for (const { name, kind, mode, uid, gid, inside } of nodes) {
    const at = Buffer.concat([directories[inside % directories.length]!, Buffer.from('/'), name])
    if (fs.lstatSync(at, { throwIfNoEntry: false }) !== undefined) continue
    if (kind === 'directory') {
      fs.mkdirSync(at)
      directories.push(at)
    } else if (kind === 'symlink') fs.symlinkSync(name, at)
    else if (kind === 'link' && files.length > 0) fs.linkSync(files[inside % files.length]!, at)
    else {
      fs.writeFileSync(at, name)
      files.push(at)
    }
    if (isRoot) fs.lchownSync(at, uid, gid)
    if (kind !== 'symlink') modes.push([at, isRoot ? mode : mode | 0o700])
  }
  for (const [at, mode] of modes) fs.chmodSync(at, mode)
}

describe('random trees', () => {
  it('come back as they were', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(node, { maxLength: 30 }), async (nodes) => {
        const top = scratchDirectory()
        try {
          makeRandomTree(top, nodes)
          const before = snapshot(top)
          await humfsify(top, options)
          expect(await checkHumfs(top)).toMatchObject({ findings: [] })
          await restoreHumfs(top, { noSync: true })
          expect(snapshot(top)).toEqual(before)
        } finally {
          removeTree(top)
        }
      }),
      { numRuns: amount({ quick: 20, deep: 600 }) },
    )
  })
})
