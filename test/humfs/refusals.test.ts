import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { UmlcowError } from '../../src/errors.js'
import { humfsify } from '../../src/humfs/humfsify/index.js'
import { humfsInfo } from '../../src/humfs/info.js'
import { restoreHumfs } from '../../src/humfs/restore/index.js'
import { localTreeReader, type TreeReader } from '../../src/trees/host/tree-reader.js'
import { localTreeWriter, type TreeWriter } from '../../src/trees/host/tree-writer.js'
import { isRoot, makeSmallTree, owner, scratchDirectory, snapshot } from '../support/humfs-tree.js'
import { canMount, mountTmpfsOn } from '../support/mounts.js'

const options = { ...owner, size: 2 ** 30, noSync: true }

function tree(prepare: (at: (...names: string[]) => string) => void = () => {}) {
  const top = scratchDirectory()
  makeSmallTree(top)
  const at = (...names: string[]) => path.join(top, ...names)
  prepare(at)
  return { top, at, before: snapshot(top) }
}

describe('humfsify refuses, and changes nothing', () => {
  it('directories called metadata, each by its name', async () => {
    const { top, before } = tree((at) => {
      fs.mkdirSync(at('data', 'dir', 'metadata', 'x'), { recursive: true })
      fs.rmSync(at('data', 'metadata'))
      fs.mkdirSync(at('data', 'metadata'))
    })
    const failure = await humfsify(top, options).catch((error) => error)
    expect(failure).toMatchObject({ code: 'HUMFS_UNFIT', details: { count: 2 } })
    expect(failure.message).toContain('data/dir/metadata:')
    expect(failure.message).toContain('data/metadata:')
    expect(snapshot(top)).toEqual(before)
  })

  it.runIf(isRoot)('entries that the kernel would cut, with everything else that is wrong', async () => {
    const { top, at, before } = tree((at) => {
      expect(spawnSync('mknod', [at('data', 'long'), 'b', '4095', '1048575']).status).toBe(0)
      fs.lchownSync(at('data', 'long'), 4_294_967_294, 4_294_967_294)
      fs.mkdirSync(at('data', 'dir', 'metadata'))
    })
    const failure = await humfsify(top, { ...options, size: 1 }).catch((error) => error)
    expect(failure).toMatchObject({ code: 'HUMFS_UNFIT', details: { count: 3 } })
    expect(failure.message).toMatch(/data\/long: its metadata takes \d+ bytes/)
    expect(failure.message).toMatch(/and the size is only 1$/)
    expect(snapshot(at('.'))).toEqual(before)
  })

  it.each(['superblock', 'file_metadata', 'dir_metadata'])('a tree that has %s already', async (name) => {
    const { top, before } = tree((at) => fs.writeFileSync(at(name), ''))
    await expect(humfsify(top, options)).rejects.toMatchObject({ code: 'HUMFS_EXISTS' })
    expect(snapshot(top)).toEqual(before)
  })

  it('to record over the metadata of a first run', async () => {
    const { top } = tree()
    await humfsify(top, options)
    const after = snapshot(top)
    await expect(humfsify(top, options)).rejects.toMatchObject({ code: 'HUMFS_EXISTS' })
    expect(snapshot(top)).toEqual(after)
  })

  it('a directory without data, or with a link for it', async () => {
    const top = scratchDirectory()
    fs.writeFileSync(path.join(top, 'beside'), '', { mode: 0o600 })
    await expect(humfsify(top, options)).rejects.toMatchObject({ code: 'NOT_HUMFS' })
    fs.symlinkSync('.', path.join(top, 'data'))
    await expect(humfsify(top, options)).rejects.toMatchObject({ code: 'NOT_HUMFS' })
    expect(fs.readdirSync(top).sort()).toEqual(['beside', 'data'])
  })

  it('users and groups that nobody knows', async () => {
    const { top, before } = tree()
    const known = { ...options, user: 0, group: 0 }
    await expect(humfsify(top, { ...known, user: 'no such user' })).rejects.toMatchObject({ code: 'UNKNOWN_USER' })
    await expect(humfsify(top, { ...known, group: '4294967295' })).rejects.toMatchObject({ code: 'UNKNOWN_GROUP' })
    expect(snapshot(top)).toEqual(before)
  })

  it('to finish a run with other arguments', async () => {
    const { top, at } = tree()
    const uid = Number(owner.user)
    const start = { umlcow: 'humfs journal 1', verb: 'humfsify', owner: { uid, gid: uid }, total: 5, used: 5 }
    const more = { perlCompat: false, renameMetadata: null, aside: [] }
    fs.writeFileSync(at('humfs.umlcow-journal'), `${JSON.stringify({ ...start, ...more })}\n{"phase":"changing"}\n`)
    const before = snapshot(top)
    await expect(humfsify(top, options)).rejects.toMatchObject({ code: 'HUMFS_UNFINISHED' })
    expect(snapshot(top)).toEqual(before)
  })

  it.each([
    ['nothing', ''],
    ['text', 'text\n'],
    ['JSON of others', '{"a":1}\n'],
    ['null', 'null\n'],
    ['bytes', '\xff\0\n'],
    ['an unknown phase', '{"umlcow":"humfs journal 1","verb":"restore"}\n{"phase":"changing"}\n'],
    ['a prototype', '{"umlcow":"humfs journal 1","verb":"constructor"}\n'],
    ['no terms', '{"umlcow":"humfs journal 1","verb":"humfsify"}\n'],
  ])('a journal of %s', async (_, text) => {
    const { top, before } = tree((at) => fs.writeFileSync(at('humfs.umlcow-journal'), text, 'latin1'))
    await expect(humfsify(top, options)).rejects.toMatchObject({ code: 'JOURNAL_DAMAGED' })
    await expect(restoreHumfs(top)).rejects.toMatchObject({ code: 'JOURNAL_DAMAGED' })
    expect(snapshot(top)).toEqual(before)
  })

  it('a tree that another umlcow is at', async () => {
    const { top } = tree()
    const [first, second] = await Promise.allSettled([humfsify(top, options), humfsify(top, options)])
    const failed = [first, second].filter((one) => one.status === 'rejected')
    expect(failed).toMatchObject([{ reason: { code: 'IN_USE' } }])
  })
})

