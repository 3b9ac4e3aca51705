import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { listPack, pack, unpack, verifyPack } from '../../../src/index.js'
import { type HostFiles, localHostFiles } from '../../../src/machine/host-files.js'
import { keepsUntouched, namesIn, sectorText, sha256, writeOverlay } from '../../cli/scene.js'
import { storedSize } from '../../support/sparse-pair.js'
import { backingMtimeNs, headerPathOf, makePackScene, setMtimeNs, virtualSize, withoutPath } from './scene.js'

/** Without filefrag, which takes most of the time of a small pack. */
const light = { ...localHostFiles, extents: async () => null } satisfies HostFiles
const none = { compression: 'none', noSync: true, files: light } as const
const quick = { noSync: true } as const
const mtimeNs = (file: string) => fs.statSync(file, { bigint: true }).mtimeNs

describe('pack and unpack', () => {
  it('give back a pair that belongs together', async () => {
    const scene = makePackScene()
    keepsUntouched(scene.cow, scene.backing)
    for (const compression of ['none', 'gzip', 'lz4'] as const) {
      const packed = await pack(scene.pack, [scene.cow], { compression, noSync: true, overwrite: true })
      expect(packed.written).toBe(fs.statSync(scene.pack).size)
      expect(packed.members.map(({ name, sha256 }) => [name.toString(), sha256])).toEqual([
        ['root_fs', sha256(scene.backing)],
        ['cow.node0', sha256(scene.cow)],
      ])
      const result = await unpack(scene.pack, { ...quick, directory: scene.target, overwrite: true })
      expect(result.warnings).toEqual([])
      expect(result.files.map(({ mtime }) => mtime)).toEqual(['nanoseconds', 'nanoseconds'])
      const [backing, cow] = ['root_fs', 'cow.node0'].map((name) => path.join(scene.target, name)) as [string, string]
      expect(namesIn(scene.target)).toEqual(['cow.node0', 'root_fs'])
      expect(sha256(backing)).toBe(sha256(scene.backing))
      expect(headerPathOf(cow)).toBe(backing)
      expect(withoutPath(cow).equals(withoutPath(scene.cow))).toBe(true)
      for (const [made, from] of [
        [backing, scene.backing],
        [cow, scene.cow],
      ] as const) {
        expect(mtimeNs(made)).toBe(mtimeNs(from))
        expect(fs.statSync(made).mode).toBe(fs.statSync(from).mode)
        // The list of its stretches may take the file system a block more or less.
        expect(Math.abs(storedSize(made) - storedSize(from))).toBeLessThanOrEqual(4096 + storedSize(from) / 100)
      }
    }
  })

  it('list and verify a pack, also from a stream', async () => {
    const scene = makePackScene()
    const { members } = await pack(scene.pack, [scene.cow], none)
    expect((await listPack(scene.pack)).members).toEqual(members)
    expect((await verifyPack(scene.pack)).members).toEqual(members)
    const bytes = fs.createReadStream(scene.pack)
    expect((await verifyPack({ name: 'a stream', bytes })).members).toEqual(members)
    const [backing, overlay] = members
    expect(overlay!.overlay).toMatchObject({
      header: { layout: 'v3', virtualSize, sectorSize: 512, alignment: 4096 },
      backing: { size: virtualSize, sha256: backing!.sha256, mtimeNs: backingMtimeNs, isIncluded: true },
    })
  })

  it('say what a dry run would do, and do nothing', async () => {
    const scene = makePackScene()
    const planned = await pack(scene.pack, [scene.cow], { ...none, dryRun: true })
    expect(planned).toMatchObject({ written: null, dryRun: true })
    expect(fs.existsSync(scene.pack)).toBe(false)
    const { members } = await pack(scene.pack, [scene.cow], none)
    expect(members).toEqual(planned.members)
    const result = await unpack(scene.pack, { directory: scene.target, dryRun: true })
    expect(result.files.map(({ path }) => path.toString())).toEqual(
      ['root_fs', 'cow.node0'].map((name) => path.join(scene.target, name)),
    )
    expect(namesIn(scene.target)).toEqual([])
  })

  it('leave zeros out on request, and where the host cannot list what it stores', async () => {
    const scene = makePackScene()
    const extents: HostFiles['extents'] = async () => null
    const sizes: number[] = []
    const files = localHostFiles
    for (const options of [{ files }, { files, sparse: 'always' }, { files: { ...files, extents } }] as const) {
      const { members } = await pack(scene.pack, [scene.backing], { ...none, ...options, overwrite: true })
      sizes.push(members[0]!.storedSize)
      await unpack(scene.pack, { ...quick, directory: scene.target, overwrite: true })
      expect(sha256(path.join(scene.target, 'root_fs'))).toBe(sha256(scene.backing))
    }
    const thin = 8192 + 20 * 4096 + 512
    // Of the last blocks, those after the last multiple of 4096 hold the end.
    expect(sizes).toEqual([thin + 65536, thin, thin])
  })

  it('take overlays on one backing file, images, and names of bytes', async () => {
    const scene = makePackScene()
    const odd = Buffer.concat([Buffer.from(`${scene.directory}/project/`), Buffer.from([0xff, 0x41])])
    fs.copyFileSync(scene.cow, odd)
    const empty = path.join(scene.directory, 'empty')
    fs.writeFileSync(empty, '')
    const link = path.join(scene.directory, 'project/link')
    fs.symlinkSync(odd, link)
    const { members } = await pack(scene.pack, [scene.cow, link, empty, scene.backing], none)
    expect(members.map(({ name }) => name.toString())).toEqual(['root_fs', 'cow.node0', 'link', 'empty'])
    await unpack(scene.pack, { ...quick, directory: scene.target })
    expect(namesIn(scene.target)).toEqual(['cow.node0', 'empty', 'link', 'root_fs'])
  })

  it('warn that a qcow2 image is packed as it is', async () => {
    const scene = makePackScene()
    const image = path.join(scene.directory, 'image.qcow2')
    fs.writeFileSync(image, Buffer.concat([Buffer.from('QFI\xfb', 'latin1'), Buffer.alloc(1020)]))
    const { warnings } = await pack(scene.pack, [image], { ...none, dryRun: true })
    expect(warnings).toEqual([expect.stringContaining('packs no backing file of a qcow2 image')])
  })

  it('keep headers, or store relative paths, on request', async () => {
    const scene = makePackScene()
    await pack(scene.pack, [scene.cow], none)
    await unpack(scene.pack, { ...quick, directory: scene.target, keepHeaders: true })
    expect(sha256(path.join(scene.target, 'cow.node0'))).toBe(sha256(scene.cow))
    await unpack(scene.pack, { ...quick, directory: scene.target, overwrite: true, relative: true })
    expect(headerPathOf(path.join(scene.target, 'cow.node0'))).toBe('root_fs')
  })

  it('say how exact an mtime is on a host without touch', async () => {
    const scene = makePackScene()
    await pack(scene.pack, [scene.cow], none)
    const files = { ...localHostFiles, touch: async () => false }
    const { warnings } = await unpack(scene.pack, { ...quick, directory: scene.target, files })
    expect(warnings).toContainEqual(
      expect.stringContaining('root_fs: its modification time is exact to the microsecond'),
    )
    expect(mtimeNs(path.join(scene.target, 'root_fs'))).toBe(backingMtimeNs - 789n)
  })
})

