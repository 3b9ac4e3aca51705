import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { umlcow } from '../support/command.js'
import { fakePrograms } from '../support/fake-programs.js'
import { canMount, mountTmpfs } from '../support/mounts.js'
import { hasBytes, makeSparsePair, mergedBytes, type SparsePair, storedSize } from '../support/sparse-pair.js'
import {
  allocatedBytes,
  expectPlainFailure,
  keepsUnwritten,
  makeScene,
  namesIn,
  startUmlcow,
  waitUntil,
} from './scene.js'

afterEach(() => vi.unstubAllEnvs())

/** Neither of the two helpers works. */
const noHelpers = { cp: 'exit 1', filefrag: 'exit 1' }

function expectMerged(pair: SparsePair, args: string[]): { copier: string; verified: string | null } {
  keepsUnwritten(pair.cow, pair.backing)
  const outcome = umlcow(['merge', '--json', '--no-sync', ...args, pair.cow, pair.target])
  expect(outcome).toMatchObject({ status: 0, stderr: '' })
  expect(hasBytes(pair.target, mergedBytes(pair))).toBe(true)
  expect(namesIn(pair.directory)).toEqual(['cow', 'merged', 'root_fs'])
  return JSON.parse(outcome.stdout)
}

describe('the backing file is copied', () => {
  it('by reading where the helpers fail', () => {
    fakePrograms(noHelpers)
    expect(expectMerged(makeSparsePair(), ['--verify'])).toMatchObject({
      copier: expect.stringMatching(/^(reflink|read)$/),
      verified: expect.stringMatching(/^(disk|cache)$/),
    })
    const pair = makeSparsePair()
    expect(expectMerged(pair, ['--sparse=always'])).toMatchObject({ copier: 'read', verified: null })
    expect(storedSize(pair.target)).toBeLessThan(4 * 2 ** 20)
  })

  it('by a cp that leaves the mess of a try behind, and then by reading', () => {
    fakePrograms({ ...noHelpers, cp: 'head -c 5000000 /dev/urandom > /proc/self/fd/4; exit 1' })
    const pair = makeSparsePair()
    expect(['reflink', 'read']).toContain(expectMerged(pair, []).copier)
    expect(allocatedBytes(pair.target)).toBeLessThan(4 * 2 ** 20)
  })

  it.each(['cp', 'extents'])('by the one way that is asked for, or not at all: %s', (copier) => {
    fakePrograms(noHelpers)
    const pair = makeSparsePair()
    keepsUnwritten(pair.cow, pair.backing)
    const outcome = umlcow(['merge', '--json', `--copier=${copier}`, pair.cow, pair.target])
    expectPlainFailure(outcome, 1)
    expect(JSON.parse(outcome.stdout).error).toMatchObject({ code: 'COPIER_UNAVAILABLE' })
    expect(outcome.stderr).toContain(`--copier=${copier} does not work`)
    expect(namesIn(pair.directory)).toEqual(['cow', 'root_fs'])
  })

  it.each(['cp', 'extents'])('with every byte stored or no zeros stored, %s cannot do it', (copier) => {
    const pair = makeSparsePair()
    for (const sparse of copier === 'cp' ? ['always', 'never'] : ['never']) {
      expectPlainFailure(umlcow(['merge', `--copier=${copier}`, `--sparse=${sparse}`, pair.cow, pair.target]), 1)
    }
    expect(namesIn(pair.directory)).toEqual(['cow', 'root_fs'])
  })

  it('a filefrag that lies is found out by --verify', () => {
    const size = makeSparsePair().virtualSize
    const listing = `Filesystem type is: ef53\nFile size of /proc/self/fd/3 is ${size} (${size} blocks of 1 bytes)\n/proc/self/fd/3: 0 extents found`
    fakePrograms({ ...noHelpers, filefrag: `cat <<'END'\n${listing}\nEND` })
    const pair = makeSparsePair()
    keepsUnwritten(pair.cow, pair.backing)
    const outcome = umlcow(['merge', '--json', '--copier=extents', '--verify', pair.cow, pair.target])
    expectPlainFailure(outcome, 1)
    expect(JSON.parse(outcome.stdout).error).toMatchObject({ code: 'VERIFY_FAILED' })
    expect(namesIn(pair.directory)).toEqual(['cow', 'root_fs'])
  })

  it.each([
    ['cp', '--copier=cp'],
    ['filefrag', '--copier=extents'],
  ])('is stopped while %s hangs: it goes, and nothing is left', async (name, option) => {
    const programs = fakePrograms({ [name]: 'echo $$ > "$0.new"; mv "$0.new" "$0.pid"; exec sleep 600' })
    const pidFile = path.join(programs, `${name}.pid`)
    const pair = makeSparsePair()
    keepsUnwritten(pair.cow, pair.backing)
    const running = startUmlcow(['merge', option, pair.cow, pair.target])
    await waitUntil(() => existsSync(pidFile), `${name} to start`)
    running.child.kill('SIGINT')
    expect(await running.ended).toMatchObject({ status: 130, signal: null })
    expect(running.stderr()).toMatch(/^umlcow: stopped/)
    expect(namesIn(pair.directory)).toEqual(['cow', 'root_fs'])
    const pid = Number(readFileSync(pidFile, 'utf8'))
    await waitUntil(() => !existsSync(`/proc/${pid}`), `${name} to end`)
  })

  it.skipIf(!existsSync('/usr/bin/setpriv')).each([
    ['cp', ['merge', '--copier=cp', 'cow', 'new']],
    ['filefrag', ['merge', '--copier=extents', 'cow', 'new']],
    ['mkfs.ext4', ['create', '--fs=ext4', 'new', '1M']],
  ])('by no %s that goes on after kill -9 of umlcow', async (name, args) => {
    const programs = fakePrograms({ [name]: 'echo $$ > "$0.new"; mv "$0.new" "$0.pid"; exec sleep 60' })
    const pidFile = path.join(programs, `${name}.pid`)
    const running = startUmlcow(args, { cwd: makeSparsePair().directory })
    await waitUntil(() => existsSync(pidFile), `${name} to start`)
    running.child.kill('SIGKILL')
    await running.ended
    const pid = Number(readFileSync(pidFile, 'utf8'))
    await waitUntil(() => !existsSync(`/proc/${pid}`), `${name} to end`)
  })

  it('progress of every way ends at the whole', () => {
    for (const copier of ['cp', 'read']) {
      const pair = makeSparsePair()
      const outcome = umlcow(['merge', '--progress=json', '--no-sync', `--copier=${copier}`, pair.cow, pair.target])
      expect(outcome.status).toBe(0)
      const lines = outcome.stderr
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
      expect(lines.at(-1)).toMatchObject({
        transferred: pair.virtualSize,
        size: pair.virtualSize,
        description: 'merge',
      })
    }
  })
})