describe('a run that is stopped', () => {
  /** Stops it at the first of these calls, after as much work as lets it look at its signal. */
  function stopAt(call: 'writeNew' | 'setMode' | 'setOwner') {
    const stop = new AbortController()
    const slow = (...args: never[]) => {
      stop.abort()
      for (const end = performance.now() + 25; performance.now() < end; );
      return (localTreeWriter[call] as (...args: never[]) => void)(...args)
    }
    return { signal: stop.signal, writer: { ...localTreeWriter, [call]: slow } }
  }

  it('before it began, or while it records, leaves nothing behind', async () => {
    const { top, before } = tree()
    for (const how of [{ signal: AbortSignal.abort() }, stopAt('writeNew')]) {
      await expect(humfsify(top, { ...options, ...how })).rejects.toMatchObject({ code: 'INTERRUPTED' })
      expect(snapshot(top)).toEqual(before)
    }
  })

  it('while it changes data says how to go on, and goes on', async () => {
    const { top, before } = tree()
    const hint = expect.stringContaining('umlcow humfsify -r')
    const unfinished = { code: 'INTERRUPTED', details: { unfinished: true }, hint }
    await expect(humfsify(top, { ...options, ...stopAt('setMode') })).rejects.toMatchObject(unfinished)
    await expect(humfsInfo(top)).rejects.toMatchObject({ code: 'HUMFS_UNFINISHED', hint })
    expect(await humfsify(top, options)).toMatchObject({ resumed: true, entries: null })
    const call = isRoot ? 'setOwner' : 'setMode'
    await expect(restoreHumfs(top, { noSync: true, ...stopAt(call) })).rejects.toMatchObject(unfinished)
    await expect(humfsify(top, options)).rejects.toMatchObject({ code: 'HUMFS_UNFINISHED' })
    await restoreHumfs(top, { noSync: true })
    expect(snapshot(top)).toEqual(before)
  })
})

