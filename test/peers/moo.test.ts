import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { listPairs, unpackPair } from '../../fixtures/unpack.js'
import {
  allocatedBytes,
  holdOpen,
  keepsUntouched,
  makeScene,
  namesIn,
  pairMtime,
  type Scene,
  setMtime,
  sha256,
  writeHole,
  writeOverlay,
} from '../cli/scene.js'
import { isDeep, seedFor } from '../support/amount.js'
import { commandPath, type Outcome, umlcow } from '../support/command.js'
import { canBeOtherUser, otherUser } from '../support/other-user.js'
import { temporaryDirectory } from '../support/paths.js'
import { havePeers } from '../support/peers.js'

const umlMoo = '/usr/bin/uml_moo'

function run(program: string, args: readonly string[], cwd: string): Outcome {
  const done = spawnSync(program, args, { cwd, encoding: 'utf8', input: '', timeout: 60_000 })
  return { status: done.status, signal: done.signal, stdout: done.stdout, stderr: done.stderr }
}

function linkCalledMoo(): string {
  const link = path.join(temporaryDirectory(), 'uml_moo')
  symlinkSync(commandPath, link)
  return link
}

/** A link of that name is the verb, whatever its arguments: a quick run looks at a few command lines by the link, too. */
function isLinkedToo(args: readonly string[]): boolean {
  return isDeep || seedFor(args.join(' ')) % 5 === 0
}

/** The same without the damaged COW file, which might be a sibling. */
function preparedAlone(): Scene {
  const scene = prepared()
  rmSync(path.join(scene.directory, 'short'))
  return scene
}

/** Name and content of every file, so that two directories can be compared. */
function contentOf(directory: string): Record<string, string> {
  const files = namesIn(directory).filter((name) => name !== 'd')
  return Object.fromEntries(files.map((name) => [name, sha256(path.join(directory, name))]))
}

/** A pair with a relative path in the header, and what the argument lists below name. */
function prepared(): Scene {
  const scene = makeScene({ header: 'root_fs' })
  copyFileSync(scene.backing, path.join(scene.directory, 'copy'))
  setMtime(path.join(scene.directory, 'copy'))
  writeFileSync(path.join(scene.directory, 'old'), Buffer.alloc(1_000_000, 'old'))
  copyFileSync(scene.backing, path.join(scene.directory, 'touched'))
  setMtime(path.join(scene.directory, 'touched'), pairMtime + 1)
  writeFileSync(path.join(scene.directory, 'short'), 'OOOM')
  mkdirSync(path.join(scene.directory, 'd'))
  return scene
}