describe('a full disk', () => {
  function expectCode(pair: SparsePair, args: string[], code: string): void {
    const outcome = umlcow(['merge', '--json', ...args])
    expectPlainFailure(outcome, 1)
    expect(JSON.parse(outcome.stdout).error).toMatchObject({ code })
    expect(namesIn(pair.directory)).toEqual(['cow', 'root_fs'])
  }

  it('that cp finds is ENOSPC, not a cp that is no use', () => {
    fakePrograms({ cp: 'echo "cp: error writing \'/proc/self/fd/4\': No space left on device" >&2; exit 1' })
    const pair = makeSparsePair()
    expectCode(pair, ['--copier=cp', pair.cow, pair.target], 'ENOSPC')
    expect(expectMerged(pair, ['--sparse=auto']).copier).toMatch(/^(reflink|extents|read)$/)
  })

  it.skipIf(!canMount())('is ENOSPC in every way of copying', () => {
    const pair = makeSparsePair()
    const target = path.join(mountTmpfs(2 ** 20), 'new')
    for (const copier of ['cp', 'read']) expectCode(pair, [`--copier=${copier}`, pair.cow, target], 'ENOSPC')
    const listing = `Filesystem type is: ef53\nFile size of /proc/self/fd/3 is ${pair.virtualSize} (${pair.virtualSize} blocks of 1 bytes)\n ext: \n 0: 0..${pair.virtualSize - 1}: 0..0: ${pair.virtualSize}: last\n/proc/self/fd/3: 1 extent found`
    fakePrograms({ filefrag: `cat <<'END'\n${listing}\nEND` })
    expectCode(pair, ['--copier=extents', pair.cow, target], 'ENOSPC')
    expect(namesIn(path.dirname(target))).toEqual([])
  })
})

