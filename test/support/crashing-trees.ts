import { UmlcowError } from '../../src/errors.js'
import { localTreeWriter, type TreeWriter } from '../../src/trees/host/tree-writer.js'

/** What changes nothing that a crash could leave undone. */
const harmless = ['syncFile', 'syncFileSystem', 'holdDirectory']

export interface CrashingHost {
  readonly writer: TreeWriter
  /** Calls that changed something, or would have. */
  readonly calls: readonly string[]
}

/**
 * The local trees, to which nothing is done any more from call number `crashAt` on: what a process that was killed at
 * that instant leaves; files that were begun stay half-made. With `torn` the call itself writes half of what it should.
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
      if (harmless.includes(name)) return run(...args)
      if (!fails(name)) return run(...args)
      if (how.torn && calls.length - 1 === crashAt) tear(name, args)
      throw failure(name)
    }
  const wrapAll = <T extends object>(port: T): T =>
    Object.fromEntries(Object.entries(port).map(([name, run]) => [name, wrap(name, run)])) as T
  const writer = wrapAll(localTreeWriter)
  const createFile: TreeWriter['createFile'] = (file, mode) => {
    const { close, ...calls } = writer.createFile(file, mode)
    return { ...wrapAll(calls), close }
  }
  return { writer: { ...writer, createFile }, calls }
}

function tear(name: string, args: readonly unknown[]): void {
  if (name !== 'append' && name !== 'writeNew') return
  const [file, content] = args as [Buffer, string | Uint8Array | undefined]
  if (content === undefined) return // A file that is being made is half-made as it is.
  const half = Buffer.from(content as string).subarray(0, content.length / 2)
  if (name === 'append') localTreeWriter.append(file, half)
  else localTreeWriter.writeNew(file, half, 0o600, null)
}