describe('a delta pack', () => {
  const sceneOf = async () => {
    const scene = makePackScene()
    const { members } = await pack(scene.pack, [scene.cow], { ...none, delta: true })
    expect(members.map(({ name }) => name.toString())).toEqual(['cow.node0'])
    const cow = path.join(scene.target, 'cow.node0')
    const run = (options = {}) => unpack(scene.pack, { ...quick, directory: scene.target, ...options })
    return { ...scene, made: cow, run }
  }

  it('meets its backing file where the header leads, beside it, or where the user says', async () => {
    const scene = await sceneOf()
    await scene.run()
    expect(headerPathOf(scene.made)).toBe(scene.backing)
    const beside = path.join(scene.target, 'root_fs')
    // A copy without its mtime, but with its bytes: the header gets the new mtime, so that a guest opens the pair.
    fs.copyFileSync(scene.backing, beside)
    fs.rmSync(scene.backing)
    setMtimeNs(beside, 1_600_000_000n * 10n ** 9n)
    await scene.run({ overwrite: true })
    expect(headerPathOf(scene.made)).toBe(beside)
    expect(fs.readFileSync(scene.made).readUInt32BE(8)).toBe(1_600_000_000)
    const elsewhere = path.join(scene.directory, 'elsewhere')
    fs.renameSync(beside, elsewhere)
    await expect(scene.run({ overwrite: true })).rejects.toMatchObject({ code: 'BACKING_MISSING' })
    await scene.run({ overwrite: true, backing: elsewhere })
    expect(headerPathOf(scene.made)).toBe(elsewhere)
  })

  it('is refused with another backing file, before anything is written', async () => {
    const scene = await sceneOf()
    const fd = fs.openSync(scene.backing, 'r+')
    fs.writeSync(fd, 'x', 5000)
    fs.closeSync(fd)
    setMtimeNs(scene.backing, backingMtimeNs)
    await expect(scene.run()).rejects.toMatchObject({ code: 'BACKING_DIGEST' })
    fs.truncateSync(scene.backing, 100)
    await expect(scene.run()).rejects.toMatchObject({ code: 'BACKING_DIGEST' })
    expect(namesIn(scene.target)).toEqual([])
    expect((await verifyPack(scene.pack)).members).toHaveLength(1)
  })
})

