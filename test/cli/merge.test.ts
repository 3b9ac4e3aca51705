import {
  copyFileSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { listPairs, unpackPair } from '../../fixtures/unpack.js'
import { umlcow } from '../support/command.js'
import { root, temporaryDirectory } from '../support/paths.js'
import {
  allocatedBytes,
  dataOffsetOf,
  expectPlainFailure,
  holdOpen,
  keepsUntouched,
  makeLongScene,
  makeScene,
  namesIn,
  pairMtime,
  runWith,
  sectorText,
  setMtime,
  sha256,
  sha256Of,
  shell,
  writeHole,
  writeOverlay,
} from './scene.js'

describe('merge into a new file', () => {
  it.each(listPairs().map((pair) => pair.kind))('%s', (kind) => {
    const directory = temporaryDirectory()
    const pair = unpackPair(kind, directory)
    keepsUntouched(pair.paths.backing, ...pair.paths.overlays)
    pair.paths.overlays.forEach((cow, i) => {
      const about = pair.overlays[i]
      const target = path.join(directory, `merged${i}`)
      expect(umlcow(['merge', '-b', pair.paths.backing, cow, target]).status).toBe(0)
      expect(sha256(target)).toBe(about?.guestSha256 ?? about?.mergedSha256)
      expect(statSync(target).size).toBe(pair.backing.size)
    })
  })

  it('says what it did in a line, in JSON, or not at all', () => {
    const scene = makeScene()
    keepsUntouched(scene.cow, scene.backing)
    const text = umlcow(['merge', scene.cow, scene.target])
    expect(text).toEqual({
      status: 0,
      signal: null,
      stdout: `${scene.target}: 300.5 KiB, 6 KiB of them from ${scene.cow}\n`,
      stderr: '',
    })
    expect(readFileSync(scene.target).equals(scene.merged)).toBe(true)

    const other = path.join(scene.directory, 'other')
    const json = umlcow(['merge', '--json', scene.cow, other])
    expect(json).toMatchObject({ status: 0, stderr: '' })
    expect(JSON.parse(json.stdout)).toEqual({
      overlay: scene.cow,
      'backing-filename': scene.backing,
      filename: other,
      format: 'raw',
      'virtual-size': scene.virtualSize,
      'sectors-from-overlay': 12,
      'bytes-from-overlay': 12 * 512,
      'dry-run': false,
      // The file system of the temporary directory decides.
      copier: expect.stringMatching(/^(reflink|read)$/),
      verified: null,
      warnings: [],
    })
    const third = path.join(scene.directory, 'third')
    expect(umlcow(['merge', '-q', '--no-sync', scene.cow, third])).toMatchObject({ status: 0, stdout: '', stderr: '' })
    expect(readFileSync(third).equals(scene.merged)).toBe(true)
    expect(namesIn(scene.directory)).toEqual(['cow', 'merged', 'other', 'root_fs', 'third'])
  })

  it('is readable for whom both inputs are', () => {
    const modeAfter = (cowMode: number, backingMode: number) => {
      const scene = makeScene()
      writeFileSync(scene.cow, readFileSync(scene.cow))
      for (const [file, mode] of [
        [scene.cow, cowMode],
        [scene.backing, backingMode],
      ] as const) {
        shell(`chmod ${mode.toString(8)} ${path.basename(file)}`, scene.directory)
      }
      expect(shell('umask 022; umlcow merge -q cow merged', scene.directory).status).toBe(0)
      return statSync(scene.target).mode & 0o7777
    }
    expect(modeAfter(0o644, 0o644)).toBe(0o644)
    expect(modeAfter(0o600, 0o644)).toBe(0o600)
    expect(modeAfter(0o644, 0o640)).toBe(0o640)
    expect(modeAfter(0o755, 0o444)).toBe(0o644)
  })

  it('warns of a sector size that the kernel misreads', () => {
    const directory = temporaryDirectory()
    const { paths } = unpackPair('v3-sector4096', directory)
    const outcome = umlcow(['merge', '-b', paths.backing, paths.overlays[0] as string, path.join(directory, 'merged')])
    expect(outcome.status).toBe(0)
    expect(outcome.stderr).toMatch(/^umlcow: warning: .*sector size is 4096; the kernel takes it for 512/)
  })

  it('of nothing is nothing', () => {
    const directory = temporaryDirectory()
    writeHole(path.join(directory, 'root_fs'), 0)
    writeOverlay(path.join(directory, 'cow'), { virtualSize: 0, backing: 'root_fs' })
    expect(umlcow(['merge', 'cow', 'merged'], { cwd: directory }).status).toBe(0)
    expect(statSync(path.join(directory, 'merged')).size).toBe(0)
  })
})

describe('merge to standard output', () => {
  it('writes the image and nothing else', () => {
    const scene = makeScene()
    keepsUntouched(scene.cow, scene.backing)
    const outcome = shell(`umlcow merge cow - > ${path.basename(scene.target)}`, scene.directory)
    expect(outcome).toMatchObject({ status: 0, stderr: '' })
    expect(readFileSync(scene.target).equals(scene.merged)).toBe(true)
    expect(shell('umlcow merge cow - | cat', scene.directory).stdout).toBe(scene.merged.toString())
  })

  it('of each kernel-made pair through a pipe', () => {
    const directory = temporaryDirectory()
    const pair = unpackPair('ext4', directory)
    const outcome = shell('umlcow merge -b root_fs cow - | sha256sum', directory)
    expect(outcome).toMatchObject({ status: 0, stderr: '' })
    expect(outcome.stdout.slice(0, 64)).toBe(pair.overlays[0]?.guestSha256)
  })

  it('fails for a full disk', () => {
    const scene = makeScene()
    keepsUntouched(scene.cow, scene.backing)
    const outcome = shell('umlcow merge cow - > /dev/full', scene.directory)
    expectPlainFailure(outcome, 1)
    expect(outcome.stderr).toContain('standard output: cannot write: ENOSPC')
  })

  it('fails when the reader closes early', () => {
    const scene = makeLongScene(2 ** 30)
    const outcome = shell('{ umlcow merge cow -; echo $? >&2; } | head -c 10', scene.directory)
    expect(outcome.stdout).toBe('\0'.repeat(10))
    expect(outcome.stderr).toMatch(/^umlcow: .*EPIPE.*\n1\n$/)
  })

  it.runIf(process.platform === 'linux')('fails plainly where a file may not grow', () => {
    const scene = makeScene()
    keepsUntouched(scene.cow, scene.backing)
    const outcome = shell('ulimit -f 16; umlcow merge cow merged', scene.directory)
    expectPlainFailure(outcome, 1)
    expect(outcome.stderr).toContain('merged: cannot')
    expect(namesIn(scene.directory)).toEqual(['cow', 'root_fs'])
  })
})

describe('the backing file', () => {
  it('of another mtime is refused with both dates, unless --force=mtime', () => {
    const scene = makeScene()
    setMtime(scene.backing, pairMtime + 3600)
    keepsUntouched(scene.cow, scene.backing)
    for (const target of [scene.target, '-']) {
      const outcome = umlcow(['merge', scene.cow, target])
      expectPlainFailure(outcome, 4)
      expect(outcome.stdout).toBe('')
      expect(outcome.stderr).toContain('expected 1714564800 (2024-05-01T12:00:00Z)')
      expect(outcome.stderr).toContain('got 1714568400 (2024-05-01T13:00:00Z)')
      expect(outcome.stderr).toContain('--force=mtime')
    }
    expect(namesIn(scene.directory)).toEqual(['cow', 'root_fs'])
    expectPlainFailure(umlcow(['merge', '--force=size,in-use', scene.cow, scene.target]), 4)
    expect(umlcow(['merge', '--force=mtime', scene.cow, scene.target]).status).toBe(0)
    expect(readFileSync(scene.target).equals(scene.merged)).toBe(true)
  })

  it('fits by whole seconds', () => {
    const scene = makeScene()
    utimesSync(scene.backing, pairMtime + 0.999, pairMtime + 0.999)
    expect(umlcow(['merge', scene.cow, scene.target]).status).toBe(0)
  })

  it('of another size is refused, unless --force=size: what is missing reads as zeros, what is too much is left out', () => {
    const scene = makeScene()
    for (const size of [100_000, 400_000]) {
      truncateSync(scene.backing, size)
      setMtime(scene.backing)
      const refused = umlcow(['merge', scene.cow, scene.target])
      expectPlainFailure(refused, 4)
      expect(refused.stderr).toContain(`expected 307712, got ${size}`)
      expect(umlcow(['merge', '--overwrite', '--force=size', scene.cow, scene.target]).status).toBe(0)
      const expected = Buffer.from(scene.merged)
      for (let at = 100_000; at < expected.length; at++) {
        if (!scene.sectors.has(Math.floor(at / 512))) expected[at] = 0
      }
      expect(readFileSync(scene.target).equals(expected)).toBe(true)
      rmSync(scene.target)
    }
  })

  it('of another size and mtime: all is said at once, and both have to be forced', () => {
    const scene = makeScene()
    truncateSync(scene.backing, 1000)
    const outcome = umlcow(['merge', scene.cow, scene.target])
    expectPlainFailure(outcome, 4)
    expect(outcome.stderr).toMatch(/its size is not .*\n.*its modification time is not /)
    expectPlainFailure(umlcow(['merge', '--force=size', scene.cow, scene.target]), 4)
    expectPlainFailure(umlcow(['merge', '--force=mtime', scene.cow, scene.target]), 4)
    expect(umlcow(['merge', '--force=size', '--force=mtime', scene.cow, scene.target]).status).toBe(0)
    expect(umlcow(['merge', '--overwrite', '--force=size,mtime', scene.cow, scene.target]).status).toBe(0)
  })

  it('missing, with one beside the overlay that fits: the command it tells is the one that works', () => {
    const directory = path.join(temporaryDirectory(), "two words, an ' and $HOME")
    mkdirSync(directory)
    const scene = makeScene({ directory, header: '/srv/gone/root_fs' })
    keepsUntouched(scene.cow, scene.backing)
    const outcome = umlcow(['merge', scene.cow, scene.target])
    expectPlainFailure(outcome, 1)
    expect(namesIn(directory)).toEqual(['cow', 'root_fs'])
    const command = /^umlcow: try: (umlcow merge .*)$/m.exec(outcome.stderr)?.[1] ?? ''
    expect(shell(command, temporaryDirectory())).toMatchObject({ status: 0, stderr: '' })
    expect(readFileSync(scene.target).equals(scene.merged)).toBe(true)
  })

  it('missing: the command keeps the options given, and works for a name that looks like one', () => {
    const scene = makeScene({ header: '/srv/gone/root_fs' })
    const directory = scene.directory
    expect(shell('mv cow ./-cow', directory).status).toBe(0)
    writeFileSync(scene.target, 'old')
    const outcome = umlcow(['merge', '--overwrite', '--', '-cow', 'merged'], { cwd: directory })
    expectPlainFailure(outcome, 1)
    const command = /^umlcow: try: (umlcow merge .*)$/m.exec(outcome.stderr)?.[1] ?? ''
    expect(shell(command, directory)).toMatchObject({ status: 0, stderr: '' })
    expect(readFileSync(scene.target).equals(scene.merged)).toBe(true)
  })

  it('missing, with nothing that fits beside it: no command', () => {
    const scene = makeScene({ header: '/srv/gone/root_fs' })
    setMtime(scene.backing, 5)
    const outcome = umlcow(['merge', scene.cow, scene.target])
    expectPlainFailure(outcome, 1)
    expect(outcome.stderr).toBe(
      `umlcow: ${scene.cow}: its backing file "/srv/gone/root_fs" does not exist\numlcow: -b FILE says where it is now\n`,
    )
  })

  it('given with -b counts, whatever the header says', () => {
    const scene = makeScene()
    const other = path.join(scene.directory, 'other')
    writeHole(other, scene.virtualSize)
    expect(umlcow(['merge', '-b', other, scene.cow, scene.target]).status).toBe(0)
    expect(readFileSync(scene.target).subarray(512, 1024).equals(Buffer.alloc(512))).toBe(true)
    const missing = umlcow(['merge', '-b', 'missing', scene.cow, path.join(scene.directory, 'x')])
    expectPlainFailure(missing, 1)
    expect(missing.stderr).toContain('"missing" does not exist')
  })

  it('by a relative path in the header: beside the overlay or in the current directory, not two different files', () => {
    const scene = makeScene({ header: 'root_fs' })
    const elsewhere = temporaryDirectory()
    expect(umlcow(['merge', scene.cow, scene.target], { cwd: elsewhere }).status).toBe(0)
    copyFileSync(scene.backing, path.join(elsewhere, 'root_fs'))
    const outcome = umlcow(['merge', '--overwrite', scene.cow, scene.target], { cwd: elsewhere })
    expectPlainFailure(outcome, 4)
    expect(outcome.stderr).toContain('-b')
    const onlyHere = path.join(elsewhere, 'sub')
    mkdirSync(onlyHere)
    copyFileSync(scene.cow, path.join(onlyHere, 'cow'))
    setMtime(path.join(elsewhere, 'root_fs'))
    expect(umlcow(['merge', 'sub/cow', 'merged'], { cwd: elsewhere }).status).toBe(0)
  })

  it('inside --backing-root: links and .. stay inside', () => {
    const jail = temporaryDirectory()
    const images = path.join(jail, 'srv')
    mkdirSync(images)
    const scene = makeScene({ directory: images, header: '/../links/to' })
    mkdirSync(path.join(jail, 'links'))
    symlinkSync('/srv/root_fs', path.join(jail, 'links', 'to'))
    expectPlainFailure(umlcow(['merge', scene.cow, scene.target]), 1)
    expect(umlcow(['merge', '--backing-root', jail, scene.cow, scene.target]).status).toBe(0)
    expect(readFileSync(scene.target).equals(scene.merged)).toBe(true)
  })

  it('that is an overlay is refused without --chain, also by magic alone', () => {
    const scene = makeScene()
    const top = path.join(scene.directory, 'top')
    setMtime(scene.cow)
    const size = statSync(scene.cow).size
    writeOverlay(top, { virtualSize: size, backing: scene.cow })
    const outcome = umlcow(['merge', top, scene.target])
    expectPlainFailure(outcome, 4)
    expect(outcome.stderr).toContain('--chain')
    writeOverlay(top, {
      virtualSize: scene.virtualSize,
      backing: scene.cow,
      sectors: new Map([[1, sectorText('top', 1)]]),
    })
    expect(umlcow(['merge', '--chain', top, scene.target]).status).toBe(0)
    const expected = Buffer.from(scene.merged)
    sectorText('top', 1).copy(expected, 512)
    expect(readFileSync(scene.target).equals(expected)).toBe(true)
  })

  it('that is the overlay itself, a directory or a device is refused', () => {
    const scene = makeScene()
    keepsUntouched(scene.cow, scene.backing)
    for (const backing of [scene.cow, scene.directory, '/dev/null']) {
      expectPlainFailure(umlcow(['merge', '-b', backing, scene.cow, scene.target]), 4)
    }
    expect(namesIn(scene.directory)).toEqual(['cow', 'root_fs'])
  })
})

describe('the overlay', () => {
  it('in use is refused with the process, unless --force=in-use', async () => {
    const scene = makeScene()
    const pid = await holdOpen(scene.cow)
    keepsUntouched(scene.cow, scene.backing)
    const outcome = umlcow(['merge', scene.cow, scene.target])
    expectPlainFailure(outcome, 4)
    expect(outcome.stderr).toContain(`${scene.cow}: is open for writing by process ${pid}`)
    expect(outcome.stderr).toContain('--force=in-use')
    expect(namesIn(scene.directory)).toEqual(['cow', 'root_fs'])
    expect(umlcow(['merge', '--force=in-use', scene.cow, scene.target]).status).toBe(0)
    expect(readFileSync(scene.target).equals(scene.merged)).toBe(true)
  })

  it('is refused while a process writes its backing file; readers are no reason', async () => {
    const scene = makeScene()
    const pid = await holdOpen(scene.backing)
    expect(umlcow(['merge', scene.cow, scene.target]).stderr).toContain(
      `${scene.backing}: is open for writing by process ${pid}`,
    )
    const other = makeScene()
    await holdOpen(other.cow, 'r')
    await holdOpen(other.backing, 'r')
    expect(umlcow(['merge', other.cow, other.target]).status).toBe(0)
  })

  it('cut short fails and leaves nothing, unless --allow-short reads zeros there', () => {
    const scene = makeScene()
    truncateSync(scene.cow, dataOffsetOf(scene.virtualSize) + 8 * 512 + 100)
    keepsUntouched(scene.cow, scene.backing)
    for (const target of [scene.target, '-']) {
      const outcome = umlcow(['merge', scene.cow, target])
      expectPlainFailure(outcome, 1)
      expect(outcome.stdout).toBe('')
      expect(outcome.stderr).toContain('--allow-short')
    }
    expect(namesIn(scene.directory)).toEqual(['cow', 'root_fs'])
    expect(umlcow(['merge', '--allow-short', scene.cow, scene.target]).status).toBe(0)
    const expected = Buffer.from(scene.merged)
    expected.fill(0, 8 * 512 + 100, 10 * 512)
    for (const sector of scene.sectors.keys()) if (sector > 9) expected.fill(0, sector * 512, sector * 512 + 512)
    expect(readFileSync(scene.target).equals(expected)).toBe(true)
  })

  it('that is no COW file is status 63; one with a damaged header fails', () => {
    const scene = makeScene()
    keepsUntouched(scene.backing)
    expectPlainFailure(umlcow(['merge', scene.backing, scene.target]), 63)
    for (const name of ['BAD_VERSION--0.cow', 'SHORT_HEADER--magic-only.cow', 'BAD_ALIGNMENT--v3-0.cow']) {
      expectPlainFailure(umlcow(['merge', path.join(root, 'fixtures/invalid', name), scene.target]), 1)
    }
    expectPlainFailure(umlcow(['merge', 'missing', scene.target], { cwd: scene.directory }), 1)
    expectPlainFailure(umlcow(['merge', scene.directory, scene.target]), 1)
    expect(namesIn(scene.directory)).toEqual(['cow', 'root_fs'])
  })
})

describe('--sparse', () => {
  it('always, the default: zeros of either layer are holes; never: every byte is stored', () => {
    const directory = temporaryDirectory()
    const virtualSize = 8 * 2 ** 20
    const backing = path.join(directory, 'root_fs')
    writeFileSync(backing, Buffer.alloc(virtualSize))
    setMtime(backing)
    const sectors = new Map<number, Buffer | null>([[16, sectorText('overlay', 16)]])
    for (let sector = 4096; sector < 8192; sector++) sectors.set(sector, Buffer.alloc(512))
    writeOverlay(path.join(directory, 'cow'), { virtualSize, backing, sectors })
    const expected = Buffer.alloc(virtualSize)
    sectorText('overlay', 16).copy(expected, 16 * 512)
    for (const [args, name] of [
      [[], 'default'],
      [['--sparse=always'], 'always'],
      [['--sparse', 'never'], 'never'],
    ] as const) {
      expect(umlcow(['merge', ...args, 'cow', name], { cwd: directory }).status).toBe(0)
      expect(sha256(path.join(directory, name))).toBe(sha256Of(expected))
    }
    expect(allocatedBytes(path.join(directory, 'default'))).toBeLessThanOrEqual(64 * 1024)
    expect(allocatedBytes(path.join(directory, 'always'))).toBeLessThanOrEqual(64 * 1024)
    expect(allocatedBytes(path.join(directory, 'never'))).toBeGreaterThanOrEqual(virtualSize)
  })
})

describe('--dry-run', () => {
  it('writes nothing, tells what would be, and refuses what would be refused', () => {
    const scene = makeScene()
    keepsUntouched(scene.cow, scene.backing)
    expect(umlcow(['merge', '--dry-run', scene.cow, scene.target])).toMatchObject({
      status: 0,
      stdout: `${scene.target}: would be 300.5 KiB, 6 KiB of them from ${scene.cow}\n`,
      stderr: '',
    })
    const json = umlcow(['merge', '-n', '--json', scene.cow, scene.target])
    expect(JSON.parse(json.stdout)).toMatchObject({ 'dry-run': true, 'sectors-from-overlay': 12 })
    expect(umlcow(['merge', '-n', scene.cow, '-'])).toMatchObject({ status: 0, stdout: '' })
    expectPlainFailure(umlcow(['merge', '-n', '-b', scene.backing, scene.cow, scene.cow]), 4)
    expectPlainFailure(umlcow(['merge', '-n', '-b', scene.cow, scene.cow, scene.target]), 4)
    expect(namesIn(scene.directory)).toEqual(['cow', 'root_fs'])
    writeFileSync(scene.target, 'old')
    keepsUntouched(scene.target)
    expectPlainFailure(umlcow(['merge', '-n', scene.cow, scene.target]), 4)
    expect(umlcow(['merge', '-n', '--overwrite', scene.cow, scene.target]).status).toBe(0)
  })
})

describe('a place that cannot be written', () => {
  it('a missing directory', () => {
    const scene = makeScene()
    keepsUntouched(scene.cow, scene.backing)
    const outcome = umlcow(['merge', scene.cow, path.join(scene.directory, 'missing', 'merged')])
    expectPlainFailure(outcome, 1)
    expect(outcome.stderr).toContain('missing/merged: cannot create: ENOENT')
    expect(namesIn(scene.directory)).toEqual(['cow', 'root_fs'])
  })

  it.runIf(process.getuid?.() !== 0)('a directory that may not be written', () => {
    const scene = makeScene()
    keepsUntouched(scene.cow, scene.backing)
    const locked = path.join(scene.directory, 'locked')
    mkdirSync(locked, { mode: 0o555 })
    const outcome = umlcow(['merge', scene.cow, path.join(locked, 'merged')])
    expectPlainFailure(outcome, 1)
    expect(outcome.stderr).toContain('merged: cannot create: EACCES')
    expect(namesIn(locked)).toEqual([])
  })

  it.runIf(process.getuid?.() !== 0)('inputs that may not be read', () => {
    const scene = makeScene()
    expect(shell('chmod 0 root_fs', scene.directory).status).toBe(0)
    const outcome = umlcow(['merge', scene.cow, scene.target])
    expectPlainFailure(outcome, 1)
    expect(outcome.stderr).toContain(`${scene.backing}: cannot open: EACCES`)
    expect(namesIn(scene.directory)).toEqual(['cow', 'root_fs'])
  })

  it('inputs that may only be read are enough', () => {
    const scene = makeScene()
    expect(shell('chmod 444 root_fs cow', scene.directory).status).toBe(0)
    expect(runWith(['ignore', 'pipe', 'pipe'], ['merge', scene.cow, scene.target]).status).toBe(0)
  })
})
