import fs from 'node:fs'
import path from 'node:path'
import { expect } from 'vitest'
import { UmlcowError } from '../../src/errors.js'
import { localTreeMaker, type TreeMaker } from '../../src/trees/host/tree-maker.js'
import { crashingHost } from './crashing-tree-files.js'

/** The local host, to which nothing is done any more from call number `crashAt` on; files that were begun stay half-made. */
export function crashingNewTree(crashAt: number, once = false) {
  const host = crashingHost(crashAt, { once })
  const calls = host.calls as string[]
  const fails = (name: string) => {
    const index = calls.push(name) - 1
    if (once ? index === crashAt : index >= crashAt) throw new UmlcowError('EIO', `${name}: made to fail`)
  }
  const maker: TreeMaker = {
    ...localTreeMaker,
    createFile(file) {
      fails('createFile')
      const made = localTreeMaker.createFile(file)
      return {
        append: (bytes) => {
          fails('append')
          made.append(bytes)
        },
        complete: (facts) => {
          fails('complete')
          made.complete(facts)
        },
        close: () => made.close(),
      }
    },
    makeLink(target, file) {
      fails('makeLink')
      localTreeMaker.makeLink(target, file)
    },
    setMtime(file, mtimeNs) {
      fails('setMtime')
      localTreeMaker.setMtime(file, mtimeNs)
    },
  }
  return { host: { treeFiles: host.treeFiles, nodes: host.nodes, maker }, calls }
}

/** A directory for a new tree, with something beside it that must stay as it is. */
export function placeFor(top: string) {
  const parent = path.join(top, 'parent')
  fs.mkdirSync(parent, { recursive: true })
  const beside = path.join(parent, 'beside')
  fs.writeFileSync(beside, 'stays')
  return {
    directory: path.join(parent, 'new'),
    /** Nothing was made, inside or outside. */
    expectNothing() {
      expect(fs.readdirSync(parent)).toEqual(['beside'])
      expect(fs.readdirSync(top)).toEqual(['parent'])
      expect(fs.readFileSync(beside, 'utf8')).toBe('stays')
    },
  }
}