describe.runIf(havePeers(umlMoo))('the same as uml_moo', () => {
  it.each<[number, string[]]>([
    [0, ['cow', 'out']],
    [0, ['./cow', './out']],
    [0, ['-b', 'copy', 'cow', 'out']],
    [0, ['-b', './root_fs', 'cow', 'out']],
    [0, ['cow', 'old']],
    [0, ['-b', 'copy', 'cow', 'old']],
    [1, []],
    [1, ['cow']],
    [1, ['-b']],
    [1, ['-b', 'copy']],
    [1, ['-b', 'copy', 'cow']],
    [1, ['cow', 'out', 'more']],
    [1, ['-b', 'copy', 'cow', 'out', 'more']],
    [1, ['cow', '-b', 'copy', 'out']],
    [1, ['cow', 'out', '-b', 'copy']],
    [1, ['-bcopy', 'cow', 'out']],
    [1, ['-x', 'cow', 'out']],
    [1, ['--', 'cow', 'out']],
    [1, ['--help']],
    [1, ['-d', 'cow', 'more']],
    [1, ['-d', '-b', 'copy']],
    [1, ['-b', 'copy', '-d', 'cow']],
    [1, ['missing', 'out']],
    [1, ['root_fs', 'out']],
    [1, ['short', 'out']],
    [1, ['-b', 'missing', 'cow', 'out']],
    [1, ['-b', 'touched', 'cow', 'out']],
    [1, ['-b', 'old', 'cow', 'out']],
    [1, ['cow', 'd']],
    [1, ['cow', 'missing/out']],
  ])('status %i and the same files: %j', (status, args) => {
    const [theirs, ours, linked] = [prepared(), prepared(), prepared()]
    keepsUntouched(ours.cow, ours.backing, linked.cow, linked.backing)
    expect(run(umlMoo, args, theirs.directory).status).toBe(status)
    // "umlcow moo --help" is ours: it is what "umlcow VERB --help" always does. By the link it is no option.
    if (isLinkedToo(args) || args[0] === '--help') {
      const link = run(linkCalledMoo(), args, linked.directory)
      expect({ status: link.status, stdout: link.stdout }).toEqual({ status, stdout: '' })
      expect(contentOf(linked.directory)).toEqual(contentOf(theirs.directory))
    }
    if (args[0] === '--help') return
    const moo = umlcow(['moo', ...args], { cwd: ours.directory })
    expect({ status: moo.status, stdout: moo.stdout }).toEqual({ status, stdout: '' })
    expect(contentOf(ours.directory)).toEqual(contentOf(theirs.directory))
    if (status === 0) {
      const [output] = args.slice(-1)
      expect(readFileSync(path.join(ours.directory, output as string)).equals(ours.merged)).toBe(true)
    }
  })

  it.each<[number, string[]]>([
    [0, ['-d', 'cow']],
    [0, ['-d', './cow']],
    [0, ['-d', '-b', 'copy', 'cow']],
    [0, ['-d', '-b', './root_fs', 'cow']],
    [1, ['-d', '-b', 'touched', 'cow']],
    [1, ['-d', '-b', 'missing', 'cow']],
    [1, ['-d', '-b', 'old', 'cow']],
    [1, ['-d', 'missing']],
    [1, ['-d', 'root_fs']],
    [1, ['-d', 'cow', 'root_fs']],
  ])('in place: status %i, the same files, and the overlay byte for byte: %j', (status, args) => {
    const [theirs, ours, linked] = [preparedAlone(), preparedAlone(), preparedAlone()]
    const overlay = sha256(ours.cow)
    keepsUntouched(ours.cow, linked.cow)
    if (status !== 0) keepsUntouched(ours.backing, linked.backing)
    expect(run(umlMoo, args, theirs.directory).status).toBe(status)
    const moo = umlcow(['moo', ...args], { cwd: ours.directory })
    expect({ status: moo.status, stdout: moo.stdout }).toEqual({ status, stdout: '' })
    expect(contentOf(ours.directory)).toEqual(contentOf(theirs.directory))
    if (isLinkedToo(args)) {
      expect(run(linkCalledMoo(), args, linked.directory)).toMatchObject({ status, stdout: '' })
      expect(contentOf(linked.directory)).toEqual(contentOf(theirs.directory))
    }
    expect(sha256(ours.cow)).toBe(overlay)
    if (status === 0) {
      const into = args.includes('copy') ? 'copy' : 'root_fs'
      expect(readFileSync(path.join(ours.directory, into)).equals(ours.merged)).toBe(true)
    }
  })

  it.each(listPairs().map((pair) => pair.kind))('merges %s in place to the same bytes', (kind) => {
    const directory = temporaryDirectory()
    const pair = unpackPair(kind, directory)
    pair.paths.overlays.forEach((cow, i) => {
      const about = pair.overlays[i]
      // The overlays of a cluster are siblings, which are in the way: a directory for each.
      const alone = path.join(directory, `alone${i}`)
      mkdirSync(alone)
      renameSync(cow, path.join(alone, 'cow'))
      copyFileSync(pair.paths.backing, path.join(alone, 'root_fs'))
      setMtime(path.join(alone, 'root_fs'), pair.backing.mtime)
      const outcome = umlcow(['moo', '-d', '-b', 'root_fs', 'cow'], { cwd: alone })
      expect(outcome.status, outcome.stderr).toBe(0)
      expect(sha256(path.join(alone, 'root_fs'))).toBe(about?.guestSha256 ?? about?.mergedSha256)
      expect(sha256(path.join(alone, 'cow'))).toBe(about?.sha256)
      expect(namesIn(alone)).toEqual(['cow', 'root_fs'])
    })
  })

  it('zeros merged in place over a hole leave it a hole', () => {
    const allocated = (program: 'theirs' | 'ours') => {
      const scene = makeScene({ header: 'root_fs' })
      const sectors = new Map(Array.from({ length: 1024 }, (_, sector) => [512 + sector, Buffer.alloc(512)]))
      writeHole(scene.backing, 2 ** 20)
      writeOverlay(scene.cow, {
        virtualSize: 2 ** 20,
        backing: 'root_fs',
        sectors: sectors.set(0, Buffer.alloc(512, 'x')),
      })
      if (program === 'theirs') expect(run(umlMoo, ['-d', 'cow'], scene.directory).status).toBe(0)
      else expect(umlcow(['moo', '-d', 'cow'], { cwd: scene.directory }).status).toBe(0)
      return allocatedBytes(scene.backing)
    }
    expect(allocated('ours')).toBe(allocated('theirs'))
  })

  it('a relative path in the header counts from the current directory, and from nowhere else', () => {
    const scene = makeScene({ header: 'root_fs' })
    const elsewhere = temporaryDirectory()
    for (const program of [umlMoo, linkCalledMoo()]) {
      expect(run(program, [scene.cow, 'out'], elsewhere).status).toBe(1)
    }
    expect(namesIn(elsewhere)).toEqual([])
    // A file of that name in the current directory is the one, also when another lies beside the overlay.
    writeFileSync(path.join(elsewhere, 'root_fs'), Buffer.alloc(scene.virtualSize, 'elsewhere '))
    setMtime(path.join(elsewhere, 'root_fs'))
    expect(run(umlMoo, [scene.cow, 'theirs'], elsewhere).status).toBe(0)
    expect(umlcow(['moo', scene.cow, 'ours'], { cwd: elsewhere }).status).toBe(0)
    expect(sha256(path.join(elsewhere, 'ours'))).toBe(sha256(path.join(elsewhere, 'theirs')))
    expect(readFileSync(path.join(elsewhere, 'ours'), 'utf8')).toContain('elsewhere ')
  })

  it.each(listPairs().map((pair) => pair.kind))('merges %s to the same bytes', (kind) => {
    const directory = temporaryDirectory()
    const pair = unpackPair(kind, directory)
    keepsUntouched(pair.paths.backing, ...pair.paths.overlays)
    pair.paths.overlays.forEach((cow, i) => {
      const about = pair.overlays[i]
      const right = about?.guestSha256 ?? about?.mergedSha256
      expect(umlcow(['moo', '-b', 'root_fs', path.basename(cow), 'ours'], { cwd: directory }).status).toBe(0)
      expect(sha256(path.join(directory, 'ours'))).toBe(right)
      const theirs = run(umlMoo, ['-b', 'root_fs', path.basename(cow), 'theirs'], directory)
      // pair.json says where uml_moo is not right: fixtures/README.md has the reasons.
      const equal = about?.umlMoo === undefined || about.umlMoo === 'equal'
      if (about?.umlMoo?.startsWith('refuses')) expect(theirs.status).toBe(1)
      else expect(theirs.status).toBe(0)
      if (equal) expect(sha256(path.join(directory, 'theirs'))).toBe(right)
      for (const name of ['ours', 'theirs']) rmSync(path.join(directory, name), { force: true })
    })
  })
})

