import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { UmlcowError } from '../../../src/errors.js'
import { localTreeReader, type TreeReader } from '../../../src/trees/host/tree-reader.js'
import { walkNames } from '../../../src/trees/walk/walk-names.js'
import { walkOpen } from '../../../src/trees/walk/walk-open-directories.js'
import { walkTree } from '../../../src/trees/walk/walk-tree.js'
import { scratchDirectory } from '../../support/humfs-tree.js'

const names = ['', 'a', 'a/deep', 'a/deep/er', 'a/deep/er/file', 'a/file', 'b', 'b/file', 'empty', 'file', 'link']
const directories = ['', 'a', 'a/deep', 'a/deep/er', 'b', 'empty']

/** A tree with a link to a directory, which no walk follows. */
function makeTree(): Buffer {
  const top = scratchDirectory()
  for (const name of directories) fs.mkdirSync(path.join(top, name), { recursive: true })
  for (const name of names.filter((one) => one.endsWith('file'))) fs.writeFileSync(path.join(top, name), '')
  fs.symlinkSync('a', path.join(top, 'link'))
  return Buffer.from(top)
}

/** Every directory stands before, or after, all that is in it. */
function expectOrder(paths: readonly string[], place: 'before' | 'after'): void {
  for (const [index, name] of paths.entries()) {
    const above = paths.indexOf(name.slice(0, Math.max(0, name.lastIndexOf('/'))))
    if (name !== '') expect(place === 'before' ? above < index : above > index, name).toBe(true)
  }
}

describe('walks', () => {
  it('walkNames gives each name once, directories last, and looks at none', () => {
    const top = makeTree()
    const lstat = () => {
      throw new Error('looked at a name')
    }
    const reader: TreeReader = { ...localTreeReader, lstat, lstatOrNull: lstat }
    const paths = [...walkNames(reader, top)].map((one) => path.relative(`${top}`, `${one.path}`))
    expect([...paths].sort()).toEqual(names)
    expectOrder(paths, 'after')
  })

  it('walkTree gives each name, and each directory again when it leaves it', () => {
    const items = [...walkTree(localTreeReader, makeTree())]
    const pathsOf = (isLeaving: boolean) =>
      items.filter((one) => one.isLeaving === isLeaving).map((one) => one.path.toString())
    expect(pathsOf(false).sort()).toEqual(names)
    expect(pathsOf(true).sort()).toEqual(directories)
    expectOrder(pathsOf(true), 'after')
    for (const name of directories) {
      const [entered, left] = [false, true].map((isLeaving) =>
        items.findIndex((one) => one.path.toString() === name && one.isLeaving === isLeaving),
      ) as [number, number]
      const inside = items.flatMap(({ path }, index) => (path.toString().startsWith(`${name}/`) ? [index] : []))
      for (const index of inside) expect(index > entered && index < left, name).toBe(true)
    }
  })

  it('walkTree does not descend where its caller forbids it, and follows a new path', () => {
    const top = makeTree()
    const seen: string[] = []
    for (const item of walkTree(localTreeReader, top)) {
      if (item.path.equals(Buffer.from('a'))) item.descend = false
      if (item.path.equals(Buffer.from('b'))) {
        fs.renameSync(path.join(`${top}`, 'b'), path.join(`${top}`, 'c'))
        item.path = Buffer.from('c')
      }
      seen.push(item.path.toString())
    }
    expect(seen).not.toContain('a/file')
    expect(seen).toContain('c/file')
  })

  it('walkOpen gives each name once, directories first, with one directory open', () => {
    const top = makeTree()
    let open = 0
    const reader: TreeReader = {
      ...localTreeReader,
      openDirectory(directory) {
        const place = localTreeReader.openDirectory(directory)
        expect(++open).toBe(1)
        const close = () => {
          open--
          place.close()
        }
        return { ...place, close }
      },
    }
    const paths = [...walkOpen(top, { reader })].map((one) => one.path.toString())
    expect([...paths].sort()).toEqual(names)
    expectOrder(paths, 'before')
    for (const found of walkOpen(top, { reader })) if (found.name.toString() === 'file') break
    expect(open).toBe(0)
  })

  it('walkTree and walkOpen go on after what they cannot look at, where somebody takes the error', () => {
    const top = makeTree()
    const failure = new UmlcowError('EIO', 'made to fail')
    const isBad = (file: string | Buffer) => file.toString().endsWith('/a/deep')
    const reader: TreeReader = {
      ...localTreeReader,
      lstat(file) {
        if (isBad(file)) throw failure
        return localTreeReader.lstat(file)
      },
      openDirectory(directory) {
        if (isBad(directory)) throw failure
        return localTreeReader.openDirectory(directory)
      },
    }
    const walks = [
      (onError?: (path: Buffer, error: unknown) => void) => [...walkTree(reader, top, onError)],
      (onError?: (path: Buffer, error: unknown) => void) => [...walkOpen(top, { reader, onError })],
    ]
    for (const walk of walks) {
      const failed: string[] = []
      const found = walk((place, error) => {
        expect(error).toBe(failure)
        failed.push(place.toString())
      })
      expect(failed).toEqual(['a/deep'])
      const paths = new Set(found.map((one) => one.path.toString()))
      expect([...paths].sort()).toEqual(names.filter((name) => !name.startsWith('a/deep')))
      expect(() => walk()).toThrow(failure)
    }
  })
})
