import { copyFileSync, linkSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { umlcow } from '../support/command.js'
import { temporaryDirectory } from '../support/paths.js'
import { holdOpen, makeScene, pairMtime, type Scene, setMtime, writeOverlay } from './scene.js'

// Every finding that a word of --force overrides: the refusal names the word, and the word works. The word `room` needs a
// full disk, `journal` another machine: their tests are those of merges in place.

interface Refusal {
  readonly prepare: (scene: Scene) => unknown
  readonly args: string
  readonly word: string
  /** Verbs that only read fail with 1. */
  readonly status?: number
}

const inside = ({ directory }: Scene, name: string) => path.join(directory, name)
const otherTime = ({ backing }: Scene) => setMtime(backing, pairMtime + 1)
const otherSize = ({ backing }: Scene) => {
  truncateSync(backing, 600 * 512)
  setMtime(backing)
}
const sibling = ({ cow, directory }: Scene) => copyFileSync(cow, path.join(directory, 'other'))
const damaged = (scene: Scene) => writeFileSync(inside(scene, 'damaged'), Buffer.from('OOOM\0\0\0\x09 another version'))
const dependent = (scene: Scene) => {
  setMtime(scene.cow)
  writeOverlay(inside(scene, 'top'), { virtualSize: scene.virtualSize, backing: scene.cow })
}
const heldOutput = (scene: Scene) => {
  writeFileSync(inside(scene, 'held'), 'x')
  return holdOpen(inside(scene, 'held'))
}
/** A qcow2 image whose only L2 table is lost: its refcount still counts a user. */
const leaking = ({ directory }: Scene) => {
  expect(umlcow(['convert', '-O', 'qcow2', 'root_fs', 'leaks'], { cwd: directory }).status).toBe(0)
  const bytes = readFileSync(path.join(directory, 'leaks'))
  const l1 = Number(bytes.readBigUInt64BE(40))
  writeFileSync(path.join(directory, 'leaks'), bytes.fill(0, l1, l1 + 8))
}
const heldCow = ({ cow }: Scene) => holdOpen(cow)

const refusals: readonly Refusal[] = [
  { prepare: heldCow, args: 'merge cow out', word: 'in-use' },
  { prepare: heldOutput, args: 'merge --overwrite cow held', word: 'in-use' },
  { prepare: otherTime, args: 'merge cow out', word: 'mtime' },
  { prepare: otherSize, args: 'merge cow out', word: 'size' },
  { prepare: heldCow, args: 'merge -d cow', word: 'in-use' },
  { prepare: otherTime, args: 'commit cow', word: 'mtime' },
  { prepare: sibling, args: 'merge -d cow', word: 'siblings' },
  { prepare: damaged, args: 'merge -d --keep-siblings cow', word: 'siblings' },
  { prepare: dependent, args: 'merge -d --delete cow', word: 'siblings' },
  { prepare: dependent, args: 'reset cow', word: 'siblings' },
  { prepare: heldCow, args: 'reset cow', word: 'in-use' },
  { prepare: heldCow, args: 'rebase -u -b ./root_fs cow', word: 'in-use' },
  { prepare: otherTime, args: 'map cow', word: 'mtime', status: 1 },
  { prepare: otherSize, args: 'map cow', word: 'size', status: 1 },
  { prepare: heldOutput, args: 'map --overwrite --svg held cow', word: 'in-use' },
  { prepare: heldCow, args: 'check --repair cow', word: 'in-use' },
  { prepare: heldCow, args: 'create --overwrite cow -b root_fs', word: 'in-use' },
  { prepare: otherSize, args: 'rebase -u -b root_fs cow', word: 'size' },
  { prepare: heldCow, args: 'copy cow out', word: 'in-use' },
  { prepare: heldOutput, args: 'copy --overwrite root_fs held', word: 'in-use' },
  { prepare: leaking, args: 'merge leaks out', word: 'leaks' },
  { prepare: leaking, args: 'convert leaks out', word: 'leaks' },
  { prepare: leaking, args: 'compact -o out leaks', word: 'leaks' },
  { prepare: heldOutput, args: 'humfs export --from directory --to tar --overwrite held sub', word: 'in-use' },
]

function withWord(args: readonly string[], word: string): string[] {
  const verb = args[0] === 'humfs' ? 2 : 1
  return [...args.slice(0, verb), `--force=${word}`, ...args.slice(verb)]
}

describe('a refusal names the word of --force that overrides it', () => {
  it.each(refusals)('$args: $word', async ({ prepare, args, word, status = 4 }) => {
    const scene = makeScene()
    mkdirSync(inside(scene, 'sub'))
    await prepare(scene)
    const words = args.split(' ')
    const refused = umlcow(words, { cwd: scene.directory })
    expect(refused).toMatchObject({ status, stderr: expect.stringContaining(`--force=${word}`) })
    const forced = umlcow(withWord(words, word), { cwd: scene.directory })
    expect(forced).toMatchObject({ status: 0 })
  })

  it('exists, links and damage of humfs trees', () => {
    const cwd = temporaryDirectory()
    mkdirSync(path.join(cwd, 'data'))
    writeFileSync(path.join(cwd, 'outside'), 'x')
    linkSync(path.join(cwd, 'outside'), path.join(cwd, 'data/inside'))
    const own = [`${process.geteuid?.()}`, `${process.getegid?.()}`]
    const make = ['humfsify', '--no-sync', ...own, '1G']
    const undo = ['humfsify', '-r', '--no-sync']
    const expectWord = (args: readonly string[], word: string) => {
      expect(umlcow(args, { cwd })).toMatchObject({ status: 4, stderr: expect.stringContaining(`--force=${word}`) })
      return umlcow(withWord(args, word), { cwd }).status
    }
    expect(expectWord(make, 'links')).toBe(0)
    expect(expectWord(withWord(make, 'links'), 'exists')).toBe(0)
    rmSync(path.join(cwd, 'file_metadata/inside'))
    expect(expectWord(undo, 'damage')).not.toBe(4)
  })
})
