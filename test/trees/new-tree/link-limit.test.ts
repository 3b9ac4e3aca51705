import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { UmlcowError } from '../../../src/errors.js'
import { writeTar } from '../../../src/formats/tar/index.js'
import { linkLimit } from '../../../src/machine/programs/link-limit.js'
import { localTreeReader, type TreeReader } from '../../../src/trees/host/tree-reader.js'
import { localTreeWriter, type TreeWriter } from '../../../src/trees/host/tree-writer.js'
import { openDirectorySource } from '../../../src/trees/kinds/directory/source.js'
import { writeHumfsTree } from '../../../src/trees/kinds/humfs/sink.js'
import { exportToTree } from '../../../src/trees/transfer/export-to-tree.js'
import { importHumfs } from '../../../src/trees/transfer/import-humfs.js'
import { scratchDirectory } from '../../support/humfs-tree.js'
import { collect, cut, entry, furtherName, itemsOf } from '../../support/manifest-entries.js'
import { placeFor } from '../../support/new-tree.js'

const first = entry('d/first', { size: 3 })
const names = (count: number) => [first, ...Array.from({ length: count - 1 }, (_, i) => furtherName(`n${i}`, first))]

/** A file system that takes 200 names of a file, and says so if it is asked. */
function fullHost(limit: number | null) {
  const counts = new Map<number, number>()
  const asked: string[] = []
  const reader: TreeReader = {
    ...localTreeReader,
    linkLimit: async (directory) => {
      asked.push(`${directory}`)
      return limit
    },
  }
  const writer: TreeWriter = {
    ...localTreeWriter,
    link(from, to) {
      const { ino, nlink } = fs.statSync(from)
      counts.set(ino, nlink)
      if (nlink >= 200) throw new UmlcowError('EMLINK', `${to}: could not create it`)
      localTreeWriter.link(from, to)
    },
  }
  return { reader, writer, noSync: true, asked }
}

describe('more names of a file than the file system takes', () => {
  it('are refused with their number before anything is made, in the dry run too', async () => {
    const top = scratchDirectory()
    const file = path.join(top, 'x.tar')
    fs.writeFileSync(file, await collect(writeTar(itemsOf(names(201)))))
    for (const dryRun of [false, true]) {
      const { asked, ...host } = fullHost(200)
      const done = importHumfs(file, path.join(top, 'made'), { from: 'tar', dryRun, ...host })
      await expect(done).rejects.toMatchObject({
        code: 'TOO_MANY_LINKS',
        message: `d/first: has 201 names (hard links), and the file system of ${top} takes 200`,
        details: { path: 'd/first', names: 201, limit: 200 },
        hint: expect.stringContaining('file system that takes more'),
      })
      expect(asked).toEqual([top])
      expect(fs.readdirSync(top)).toEqual(['x.tar'])
    }
    const { asked, ...host } = fullHost(201)
    await importHumfs(file, path.join(top, 'made'), { from: 'tar', dryRun: true, ...host })
    expect(asked).toEqual([top])
  })

  it('end the import of a pipe with a code, and leave nothing', async () => {
    const place = placeFor(scratchDirectory())
    const { asked, ...host } = fullHost(200)
    const bytes = cut(await collect(writeTar(itemsOf(names(201)))), 4096)
    const done = importHumfs({ name: 'a pipe', bytes }, place.directory, { from: 'tar', ...host })
    await expect(done).rejects.toMatchObject({
      code: 'TOO_MANY_LINKS',
      message: 'n199: the file system takes no more names (hard links) of one file',
    })
    place.expectNothing()
    expect(asked).toEqual([])
  })

  it('are refused when a tree is exported to another one, with the number that lies in it', async () => {
    const top = scratchDirectory()
    const tree = path.join(top, 'tree')
    fs.mkdirSync(tree)
    fs.writeFileSync(path.join(tree, 'f'), 'x')
    for (let i = 0; i < 130; i++) fs.linkSync(path.join(tree, 'f'), path.join(i < 5 ? top : tree, `n${i}`))
    const before = fs.readdirSync(top)
    const source = openDirectorySource(tree)
    for (const format of ['directory', '9p'] as const) {
      const done = exportToTree(source, path.join(top, 'made'), { format, ...fullHost(127) })
      await expect(done).resolves.toMatchObject({ entries: 127 })
      fs.rmSync(path.join(top, 'made'), { recursive: true })
    }
    fs.linkSync(path.join(tree, 'f'), path.join(tree, 'm'))
    fs.linkSync(path.join(tree, 'f'), path.join(tree, 'm2'))
    const done = exportToTree(source, path.join(top, 'made'), { format: 'directory', ...fullHost(127) })
    await expect(done).rejects.toMatchObject({ code: 'TOO_MANY_LINKS', details: { names: 128, limit: 127 } })
    expect(fs.readdirSync(top)).toEqual(before)
  })

  it('are no matter where there are few, or where the limit is unknown', async () => {
    const { asked, ...host } = fullHost(1)
    const top = scratchDirectory()
    await writeHumfsTree(itemsOf(names(5)), path.join(top, 'few'), host)
    const file = path.join(top, 'x.tar')
    fs.writeFileSync(file, await collect(writeTar(itemsOf(names(126)))))
    await importHumfs(file, path.join(top, 'made'), { from: 'tar', ...host })
    expect(asked).toEqual([])
    fs.writeFileSync(file, await collect(writeTar(itemsOf(names(150)))))
    await importHumfs(file, path.join(top, 'more'), { from: 'tar', ...fullHost(null) })
  })
})

describe('the limit of a file system', () => {
  it('is what the host says, or unknown', async () => {
    const limit = await linkLimit(scratchDirectory(), undefined)
    expect(limit === null || limit > 127).toBe(true)
    expect(await linkLimit(Buffer.from('/'), undefined)).toEqual(await linkLimit('/', undefined))
    await expect(linkLimit('/nowhere/at/all', undefined)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it.runIf(fs.existsSync('/dev/shm') && fs.statfsSync('/dev/shm').type === 0x01021994)(
    'is unknown where the C library only guesses',
    async () => expect(await linkLimit('/dev/shm', undefined)).toBeNull(),
  )
})