describe('--buffer', () => {
  it.each(['4K', '4096', '64K', '1M', '16M'])('%s gives the same bytes, in a new file and in place', (size) => {
    const scene = makeScene()
    expect(umlcow(['merge', `--buffer=${size}`, scene.cow, scene.target])).toMatchObject({ status: 0, stderr: '' })
    expect(readFileSync(scene.target).equals(scene.merged)).toBe(true)
    expect(umlcow(['merge', '-d', `--buffer=${size}`, scene.cow])).toMatchObject({ status: 0, stderr: '' })
    expect(readFileSync(scene.backing).equals(scene.merged)).toBe(true)
  })

  it.each(['0', '1', '512', '4095', '4097', '6000', '17M', '1G', '1P', '-4096', '4096.5', '1e6', 'x', ''])(
    '%j is wrong usage',
    (size) => {
      const scene = makeScene()
      for (const place of [[scene.target], ['-d']]) {
        const outcome = umlcow(['merge', `--buffer=${size}`, scene.cow, ...place])
        expectPlainFailure(outcome, 64)
        expect(outcome.stdout).toBe('')
      }
      expect(namesIn(scene.directory)).toEqual(['cow', 'root_fs'])
    },
  )
})

describe('wrong usage', () => {
  it.each<[args: string[], says: RegExp]>([
    [['-d', '--copier=cp'], /a merge in place does not support --copier/],
    [['-d', '--copier=auto'], /a merge in place does not support --copier/],
    [['-d', '--sparse=always'], /a merge in place does not support --sparse/],
    [['-d', '--sparse=auto'], /a merge in place does not support --sparse/],
    [['--resume', '--copier=cp'], /merge --resume does not support --copier/],
    [['--resume', '--sparse=never'], /merge --resume does not support --sparse/],
    [['--resume', '--buffer=4K'], /merge --resume does not support --buffer/],
    [['merged', '--copier=dd'], /Allowed choices are auto, reflink, cp, extents, read/],
    [['merged', '--sparse=sometimes'], /Allowed choices are auto, always, never/],
    [['-', '--verify'], /cannot read standard output back/],
  ])('%j', (args, says) => {
    const scene = makeScene()
    const outcome = umlcow(['merge', 'cow', ...args], { cwd: scene.directory })
    expectPlainFailure(outcome, 64)
    expect(outcome.stderr).toMatch(says)
    expect(outcome.stdout).toBe('')
    expect(namesIn(scene.directory)).toEqual(['cow', 'root_fs'])
    expect(readFileSync(scene.backing).equals(scene.backingBytes)).toBe(true)
  })

  it('the same where the target is the backing file by name', () => {
    const scene = makeScene()
    for (const option of ['--copier=read', '--sparse=never']) {
      expectPlainFailure(umlcow(['merge', option, scene.cow, scene.backing]), 64)
    }
    expect(readFileSync(scene.backing).equals(scene.backingBytes)).toBe(true)
  })
})

it('a way that only makes files is no way to a pipe', () => {
  const scene = makeScene()
  for (const copier of ['reflink', 'cp']) {
    const outcome = umlcow(['merge', `--copier=${copier}`, scene.cow, '-'])
    expectPlainFailure(outcome, 1)
    expect(outcome.stdout).toBe('')
  }
  expect(umlcow(['merge', '--copier=read', scene.cow, '-'])).toMatchObject({ status: 0, stdout: `${scene.merged}` })
})

it('what comes of the options is in the hint to use a file beside the overlay', () => {
  const scene = makeScene({ header: '/nowhere/root_fs' })
  const outcome = umlcow(['merge', '--sparse=always', '--verify', scene.cow, scene.target])
  expectPlainFailure(outcome, 1)
  expect(outcome.stderr).toContain('umlcow merge --sparse=always --verify -b ')
})
