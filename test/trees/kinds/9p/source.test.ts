import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { latin1Text } from '../../../../src/bytes/fast.js'
import type { ManifestEntry } from '../../../../src/formats/manifest/index.js'
import { serializeVirtfs } from '../../../../src/formats/virtfs/index.js'
import { readVirtfsTree } from '../../../../src/trees/kinds/9p/source.js'
import { scratchDirectory } from '../../../support/humfs-tree.js'
import { bytesOf, entry, listOf } from '../../../support/manifest-entries.js'
import { readAll } from '../../scenes.js'

const tree: readonly (readonly [ManifestEntry, string])[] = [
  [entry('', { type: 'directory', mode: 0o1777, uid: 1, gid: 2 }), ''],
  [entry('dir', { type: 'directory', mode: 0o2755, uid: 3, gid: 4 }), ''],
  [entry('file', { mode: 0o4755, uid: 1000, gid: 50, size: 4 }), 'file'],
  [entry('dir/null', { type: 'character', mode: 0o666, device: { major: 1, minor: 3 } }), ''],
  [entry('dir/disk', { type: 'block', mode: 0o660, gid: 6, device: { major: 300, minor: 3000 } }), ''],
  [entry('link', { type: 'symlink', mode: 0o777, linkTarget: bytesOf('not/here \xff') }), 'not/here \xff'],
  [entry('fifo', { type: 'fifo', uid: 5 }), ''],
  [entry('socket', { type: 'socket', mode: 0o755 }), ''],
  [entry('no utf-8 \xff', { size: 1 }), 'x'],
]

/** The files that the server makes of a tree. */
function layOut(top: string): void {
  for (const [one, content] of tree) {
    const name = latin1Text(one.path)
    const at = (place: string) => Buffer.from(path.posix.join(top, place), 'latin1')
    const directory = path.posix.dirname(name)
    if (one.type === 'directory') fs.mkdirSync(at(name), { recursive: true, mode: 0o700 })
    else fs.writeFileSync(at(name), Buffer.from(content, 'latin1'), { mode: 0o600 })
    const kept = name === '' ? '' : path.posix.join(directory, '.virtfs_metadata')
    if (name !== '') fs.mkdirSync(at(kept), { recursive: true })
    const file = name === '' ? '.virtfs_metadata_root' : path.posix.join(kept, path.posix.basename(name))
    fs.writeFileSync(at(file), serializeVirtfs(one))
  }
}

function scene(): { top: string; at: (...names: string[]) => string } {
  const top = scratchDirectory()
  layOut(top)
  return { top, at: (...names) => path.join(top, ...names) }
}

describe("a mapped-file tree of QEMU's 9p server", () => {
  it('is read as what a guest sees', async () => {
    const { top } = scene()
    const items = await listOf(readVirtfsTree(top))
    const known = ({ path: name, type, mode, uid, gid, device, linkTarget, size }: ManifestEntry) => {
      return { name: latin1Text(name), type, mode, uid, gid, device, linkTarget, size }
    }
    const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1)
    const wanted = tree.map(([one]) => known(one)).sort(byName)
    expect(items.map(({ entry: one }) => known(one)).sort(byName)).toEqual(wanted)
    const all = await readAll(readVirtfsTree(top))
    expect(all['file']!.content).toBe('file')
    expect(all['no utf-8 \xff']!.content).toBe('x')
  })

  it('has what the host has where there are no attributes', async () => {
    const { at, top } = scene()
    fs.rmSync(at('.virtfs_metadata'), { recursive: true })
    fs.rmSync(at('.virtfs_metadata_root'))
    fs.chmodSync(at('file'), 0o640)
    const all = await readAll(readVirtfsTree(top))
    const ids = `${process.geteuid?.()} ${process.getegid?.()}`
    expect(all['file']!.text).toContain(`file 640 ${ids} `)
    expect(all['socket']!.text).toMatch(/^file /)
    expect(all['']!.text).toContain(`directory 700 ${ids} `)
  })

  it('keeps names of one file together', async () => {
    const { at, top } = scene()
    fs.linkSync(at('fifo'), at('dir', 'second'))
    fs.linkSync(at('.virtfs_metadata', 'fifo'), at('dir', '.virtfs_metadata', 'second'))
    expect((await readAll(readVirtfsTree(top)))['fifo']!.text).toMatch(/ dir\/second fifo$/)
  })

  it.each<[string, (at: (...names: string[]) => string) => void, RegExp]>([
    ['garbage', (at) => fs.writeFileSync(at('.virtfs_metadata', 'file'), 'root:x:0:0'), /not an attribute of a file/],
    ['too much', (at) => fs.truncateSync(at('.virtfs_metadata', 'file'), 2 ** 30), /too long/],
    [
      'a type that it cannot be',
      (at) => fs.writeFileSync(at('.virtfs_metadata', 'dir'), 'virtfs.mode=33188\n'),
      /is a directory, but a file/,
    ],
    [
      'a directory of a file',
      (at) => fs.writeFileSync(at('.virtfs_metadata', 'file'), 'virtfs.mode=16877\n'),
      /is a file, but a directory/,
    ],
    ['a link without a target', (at) => fs.truncateSync(at('link'), 0), /is a symbolic link without a valid target/],
    [
      'a target with a NUL byte',
      (at) => fs.writeFileSync(at('link'), 'a\0b'),
      /is a symbolic link without a valid target/,
    ],
    [
      'attributes through a link',
      (at) => {
        fs.rmSync(at('.virtfs_metadata', 'file'))
        fs.symlinkSync('fifo', at('.virtfs_metadata', 'file'))
      },
      /its attributes are a symlink/,
    ],
    [
      'a directory of attributes through a link',
      (at) => {
        fs.renameSync(at('dir', '.virtfs_metadata'), at('elsewhere'))
        fs.symlinkSync('../elsewhere', at('dir', '.virtfs_metadata'))
      },
      /its .virtfs_metadata is a symlink/,
    ],
  ])('with %s is refused', async (_, damage, message) => {
    const { at, top } = scene()
    damage(at)
    await expect(listOf(readVirtfsTree(top))).rejects.toMatchObject({
      code: 'BAD_ARCHIVE',
      message: expect.stringMatching(message),
    })
  })
})