describe.runIf(havePeers(umlMoo))('where umlcow differs from uml_moo', () => {
  it.each<[string, string[], 'cow' | 'backing']>([
    ['the overlay', ['cow', 'cow'], 'cow'],
    ['the overlay, with -b', ['-b', 'copy', 'cow', 'cow'], 'cow'],
    ['the backing file', ['cow', 'root_fs'], 'backing'],
    ['the backing file, with -b', ['-b', 'root_fs', 'cow', 'root_fs'], 'backing'],
  ])('%s as the output: uml_moo destroys it, umlcow fails and touches nothing', (_what, args, lost) => {
    const [theirs, ours] = [prepared(), prepared()]
    expect(run(umlMoo, args, theirs.directory).status).toBe(1)
    expect(readFileSync(theirs[lost]).length).toBeLessThanOrEqual(512)

    keepsUntouched(ours.cow, ours.backing)
    const before = contentOf(ours.directory)
    for (const outcome of [
      umlcow(['moo', ...args], { cwd: ours.directory }),
      run(linkCalledMoo(), args, ours.directory),
    ]) {
      expect(outcome.stderr).toMatch(/^umlcow: /)
      expect(contentOf(ours.directory)).toEqual(before)
      expect(outcome.status).toBe(1)
    }
  })

  it('an output that is the backing file of an overlay is refused', () => {
    const scene = prepared()
    keepsUntouched(scene.cow, scene.backing)
    const outcome = umlcow(['moo', '-b', 'copy', 'cow', 'root_fs'], { cwd: scene.directory })
    expect(outcome.status).toBe(1)
    expect(outcome.stderr).toMatch(/is the backing file (of|in the header of) /)
  })

  it('a merge in place takes a second that has passed for the backing file, where uml_moo leaves that of its last write', () => {
    const [theirs, ours] = [preparedAlone(), preparedAlone()]
    const start = Math.floor(Date.now() / 1000)
    expect(run(umlMoo, ['-d', 'cow'], theirs.directory).status).toBe(0)
    expect(umlcow(['moo', '-d', 'cow'], { cwd: ours.directory }).status).toBe(0)
    expect(statSync(theirs.backing).mtimeMs / 1000).toBeGreaterThanOrEqual(start)
    const ourMtime = statSync(ours.backing).mtimeMs / 1000
    expect(Number.isInteger(ourMtime)).toBe(true)
    expect(ourMtime).toBeLessThan(statSync(ours.backing).ctimeMs / 1000 - 1)
    expect(ourMtime).toBeGreaterThan(pairMtime)
  })

  it('a merge in place that changes nothing leaves the modification time, where uml_moo changes it', () => {
    for (const program of ['theirs', 'ours']) {
      const scene = preparedAlone()
      writeFileSync(scene.backing, scene.merged)
      setMtime(scene.backing)
      const done =
        program === 'theirs'
          ? run(umlMoo, ['-d', 'cow'], scene.directory)
          : umlcow(['moo', '-d', 'cow'], { cwd: scene.directory })
      expect(done.status).toBe(0)
      expect(statSync(scene.backing).mtimeMs === pairMtime * 1000).toBe(program === 'ours')
    }
  })

  it('-d with a sibling is refused, where uml_moo destroys what the sibling shows', () => {
    const [theirs, ours] = [preparedAlone(), preparedAlone()]
    for (const scene of [theirs, ours]) copyFileSync(scene.cow, path.join(scene.directory, 'sibling'))
    expect(run(umlMoo, ['-d', 'cow'], theirs.directory).status).toBe(0)
    keepsUntouched(ours.cow, ours.backing, path.join(ours.directory, 'sibling'))
    const outcome = umlcow(['moo', '-d', 'cow'], { cwd: ours.directory })
    expect(outcome.status).toBe(1)
    expect(outcome.stderr).toMatch(/is the backing file of .*sibling too/)
    expect(namesIn(ours.directory)).toEqual(namesIn(theirs.directory))
  })

  it('-d while somebody has a file open is refused, where uml_moo merges', async () => {
    for (const file of ['cow', 'backing'] as const) {
      const [theirs, ours] = [preparedAlone(), preparedAlone()]
      await holdOpen(theirs[file], 'r')
      expect(run(umlMoo, ['-d', 'cow'], theirs.directory).status).toBe(0)
      const pid = await holdOpen(ours[file], 'r')
      const outcome = umlcow(['moo', '-d', 'cow'], { cwd: ours.directory })
      expect(outcome.status).toBe(1)
      expect(outcome.stderr).toContain(`is in use by process ${pid}`)
      expect(readFileSync(ours.backing).equals(ours.backingBytes)).toBe(true)
    }
  })

  it('-d into a backing file that is a COW file is refused, where uml_moo damages it', () => {
    const layered = () => {
      const scene = preparedAlone()
      const top = path.join(scene.directory, 'top')
      setMtime(scene.cow)
      const sectors = new Map([[0, Buffer.alloc(512, 'top')]])
      writeOverlay(top, { virtualSize: statSync(scene.cow).size, backing: 'cow', sectors })
      return scene
    }
    const [theirs, ours] = [layered(), layered()]
    expect(run(umlMoo, ['-d', 'top'], theirs.directory).status).toBe(0)
    expect(readFileSync(theirs.cow, 'latin1').startsWith('toptop')).toBe(true)
    keepsUntouched(ours.cow, ours.backing)
    const outcome = umlcow(['moo', '-d', 'top'], { cwd: ours.directory })
    expect(outcome.status).toBe(1)
    expect(outcome.stderr).toContain('is itself a COW file')
  })

  it('a failure in the middle of -d can be finished, where uml_moo leaves half a merge', () => {
    const limited = (program: string) => {
      const directory = temporaryDirectory()
      const pair = unpackPair('ext4', directory)
      // A block of ulimit has 512 or 1024 bytes, so this is half a megabyte or one; both programs fail at the limit.
      const outcome = run('/bin/sh', ['-c', `ulimit -f 1024; ${program} -d -b root_fs cow`], directory)
      expect(outcome.status).not.toBe(0)
      return { directory, outcome, pair }
    }
    const theirs = limited(umlMoo)
    expect(namesIn(theirs.directory)).toEqual(['cow', 'root_fs'])
    expect([theirs.pair.backing.sha256, theirs.pair.overlays[0]?.guestSha256]).not.toContain(
      sha256(path.join(theirs.directory, 'root_fs')),
    )
    const ours = limited(`"${process.execPath}" "${commandPath}" moo`)
    const cow = path.join(ours.directory, 'cow')
    expect(ours.outcome.stderr).toContain('the merge is not finished')
    expect(ours.outcome.stderr).toContain(`umlcow: try: umlcow merge --resume ${cow}\n`)
    expect(umlcow(['merge', '--resume', cow]).status).toBe(0)
    expect(sha256(path.join(ours.directory, 'root_fs'))).toBe(ours.pair.overlays[0]?.guestSha256)
    expect(sha256(cow)).toBe(ours.pair.overlays[0]?.sha256)
    expect(namesIn(ours.directory)).toEqual(['cow', 'root_fs'])
  })

  it.runIf(canBeOtherUser())('-d into a file of another owner is refused, where uml_moo merges', () => {
    for (const program of ['theirs', 'ours'] as const) {
      const scene = preparedAlone()
      chmodSync(scene.directory, 0o777)
      chmodSync(scene.backing, 0o666)
      const line = program === 'theirs' ? [umlMoo] : [process.execPath, commandPath, 'moo']
      const [command = '', ...args] = [...line, '-d', 'cow']
      const done = spawnSync(command, args, { ...otherUser, cwd: scene.directory, encoding: 'utf8' })
      expect(done.status, done.stderr).toBe(program === 'theirs' ? 0 : 1)
      if (program === 'ours') expect(done.stderr).toContain('only its owner or root may set its modification time')
    }
  })

  it('-d without a file prints usage, where uml_moo crashes', () => {
    const scene = prepared()
    expect(run(umlMoo, ['-d'], scene.directory).status).not.toBe(1)
    expect(umlcow(['moo', '-d'], { cwd: scene.directory })).toMatchObject({ status: 1, signal: null })
  })

  it('a truncated overlay fails and leaves the old output as it was', () => {
    const [theirs, ours] = [prepared(), prepared()]
    for (const scene of [theirs, ours]) truncateSync(scene.cow, 20_000)
    const before = contentOf(ours.directory)
    expect(run(umlMoo, ['cow', 'old'], theirs.directory).status).toBe(1)
    expect(umlcow(['moo', 'cow', 'old'], { cwd: ours.directory }).status).toBe(1)
    expect(contentOf(ours.directory)).toEqual(before)
    expect(readFileSync(path.join(theirs.directory, 'old')).length).not.toBe(1_000_000)
  })
})
