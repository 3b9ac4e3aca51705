import fs from 'node:fs'
import path from 'node:path'
import { latin1Text } from '../../src/bytes/fast.js'
import type { ManifestItem } from '../../src/formats/manifest/index.js'
import { humfsify } from '../../src/humfs/humfsify/index.js'
import { makeSmallTree, owner, scratchDirectory } from '../support/humfs-tree.js'

export const humfsOptions = { ...owner, size: 2 ** 30, noSync: true, force: ['links'] as const }

export interface TreeScene {
  readonly top: string
  readonly at: (...names: string[]) => string
}

/** A small tree, and files with content, as humfs. */
export async function humfsScene(prepare: (at: TreeScene['at']) => void = () => {}): Promise<TreeScene> {
  const top = scratchDirectory()
  makeSmallTree(top)
  const at = (...names: string[]) => path.join(top, ...names)
  fs.writeFileSync(at('data', 'content'), 'x'.repeat(700_000))
  fs.writeFileSync(at('data', 'dir', 'more'), 'more')
  prepare(at)
  await humfsify(top, humfsOptions)
  return { top, at }
}

export interface ReadEntry {
  readonly text: string
  readonly content: string | null
}

/** Entries by path, with what they are in one line. Further names say with which others they are one file. */
export async function readAll(items: AsyncIterable<ManifestItem>): Promise<Record<string, ReadEntry>> {
  const all: [string, string, string, string | null][] = []
  for await (const { entry, content } of items) {
    const { type, mode, uid, gid, device, linkTarget, size, mtimeNs, linkCount, hardLinkTo } = entry
    const numbers = [mode.toString(8), uid, gid, device?.major, device?.minor, size, mtimeNs / 1_000_000n, linkCount]
    const text = [type, ...numbers, linkTarget && latin1Text(linkTarget)].join(' ')
    const parts: Buffer[] = []
    for await (const bytes of content ?? []) parts.push(Buffer.from(bytes))
    const group = latin1Text(hardLinkTo ?? entry.path)
    all.push([latin1Text(entry.path), text, group, content === null ? null : Buffer.concat(parts).toString('latin1')])
  }
  const inGroup = (group: string) => all.filter((other) => other[2] === group)
  return Object.fromEntries(
    all.map(([name, text, group]) => {
      const names = inGroup(group).map(([own]) => own)
      const content = inGroup(group).find((other) => other[3] !== null)?.[3] ?? null
      return [name, { text: `${text} ${names.sort().join(' ')}`, content }]
    }),
  )
}
