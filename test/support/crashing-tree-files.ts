import { UmlcowError } from '../../src/errors.js'
import { localNodeMaker, type NodeMaker } from '../../src/machine/programs/make-node.js'
import { localTreeFiles, type TreeFiles } from '../../src/trees/host/tree-files.js'

const readers = ['lstat', 'lstatOrNull', 'children', 'readStart', 'syncFile']

export interface CrashingHost {
  readonly treeFiles: TreeFiles
  readonly nodes: NodeMaker
  /** Calls that changed something, or would have. */
  readonly calls: readonly string[]
}

/**
 * The local trees, to which nothing is done any more from call number `crashAt` on: what a process that was killed at
 * that instant leaves. With `torn` the call itself writes half of what it should.
 */
export function crashingHost(
  crashAt: number,
  how: { torn?: boolean; code?: string; once?: boolean } = {},
): CrashingHost {
  const calls: string[] = []
  const fails = (name: string): boolean => {
    const index = calls.push(name) - 1
    return how.once ? index === crashAt : index >= crashAt
  }
  const failure = (name: string) => new UmlcowError(how.code ?? 'EIO', `${name}: made to fail`)
  const wrap =
    (name: string, run: (...args: never[]) => unknown) =>
    (...args: never[]): unknown => {
      if (readers.includes(name)) return run(...args)
      if (!fails(name)) return run(...args)
      if (how.torn && calls.length - 1 === crashAt) tear(name, args)
      throw failure(name)
    }
  const wrapped = Object.entries(localTreeFiles).map(([name, run]) => [name, wrap(name, run)])
  const treeFiles = Object.fromEntries(wrapped) as TreeFiles
  const nodes: NodeMaker = {
    makeDevice: async (...args) => {
      if (fails('makeDevice')) throw failure('makeDevice')
      await localNodeMaker.makeDevice(...args)
    },
    makeFifo: async (...args) => {
      if (fails('makeFifo')) throw failure('makeFifo')
      await localNodeMaker.makeFifo(...args)
    },
    makeSocket: async (...args) => {
      if (fails('makeSocket')) throw failure('makeSocket')
      await localNodeMaker.makeSocket(...args)
    },
  }
  return { treeFiles, nodes, calls }
}

function tear(name: string, args: readonly unknown[]): void {
  if (name !== 'append' && name !== 'writeNew') return
  const [file, content] = args as [Buffer, string | Uint8Array]
  const half = Buffer.from(content as string).subarray(0, content.length / 2)
  if (name === 'append') localTreeFiles.append(file, half)
  else localTreeFiles.writeNew(file, half, 0o600, null)
}
