import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { AttributeSearch } from '../../src/machine/programs/getfattr.js'
import { localTreeReader, type TreeReader } from '../../src/trees/host/tree-reader.js'
import { scratchDirectory } from './humfs-tree.js'

/** The capability `cap_net_raw=ep`, as getfattr prints it. */
export const netRaw = '0x0100000200200000000000000000000000000000'

/** Extended attributes by path and name. */
export type Attributes = Readonly<Record<string, Readonly<Record<string, string | null>>>>

/** The local trees with these attributes, as getfattr would find them. */
export function readerWith(attributes: Attributes, end: AttributeSearch = 'complete'): TreeReader {
  return {
    ...localTreeReader,
    async findAttributes(_directory, onFile) {
      for (const [name, own] of Object.entries(attributes)) {
        onFile(
          Buffer.from(name, 'latin1'),
          Object.entries(own).map(([attribute, value]) => ({ name: attribute, value })),
        )
      }
      return end
    },
  }
}

/**
 * Whether files of the tests can have extended attributes: not on every file system. In CI they must; elsewhere the tests
 * that need them are skipped, and say so.
 */
export function takesAttributes(): boolean {
  const probe = fs.mkdtempSync(path.join(tmpdir(), 'umlcow-probe-'))
  try {
    const set = spawnSync('/usr/bin/setfattr', ['-n', 'user.umlcow', '-v', 'x', probe])
    if (set.status === 0) return true
    if (process.env['CI'] === 'true') throw new Error(`no extended attributes below ${tmpdir()}: ${set.stderr}`)
    console.warn(`SKIPPED: tests that need extended attributes below ${tmpdir()}`)
    return false
  } finally {
    fs.rmSync(probe, { recursive: true })
  }
}

/** A directory with files, each with its name as content. */
export function plainTree(...names: string[]): string {
  const top = scratchDirectory()
  for (const name of names) {
    fs.mkdirSync(path.dirname(path.join(top, name)), { recursive: true })
    fs.writeFileSync(path.join(top, name), name)
  }
  return top
}