describe('pack refuses', () => {
  it('what it cannot pack, and writes nothing', async () => {
    const scene = makePackScene()
    const at = (name: string) => path.join(scene.directory, name)
    fs.mkdirSync(at('other'))
    fs.writeFileSync(at('other/root_fs'), 'x')
    fs.writeFileSync(at('umlcow-pack.json'), '{}')
    const cases: [string[], object, string][] = [
      [[], {}, 'USAGE'],
      [[scene.backing], { delta: true }, 'USAGE'],
      [[scene.backing], { backing: scene.backing }, 'USAGE'],
      [[scene.cow, at('other/root_fs')], {}, 'ENTRY_UNFIT'],
      [[at('umlcow-pack.json')], {}, 'ENTRY_UNFIT'],
      [[scene.directory], {}, 'NOT_A_FILE'],
      [[at('missing')], {}, 'ENOENT'],
      [[scene.cow], { backing: at('other/root_fs') }, 'BACKING_SIZE'],
      [[scene.cow], { backing: at('missing') }, 'BACKING_MISSING'],
    ]
    for (const [inputs, options, code] of cases) {
      await expect(pack(scene.pack, inputs, { ...none, ...options }), code).rejects.toMatchObject({ code })
    }
    for (const target of [scene.cow, scene.backing]) {
      const packing = pack(target, [scene.cow], { ...none, overwrite: true })
      await expect(packing).rejects.toMatchObject({ code: 'SAME_FILE' })
    }
    fs.writeFileSync(scene.pack, 'kept')
    await expect(pack(scene.pack, [scene.cow], none)).rejects.toMatchObject({ code: 'TARGET_EXISTS' })
    expect(fs.readFileSync(scene.pack, 'utf8')).toBe('kept')
  })

  it('an overlay that does not fit its backing file, but goes on with --force', async () => {
    const scene = makePackScene()
    setMtimeNs(scene.backing, 10n ** 18n)
    await expect(pack(scene.pack, [scene.cow], none)).rejects.toMatchObject({ code: 'BACKING_MTIME' })
    await pack(scene.pack, [scene.cow], { ...none, force: ['mtime'] })
    const { warnings } = await unpack(scene.pack, { ...quick, directory: scene.target })
    expect(warnings).toEqual([expect.stringContaining('cow.node0: its header did not agree')])
    expect(fs.readFileSync(path.join(scene.target, 'cow.node0')).readUInt32BE(8)).toBe(1_714_564_800)
  })

  it('a file that changes while it is packed, and leaves nothing', async () => {
    const scene = makePackScene()
    for (const change of ['write', 'cut'] as const) {
      // The survey of the second file comes after that of the first.
      let calls = 0
      const extents: HostFiles['extents'] = async (...file) => {
        if (++calls === 2) {
          if (change === 'cut') fs.truncateSync(scene.backing, 300_000)
          else fs.writeFileSync(scene.backing, 'new', { flag: 'r+' })
        }
        return localHostFiles.extents(...file)
      }
      const files = { ...localHostFiles, extents }
      const packing = pack(scene.pack, [scene.cow], { ...none, files })
      await expect(packing).rejects.toMatchObject({
        code: 'INPUT_CHANGED',
        message: expect.stringContaining('root_fs'),
      })
      setMtimeNs(scene.backing, backingMtimeNs)
      expect(namesIn(scene.directory)).toEqual(['images', 'project', 'target'])
    }
  })

  it('to go on after its signal, and leaves nothing', async () => {
    const scene = makePackScene()
    const controller = new AbortController()
    const onProgress = () => controller.abort()
    const run = { ...none, signal: controller.signal, onProgress }
    await expect(pack(scene.pack, [scene.cow], run)).rejects.toMatchObject({ code: 'INTERRUPTED' })
    expect(namesIn(scene.directory)).toEqual(['images', 'project', 'target'])
  })
})

