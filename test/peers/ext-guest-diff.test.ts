import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { diffFiles } from '../../src/index.js'
import { isDeep } from '../support/amount.js'
import { changeLines } from '../support/ext-diff-oracle.js'
import { e2fsprogs } from '../support/ext-images.js'
import { guestPeers, runGuest } from '../support/guest.js'
import { temporaryDirectory } from '../support/paths.js'
import { havePeers } from '../support/peers.js'

const names = [
  ...['appended', 'changed', 'chmodded', 'kept', 'linked', 'other', 'removed', 'renamed', 'shortened', 'touched'],
]

/** Each step of the session, and the lines that it leaves in a diff. */
const steps: readonly (readonly [command: string, ...lines: readonly string[]])[] = [
  ['echo more >> appended', 'modified /d/appended size,mtime 12000-12005'],
  ['printf XY | dd of=changed bs=1 seek=5000 conv=notrunc 2> /dev/null', 'modified /d/changed mtime 5000-5002'],
  ['mv renamed ../moved', 'renamed /moved from d/renamed'],
  ['rm removed', 'deleted /d/removed'],
  ['mkdir new && echo one > new/one', 'added /d/new', 'added /d/new/one'],
  ['chmod 4750 chmodded', 'metadata /d/chmodded mode'],
  ['ln linked again', 'linked /d/again'],
  ['ln -s nowhere soft', 'added /d/soft'],
  ['truncate -s 100 shortened', 'modified /d/shortened size,mtime 100-12000'],
  ['truncate -s 9M sparse && echo end >> sparse', 'added /d/sparse'],
  ['touch -d 2030-01-01 touched', 'metadata /d/touched mtime'],
  ['chown 7:8 other', 'metadata /d/other uid,gid'],
]

/** Status and paths in front, then what changed, whatever the oracle puts between them. */
function sorted(lines: readonly string[]): string[] {
  const words = lines.map((line) => line.split(/[ ,]+/).filter((word) => word !== ''))
  return words.map((line) => line.join(' ')).sort()
}

describe.runIf(isDeep && havePeers(...guestPeers, '/usr/sbin/mke2fs'))('the session of a guest', () => {
  test.each([
    ['an unmount', 'cd / && umount /mnt && echo done'],
    ['a stop with a dirty journal', 'sync && echo late > late && sync && echo done && poweroff -fn'],
  ])('that ends with %s is what diff shows', async (title, end) => {
    const directory = temporaryDirectory()
    const tree = path.join(directory, 'tree')
    mkdirSync(path.join(tree, 'd'), { recursive: true })
    for (const name of names) writeFileSync(path.join(tree, 'd', name), Buffer.alloc(12_000, name))
    const backing = path.join(directory, 'root_fs')
    e2fsprogs('mke2fs', ['-q', '-F', '-t', 'ext4', '-b', '4096', '-d', tree, backing, '64M'])
    const work = steps.map(([command]) => command).join('\n')
    const script = `mount -t ext4 -o commit=300 /dev/ubda /mnt && cd /mnt/d || exit 1\nset -e\n${work}\n${end}`
    const { out } = runGuest(directory, ['ubda=cow,root_fs'], script)
    expect(out).toContain('done')
    const { changes, classes, changedLength } = await diffFiles(path.join(directory, 'cow'))
    const late = title === 'an unmount' ? [] : ['added /d/late']
    const expected = [...steps.flatMap(([, ...lines]) => lines), ...late]
    expect(sorted(changeLines(changes))).toEqual(sorted(expected))
    expect(Object.values(classes).reduce((sum, length) => sum + length, 0)).toBe(changedLength)
  })
})
