import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { commandPath, umlcow } from '../support/command.js'
import { isRoot, type Snapshot, scratchDirectory, snapshot } from '../support/humfs-tree.js'
import { copyDirectory } from '../support/killed-runs.js'
import { havePeers } from '../support/peers.js'

const perlTool = '/usr/bin/humfsify'

/** Names that the Perl tool survives, and modes that it does not lose. */
function makePlainTree(top: string): void {
  const at = (...names: string[]) => path.join(top, 'data', ...names)
  fs.mkdirSync(at('a', 'b', 'empty'), { recursive: true })
  for (const [i, mode] of [0o644, 0o600, 0o755, 0, 0o777].entries()) {
    fs.writeFileSync(at('a', `file${i}`), 'x'.repeat(i * 3000))
    fs.chownSync(at('a', `file${i}`), i * 1000, i * 7)
    fs.chmodSync(at('a', `file${i}`), mode)
  }
  fs.chownSync(at('a', 'file4'), 3_000_000_000, 4_294_967_294)
  fs.chmodSync(at('a', 'b'), 0o700)
  fs.writeFileSync(at('metadata'), '')
  fs.linkSync(at('a', 'file1'), at('a', 'b', 'hard'))
  fs.linkSync(at('a', 'file1'), at('hardToo'))
  fs.symlinkSync('nowhere', at('dangling'))
  fs.symlinkSync('a', at('toDirectory'))
  fs.lchownSync(at('dangling'), 13, 14)
  fs.writeFileSync(at('sparse'), '')
  fs.truncateSync(at('sparse'), 10_000_000)
  fs.writeFileSync(Buffer.concat([Buffer.from(`${at()}/n`), Buffer.from([0xff, 0xc3])]), '')
}

function runPerl(cwd: string, ...args: string[]): void {
  const done = spawnSync(perlTool, args, { cwd, encoding: 'utf8' })
  expect(done.status, done.stderr).toBe(0)
}

/** Without data: what the two tools record. */
function recorded(all: Snapshot): Snapshot {
  return Object.fromEntries(Object.entries(all).filter(([name]) => name !== 'data' && !name.startsWith('data/')))
}

async function twoTrees(prepare: (top: string) => void) {
  const top = scratchDirectory()
  const [theirs, ours] = [path.join(top, 'theirs'), path.join(top, 'ours')]
  fs.mkdirSync(theirs)
  prepare(theirs)
  await copyDirectory(theirs, ours)
  return { theirs, ours, before: snapshot(theirs) }
}

describe.runIf(isRoot && havePeers(perlTool))('next to the Perl tool', () => {
  it.each([['1G'], ['20M'], ['30000K'], ['123456789']])(
    'the superblock and all metadata are the same: %s',
    async (size) => {
      const { theirs, ours } = await twoTrees(makePlainTree)
      runPerl(theirs, '1000', '1001', size)
      expect(umlcow(['humfsify', '--no-sync', '1000', '1001', size], { cwd: ours })).toMatchObject({
        status: 0,
        stderr: '',
      })
      expect(recorded(snapshot(ours))).toEqual(recorded(snapshot(theirs)))
    },
  )

  it('names are looked up to the same ids', async () => {
    const { theirs, ours } = await twoTrees(makePlainTree)
    runPerl(theirs, 'nobody', 'games', '1G')
    expect(umlcow(['humfsify', '--no-sync', 'nobody', 'games', '1G'], { cwd: ours }).status).toBe(0)
    expect(recorded(snapshot(ours))).toEqual(recorded(snapshot(theirs)))
  })

  it('--perl-compat leaves data the same, too: nodes, modes and all', async () => {
    const { theirs, ours } = await twoTrees((top) => {
      makePlainTree(top)
      const data = path.join(top, 'data')
      for (const args of [
        ['null', 'c', '1', '3'],
        ['sda1', 'b', '8', '1'],
        ['major', 'b', '300', '5'],
        ['fifo', 'p'],
      ]) {
        expect(spawnSync('mknod', args, { cwd: data }).status).toBe(0)
      }
      fs.writeFileSync(path.join(data, 'suid'), '')
      fs.chmodSync(path.join(data, 'suid'), 0o6755)
      fs.mkdirSync(path.join(data, 'tmp'))
      fs.chmodSync(path.join(data, 'tmp'), 0o1777)
    })
    runPerl(theirs, '1000', '1001', '1G')
    expect(umlcow(['humfsify', '--no-sync', '--perl-compat', '1000', '1001', '1G'], { cwd: ours }).status).toBe(0)
    expect(snapshot(ours)).toEqual(snapshot(theirs))
  })

  it('what the Perl tool made is put back, directories and all', async () => {
    const { theirs, before } = await twoTrees(makePlainTree)
    runPerl(theirs, '1000', '1001', '1G')
    expect(umlcow(['humfs', 'check'], { cwd: theirs }).status).toBe(0)
    expect(umlcow(['humfs', 'restore', '--no-sync'], { cwd: theirs })).toMatchObject({ status: 0, stderr: '' })
    expect(snapshot(theirs)).toEqual(before)
  })

  it('the Perl tool puts back the files that we made, setuid included', async () => {
    const { ours } = await twoTrees((top) => {
      makePlainTree(top)
      fs.writeFileSync(path.join(top, 'data/suid'), '')
      fs.chmodSync(path.join(top, 'data/suid'), 0o4755)
    })
    const before = snapshot(ours)
    expect(umlcow(['humfsify', '--no-sync', '1000', '1001', '1G'], { cwd: ours }).status).toBe(0)
    runPerl(ours, '-r')
    const after = snapshot(ours)
    for (const [name, facts] of Object.entries(before)) {
      // The Perl tool leaves the modes of directories as they are.
      if (!facts.startsWith('4')) expect(after[name], name).toBe(facts)
    }
  })

  it('a link called humfsify is the same command', async () => {
    const { theirs, ours, before } = await twoTrees(makePlainTree)
    const link = path.join(ours, '..', 'humfsify')
    fs.symlinkSync(commandPath, link)
    const run = (...args: string[]) => spawnSync(link, args, { cwd: ours, encoding: 'utf8' })
    runPerl(theirs, '1000', '1001', '1G')
    expect(run('1000', '1001', '1G')).toMatchObject({ status: 0, stderr: '' })
    expect(recorded(snapshot(ours))).toEqual(recorded(snapshot(theirs)))
    expect(run('-r')).toMatchObject({ status: 0, stderr: '' })
    expect(snapshot(ours)).toEqual(before)
    expect(run().status).toBe(64)
  })
})