describe('what one may ask for instead', () => {
  it('--rename-metadata gives directories another name', async () => {
    const { top, at } = tree((at) => {
      fs.rmSync(at('data', 'metadata'))
      fs.mkdirSync(at('data', 'metadata', 'metadata'), { recursive: true })
      fs.writeFileSync(at('data', 'metadata', 'metadata', 'below'), 'x')
    })
    await humfsify(top, { ...options, renameMetadata: '.dir' })
    expect(fs.readFileSync(at('data/metadata.dir/metadata.dir/below'), 'utf8')).toBe('x')
    expect(fs.existsSync(at('file_metadata/metadata.dir/metadata.dir/below'))).toBe(true)
    await restoreHumfs(top, { noSync: true })
    expect(fs.existsSync(at('data/metadata.dir/metadata.dir/below'))).toBe(true)
  })

  it('--rename-metadata does not rename to a name that is taken', async () => {
    const { top, before } = tree((at) => {
      fs.mkdirSync(at('data', 'dir', 'metadata'))
      fs.mkdirSync(at('data', 'dir', 'metadata2'))
    })
    await expect(humfsify(top, { ...options, renameMetadata: '2' })).rejects.toMatchObject({ code: 'HUMFS_UNFIT' })
    await expect(humfsify(top, { ...options, renameMetadata: '/x' })).rejects.toMatchObject({ code: 'USAGE' })
    expect(snapshot(top)).toEqual(before)
  })

  it('files with names outside of data, unless these may change, too', async () => {
    const { top, at } = tree()
    const outside = path.join(scratchDirectory(), 'outside')
    fs.linkSync(at('data', 'metadata'), outside)
    const before = snapshot(top)
    const refused = {
      code: 'HUMFS_UNFIT',
      message: 'data/metadata: is one file with 1 names outside of data, which would change, too (--force=links)',
    }
    await expect(humfsify(top, options)).rejects.toMatchObject(refused)
    expect(snapshot(top)).toEqual(before)
    await humfsify(top, { ...options, force: ['links'] })
    expect(fs.statSync(outside)).toMatchObject({ uid: Number(owner.user), gid: Number(owner.group) })
  })

  it('--force=exists moves the metadata that is there aside, once', async () => {
    const { top, at } = tree()
    await humfsify(top, options)
    const old = fs.readFileSync(at('file_metadata/metadata'), 'utf8')
    const aside = ['superblock.umlcow-old', 'file_metadata.umlcow-old', 'dir_metadata.umlcow-old']
    expect(await humfsify(top, { ...options, force: ['exists'] })).toMatchObject({ aside })
    expect(fs.readFileSync(at('file_metadata.umlcow-old/metadata'), 'utf8')).toBe(old)
    await expect(humfsify(top, { ...options, force: ['exists'] })).rejects.toMatchObject({ code: 'HUMFS_EXISTS' })
  })
})

