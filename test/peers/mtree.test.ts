import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { describe, expect, it } from 'vitest'
import { latin1Text } from '../../src/bytes/fast.js'
import { encodeDevice, fullMode } from '../../src/formats/manifest/index.js'
import { mtreeSource } from '../../src/trees/kinds/mtree/source.js'
import { ContentTree } from '../../src/trees/source/content-tree.js'
import { bytesOf, cut, readAll } from '../support/manifest-entries.js'
import { temporaryDirectory } from '../support/paths.js'
import { havePeers } from '../support/peers.js'

const mtree = '/usr/bin/mtree'
const bsdtar = '/usr/bin/bsdtar'

function run(program: string, args: readonly string[], cwd: string, input: Buffer = Buffer.alloc(0)): Buffer {
  const env = { ...process.env, LC_ALL: 'C', TZ: 'UTC' }
  const done = spawnSync(program, args, { cwd, input, env, timeout: 60_000 })
  expect({ program, args, status: done.status, stderr: `${done.stderr}` }).toMatchObject({ status: 0, stderr: '' })
  return done.stdout
}

const nastyNames = [
  'caf\xc3\xa9',
  'na\xc3\xafve',
  '\x01\x1b\x1c\x7f\x80\x9c\xa0\xaf\xdc\xff',
  'new\nline\ttab',
  '#hash',
  '=a',
  ' b',
  '*?[x]"\'',
  '\\s',
  '..d',
]

/** A tree with names and hard links of all kinds that anybody can make; as root with devices. */
function makeTree(): string {
  const top = temporaryDirectory()
  fs.mkdirSync(bytesOf(`${top}/d\xdc`), { mode: 0o750 })
  for (const name of nastyNames) fs.writeFileSync(bytesOf(`${top}/d\xdc/${name}`), name, 'latin1')
  fs.linkSync(bytesOf(`${top}/d\xdc/ b`), `${top}/z`)
  fs.symlinkSync(bytesOf('x y\xdc'), `${top}/link`)
  fs.linkSync(`${top}/link`, bytesOf(`${top}/again\xdc`))
  fs.chmodSync(`${top}/z`, 0o4711)
  run('/usr/bin/mkfifo', ['fifo'], top)
  if (process.getuid?.() !== 0) return top
  run('/usr/bin/mknod', ['con', 'c', '5', '1'], top)
  run('/usr/bin/mknod', ['big', 'b', '300', '3000'], top)
  fs.lchownSync(`${top}/link`, 1, 2)
  return top
}

/** What the host shows of each name, in the order of names. */
function shownTree(top: string) {
  const names = run('/usr/bin/find', ['.', '-printf', '%P\\0'], top).toString('latin1').split('\0').slice(0, -1)
  return names.sort().map((name) => {
    const place = bytesOf(`${top}/${name}`)
    const stat = fs.lstatSync(place, { bigint: true })
    const { mode, uid, gid, mtimeNs, rdev } = stat
    const target = stat.isSymbolicLink() ? fs.readlinkSync(place, 'latin1') : null
    return { name, mode: Number(mode), uid: Number(uid), gid: Number(gid), mtimeNs, rdev: Number(rdev), target }
  })
}

async function expectTree(text: Buffer, top: string): Promise<void> {
  const warnings: string[] = []
  const onWarning = (message: string) => warnings.push(message)
  const items = await readAll(mtreeSource.read(cut(text, 100), new ContentTree(top), { name: 'list', onWarning }))
  expect(warnings).toEqual([])
  const got = items.map(({ entry }) => {
    const { type, mode, uid, gid, mtimeNs, device, linkTarget } = entry
    const rdev = device === null ? 0 : encodeDevice(device)
    const target = linkTarget === null ? null : latin1Text(linkTarget)
    return { name: latin1Text(entry.path), mode: fullMode(type, mode), uid, gid, mtimeNs, rdev, target }
  })
  expect(got.sort((a, b) => (a.name < b.name ? -1 : 1))).toEqual(shownTree(top))
  const place = (name: Uint8Array) => Buffer.concat([bytesOf(`${top}/`), name])
  const further = items.filter(({ entry }) => entry.hardLinkTo !== null)
  expect(further).toHaveLength(2)
  for (const { entry } of further) {
    expect(fs.lstatSync(place(entry.path)).ino).toBe(fs.lstatSync(place(entry.hardLinkTo!)).ino)
  }
  for (const { entry, content } of items) {
    if (content !== null) expect(content).toEqual(fs.readFileSync(place(entry.path)))
  }
}

describe.runIf(havePeers(mtree))('mtree text of NetBSD', () => {
  it('is read with its tree, whatever keywords it has', async () => {
    const top = makeTree()
    for (const options of ['', '-K all', '-K all -R uid,gid,flags', '-K all -R uname,gname,nlink']) {
      const words = options.split(' ').filter((word) => word !== '')
      await expectTree(run(mtree, ['-c', ...words, '-p', top], top), top)
    }
  })

  it('with full paths is read with its tree, also without types', async () => {
    const top = makeTree()
    // mtree cannot read a line with this name at its end.
    fs.unlinkSync(bytesOf(`${top}/link`))
    fs.unlinkSync(bytesOf(`${top}/again\xdc`))
    fs.symlinkSync('target', `${top}/link`)
    fs.linkSync(`${top}/link`, `${top}/again`)
    const text = run(mtree, ['-c', '-K', 'all', '-p', top], top)
    await expectTree(run(mtree, ['-C', '-K', 'all'], top, text), top)
    await expectTree(run(mtree, ['-C', '-K', 'all', '-R', 'type'], top, text), top)
  })
})

describe.runIf(havePeers(bsdtar))('mtree text of bsdtar', () => {
  it('is read with its tree, whatever keywords it has', async () => {
    const top = makeTree()
    for (const options of [
      'mtree:type',
      'mtree:all',
      'mtree:all,use-set',
      'mtree:all,use-set,indent',
      'mtree:!nlink',
    ]) {
      await expectTree(run(bsdtar, ['-cf', '-', '--format=mtree', `--options=${options}`, '.'], top), top)
    }
  })
})