describe('pack refuses', () => {
  it('a chain of backing files that goes in a circle', async () => {
    const scene = makePackScene()
    const [a, b] = ['a.cow', 'b.cow'].map((name) => path.join(scene.directory, 'project', name)) as [string, string]
    const sectors = new Map([[1, sectorText('overlay', 1)]])
    for (const [cow, backing] of [
      [a, b],
      [b, a],
    ] as const) {
      writeOverlay(cow, { virtualSize, backing, mtime: 1, sectors })
    }
    const packing = pack(scene.pack, [a], { ...none, chain: true, force: ['mtime', 'size'] })
    await expect(packing).rejects.toMatchObject({ code: 'CHAIN_TOO_LONG' })
  })

  it('a file that changes, also with force: the digest would not fit', async () => {
    const scene = makePackScene()
    const onProgress = () => fs.appendFileSync(scene.backing, 'x')
    const packing = pack(scene.pack, [scene.backing], { ...none, force: ['in-use'], onProgress })
    await expect(packing).rejects.toMatchObject({ code: 'INPUT_CHANGED' })
    expect(fs.existsSync(scene.pack)).toBe(false)
  })
})

describe('unpack refuses', () => {
  const packed = async () => {
    const scene = makePackScene()
    await pack(scene.pack, [scene.cow], none)
    const run = (options = {}) => unpack(scene.pack, { ...quick, directory: scene.target, ...options })
    return { ...scene, run }
  }

  it('places where data would be lost', async () => {
    const scene = await packed()
    const at = (name: string) => path.join(scene.target, name)
    fs.writeFileSync(at('cow.node0'), 'kept')
    await expect(scene.run()).rejects.toMatchObject({ code: 'TARGET_EXISTS' })
    expect(namesIn(scene.target)).toEqual(['cow.node0'])
    fs.rmSync(at('cow.node0'))
    fs.mkdirSync(at('cow.node0'))
    await expect(scene.run({ overwrite: true })).rejects.toMatchObject({ code: 'TARGET_KIND' })
    fs.rmdirSync(at('cow.node0'))
    await scene.run()
    await scene.run({ overwrite: true })
    fs.copyFileSync(at('cow.node0'), at('other.cow'))
    await expect(scene.run({ overwrite: true })).rejects.toMatchObject({ code: 'TARGET_PROTECTED' })
    await expect(scene.run({ directory: at('missing') })).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('a link in the place of a file, which may lead out of the directory', async () => {
    const scene = await packed()
    const outside = path.join(scene.directory, 'images', 'precious')
    fs.writeFileSync(outside, 'kept')
    fs.symlinkSync(outside, path.join(scene.target, 'root_fs'))
    await expect(scene.run({ overwrite: true })).rejects.toMatchObject({ code: 'TARGET_KIND' })
    expect(fs.readFileSync(outside, 'utf8')).toBe('kept')
  })

  it('to replace one file when the other cannot get its name', async () => {
    const scene = await packed()
    const at = (name: string) => path.join(scene.target, name)
    fs.writeFileSync(at('root_fs'), 'old')
    const link: HostFiles['link'] = async (from, to) => {
      if (to.toString().endsWith('cow.node0')) fs.writeFileSync(to, 'first')
      return localHostFiles.link(from, to)
    }
    const files = { ...localHostFiles, link }
    await expect(scene.run({ overwrite: true, files })).rejects.toMatchObject({ code: 'TARGET_EXISTS' })
    expect(namesIn(scene.target)).toEqual(['cow.node0', 'root_fs'])
    expect(fs.readFileSync(at('root_fs'), 'utf8')).toBe('old')
    fs.rmSync(at('cow.node0'))
    await scene.run({ overwrite: true })
    expect(namesIn(scene.target)).toEqual(['cow.node0', 'root_fs'])
  })

  it('a pack beyond the limit, or without room', async () => {
    const scene = await packed()
    await expect(scene.run({ maxSize: virtualSize })).rejects.toMatchObject({ code: 'PACK_TOO_LARGE' })
    const files = { ...localHostFiles, freeSpace: async () => 1000 }
    await expect(scene.run({ files })).rejects.toMatchObject({ code: 'NO_ROOM' })
    await scene.run({ files, force: ['room'] })
  })

  it('to keep one file when the other cannot get its name', async () => {
    const scene = await packed()
    const link: HostFiles['link'] = async (from, to) => {
      if (to.toString().endsWith('cow.node0')) fs.writeFileSync(to, 'first')
      return localHostFiles.link(from, to)
    }
    await expect(scene.run({ files: { ...localHostFiles, link } })).rejects.toMatchObject({ code: 'TARGET_EXISTS' })
    expect(namesIn(scene.target)).toEqual(['cow.node0'])
    expect(fs.readFileSync(path.join(scene.target, 'cow.node0'), 'utf8')).toBe('first')
  })
})