describe('restore refuses, and changes nothing', () => {
  it.each<[string, (at: (...names: string[]) => string) => void]>([
    ['an entry that is no entry', (at) => fs.writeFileSync(at('file_metadata', 'metadata'), '12abc 0 0')],
    [
      'an entry that is a link',
      (at) => {
        fs.rmSync(at('file_metadata', 'metadata'))
        fs.symlinkSync('/etc/passwd', at('file_metadata', 'metadata'))
      },
    ],
    ['a name without an entry', (at) => fs.writeFileSync(at('data', 'new'), '')],
    ['an entry without a name', (at) => fs.writeFileSync(at('file_metadata', 'new'), '420 0 0\n')],
    ['a directory without one', (at) => fs.rmSync(at('dir_metadata', 'dir', 'metadata'))],
    ['a socket with bytes in it', (at) => fs.writeFileSync(at('data', 'socket'), 'x')],
    ['no metadata of directories', (at) => fs.rmSync(at('dir_metadata'), { recursive: true })],
  ])('%s', async (_, damage) => {
    const { top, at } = tree()
    await humfsify(top, options)
    damage(at)
    const before = snapshot(top)
    await expect(restoreHumfs(top, { noSync: true })).rejects.toMatchObject({ code: 'HUMFS_DAMAGED' })
    expect(snapshot(top)).toEqual(before)
  })

  it('another version, a bad superblock, none', async () => {
    const { top, at } = tree()
    await humfsify(top, options)
    fs.writeFileSync(at('superblock'), 'version 1\nused 1\ntotal 1\n')
    await expect(restoreHumfs(top)).rejects.toMatchObject({ code: 'HUMFS_VERSION' })
    fs.writeFileSync(at('superblock'), '')
    await expect(restoreHumfs(top)).rejects.toMatchObject({ code: 'HUMFS_SUPERBLOCK' })
    fs.rmSync(at('superblock'))
    await expect(restoreHumfs(top)).rejects.toMatchObject({ code: 'HUMFS_SUPERBLOCK' })
    for (const name of ['file_metadata', 'dir_metadata']) fs.renameSync(at(name), at(`${name}.away`))
    await expect(restoreHumfs(top)).rejects.toMatchObject({ code: 'NOT_HUMFS' })
  })

  it('but does what can be done when it is forced, and keeps the metadata', async () => {
    const { top, at, before } = tree()
    await humfsify(top, options)
    fs.writeFileSync(at('data', 'new'), '')
    await expect(restoreHumfs(top, { force: ['damage'], noSync: true })).rejects.toMatchObject({
      code: 'HUMFS_INCOMPLETE',
    })
    expect(fs.existsSync(at('superblock')) && fs.existsSync(at('file_metadata', 'metadata'))).toBe(true)
    fs.rmSync(at('data', 'new'))
    await restoreHumfs(top, { noSync: true })
    expect(snapshot(top)).toEqual(before)
  })

  it.each<[string, (at: (...names: string[]) => string) => void]>([
    ['an entry without a name', (at) => fs.writeFileSync(at('file_metadata', 'new'), '420 0 0\n')],
    [
      'names of one file that say different things',
      (at) => {
        fs.rmSync(at('file_metadata', 'metadata'))
        fs.writeFileSync(at('file_metadata', 'metadata'), `384 ${owner.user} ${owner.group}\n`)
      },
    ],
  ])('keeps it when it is forced against %s', async (_, damage) => {
    const { top, at } = tree()
    await humfsify(top, options)
    damage(at)
    await expect(restoreHumfs(top, { force: ['damage'], noSync: true })).rejects.toMatchObject({
      code: 'HUMFS_INCOMPLETE',
    })
    expect(['superblock', 'file_metadata', 'dir_metadata'].filter((name) => !fs.existsSync(at(name)))).toEqual([])
  })

  it.each(['420 -1 0\n', '420 0 4294967295\n'])('an owner that no file can have: %j', async (text) => {
    const { top, at } = tree()
    await humfsify(top, options)
    fs.writeFileSync(at('file_metadata', 'fifo'), text)
    await expect(restoreHumfs(top, { noSync: true })).rejects.toMatchObject({ code: 'HUMFS_DAMAGED' })
    await expect(restoreHumfs(top, { force: ['damage'], noSync: true })).rejects.toMatchObject({
      code: 'HUMFS_INCOMPLETE',
    })
  })

  it('a link in the place of its work directory', async () => {
    const { top, at } = tree()
    await humfsify(top, options)
    fs.mkdirSync(at('elsewhere'))
    fs.writeFileSync(at('humfs.umlcow-journal'), '{"umlcow":"humfs journal 1","verb":"restore"}\n')
    fs.symlinkSync('elsewhere', at('.umlcow-humfs'))
    const before = snapshot(top)
    await expect(restoreHumfs(top, { noSync: true })).rejects.toMatchObject({ code: 'JOURNAL_DAMAGED' })
    expect(snapshot(top)).toEqual(before)
  })

  it('to remove the metadata of a mode that the system does not set', async () => {
    const { top, at, before } = tree()
    await humfsify(top, options)
    const setMode: TreeWriter['setMode'] = (file, mode) => localTreeWriter.setMode(file, mode & ~0o2000)
    const failure = await restoreHumfs(top, { noSync: true, writer: { ...localTreeWriter, setMode } }).catch(
      (error) => error,
    )
    expect(failure).toMatchObject({ code: 'HUMFS_INCOMPLETE' })
    expect(fs.existsSync(at('file_metadata', 'metadata'))).toBe(true)
    await restoreHumfs(top, { noSync: true })
    expect(snapshot(top)).toEqual(before)
  })

  it('all that cannot be looked at, in data and metadata', async () => {
    const { top } = tree()
    await humfsify(top, options)
    const children: TreeReader['children'] = (directory) => {
      if (`${directory}`.endsWith('/dir/empty')) throw new UmlcowError('EACCES', 'made to fail')
      return localTreeReader.children(directory)
    }
    const reader = { ...localTreeReader, children }
    const failure = await restoreHumfs(top, { noSync: true, reader }).catch((error) => error)
    expect(failure).toMatchObject({
      code: 'HUMFS_DAMAGED',
      message: Array(3).fill('data/dir/empty: made to fail').join('\n'),
    })
  })
})

describe.runIf(canMount())('something that is mounted in data', () => {
  const refused = { code: 'HUMFS_UNFIT', message: 'data/dir/empty: something is mounted there' }

  it('is refused by humfsify, and by one that finishes another', async () => {
    const { top, at, before } = tree()
    const unmount = mountTmpfsOn(at('data', 'dir', 'empty'))
    await expect(humfsify(top, options)).rejects.toMatchObject(refused)
    unmount()
    expect(snapshot(top)).toEqual(before)

    const setMode = () => {
      throw new UmlcowError('EIO', 'made to fail')
    }
    await humfsify(top, { ...options, writer: { ...localTreeWriter, setMode } }).catch(() => {})
    const unmountAgain = mountTmpfsOn(at('data', 'dir', 'empty'))
    await expect(humfsify(top, options)).rejects.toMatchObject(refused)
    unmountAgain()
    expect(await humfsify(top, options)).toMatchObject({ resumed: true })
  })

  it('is refused by the reverse, forced too: the directory below it would not get back its owner', async () => {
    const { top, at, before } = tree()
    await humfsify(top, options)
    const unmount = mountTmpfsOn(at('data', 'dir', 'empty'))
    for (const force of [[], ['damage']] as const) {
      await expect(restoreHumfs(top, { force, noSync: true })).rejects.toMatchObject(refused)
    }
    unmount()
    await restoreHumfs(top, { noSync: true })
    expect(snapshot(top)).toEqual(before)
  })
})
