import { spawnSync } from 'node:child_process'
import {
  copyFileSync,
  linkSync,
  mkdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parseCowHeader } from '../../src/formats/cow/index.js'
import { type HostFiles, localHostFiles } from '../../src/machine/host-files.js'
import {
  type BackingInspection,
  type BackingOptions,
  dateText,
  inspectBacking,
} from '../../src/overlays/inspect-backing.js'
import { openOverlay } from '../../src/overlays/open-overlay.js'
import { type GeneratedPair, type GenerateOptions, generatePair, writePair } from '../support/generate.js'
import { hookedFiles } from '../support/hooked-files.js'
import { temporaryDirectory } from '../support/paths.js'

interface Scene {
  readonly directory: string
  readonly pair: GeneratedPair
  readonly overlayPath: string
  readonly backingPath: string
}

/** A pair whose header has the absolute path of its backing file, or the one given. */
function scene(options: GenerateOptions = {}): Scene {
  const pair = generatePair(21, { layout: 'v3', virtualSize: 40 * 512, sectorSize: 512, ...options })
  const directory = temporaryDirectory()
  const headerPath = options.headerPath === undefined ? 'absolute' : 'relative'
  return { directory, pair, ...writePair(pair, directory, { headerPath }) }
}

async function inspect(
  overlayPath: string,
  options?: BackingOptions,
  files: HostFiles = localHostFiles,
): Promise<BackingInspection> {
  const overlay = await openOverlay(localHostFiles, overlayPath)
  await overlay.store.close()
  return inspectBacking(files, overlay, options)
}

function codes(inspection: BackingInspection): string[] {
  return inspection.findings.map(({ code }) => code)
}

describe('inspectBacking', () => {
  test('finds nothing wrong with a pair', async () => {
    const { overlayPath, backingPath } = scene()
    const { located, findings, lookalike, wanted } = await inspect(overlayPath)
    expect(findings).toEqual([])
    expect(located?.path.toString()).toBe(backingPath)
    expect(lookalike).toBeNull()
    expect(wanted.toString()).toBe(backingPath)
  })

  test('looks and does not open', async () => {
    const { overlayPath } = scene()
    const calls: string[] = []
    await inspect(
      overlayPath,
      {},
      hookedFiles((call) => void calls.push(call)),
    )
    // Neither the backing file nor the marker of a merge, which is not there.
    expect(calls.filter((call) => call.startsWith('open '))).toEqual([])
    expect(calls).not.toEqual([])
  })

  test('BACKING_MISSING, by the name that was wanted', async () => {
    const { overlayPath, backingPath } = scene()
    rmSync(backingPath)
    const { located, findings, lookalike } = await inspect(overlayPath)
    expect(located).toBeNull()
    expect(lookalike).toBeNull()
    expect(findings).toEqual([
      { code: 'BACKING_MISSING', message: `${overlayPath}: its backing file "${backingPath}" does not exist` },
    ])
    expect(codes(await inspect(overlayPath, { backing: `${backingPath}.not` }))).toEqual(['BACKING_MISSING'])
    expect(codes(await inspect(overlayPath, { backing: `${overlayPath}/through/a/file` }))).toEqual(['BACKING_MISSING'])
  })

  test('BACKING_MISSING, where the header names nothing', async () => {
    const { overlayPath, pair } = scene({ layout: 'v2' })
    const bytes = Buffer.from(pair.overlayBytes)
    bytes.fill(0, 8, 20)
    writeFileSync(overlayPath, bytes)
    expect((await inspect(overlayPath)).findings).toEqual([
      { code: 'BACKING_MISSING', message: `${overlayPath}: its header names no backing file` },
    ])
  })

  test('BACKING_SIZE and BACKING_MTIME, each with the word that overrides it, both at once', async () => {
    const { overlayPath, backingPath, pair } = scene()
    truncateSync(backingPath, pair.virtualSize + 1)
    utimesSync(backingPath, pair.mtime, pair.mtime)
    const bySize = await inspect(overlayPath)
    expect(bySize.findings).toMatchObject([{ code: 'BACKING_SIZE', force: 'size' }])
    expect(bySize.findings[0]?.message).toContain(`expected ${pair.virtualSize}, got ${pair.virtualSize + 1}`)
    utimesSync(backingPath, pair.mtime, pair.mtime + 1)
    const byBoth = await inspect(overlayPath)
    expect(byBoth.findings.map(({ force }) => force)).toEqual(['size', 'mtime'])
    // No hint that the content may be the same: with another size it is not.
    expect(byBoth.findings.map(({ hint }) => hint)).toEqual([undefined, undefined])
    truncateSync(backingPath, pair.virtualSize)
    for (const [mtime, expected] of [
      [pair.mtime - 1, ['BACKING_MTIME']],
      [pair.mtime - 0.001, ['BACKING_MTIME']],
      [pair.mtime, []],
      [pair.mtime + 0.999, []],
      [pair.mtime + 1, ['BACKING_MTIME']],
    ] as const) {
      utimesSync(backingPath, mtime, mtime)
      expect(codes(await inspect(overlayPath)), `${mtime - pair.mtime} s`).toEqual(expected)
    }
  })

  test('BACKING_KIND, for a directory, a FIFO and a character device, none of which is opened', async () => {
    const { overlayPath, directory } = scene()
    const fifo = path.join(directory, 'fifo')
    expect(spawnSync('mkfifo', [fifo]).status).toBe(0)
    symlinkSync('fifo', path.join(directory, 'link'))
    for (const backing of [directory, fifo, path.join(directory, 'link'), '/dev/zero']) {
      const { findings, located } = await inspect(overlayPath, { backing })
      expect(findings.map(({ code, force }) => [code, force])).toEqual([['BACKING_KIND', undefined]])
      expect(located?.path.toString()).toBe(backing)
      const chained = await inspect(overlayPath, { backing, chain: true })
      expect(codes(chained)).toEqual(['BACKING_KIND'])
    }
  })

  test('BACKING_SELF, by whatever name', async () => {
    const { overlayPath, directory } = scene({ headerPath: './cow' })
    expect(codes(await inspect(overlayPath))).toEqual(['BACKING_SELF'])
    linkSync(overlayPath, path.join(directory, 'hard'))
    symlinkSync('cow', path.join(directory, 'soft'))
    for (const name of ['cow', 'hard', 'soft']) {
      expect(codes(await inspect(overlayPath, { backing: path.join(directory, name) }))).toEqual(['BACKING_SELF'])
    }
  })

  test('BACKING_AMBIGUOUS', async () => {
    const { overlayPath, directory } = scene({ headerPath: 'root_fs' })
    const before = process.cwd()
    onTestFinished(() => process.chdir(before))
    mkdirSync(path.join(directory, 'here'))
    writeFileSync(path.join(directory, 'here/root_fs'), 'another')
    process.chdir(path.join(directory, 'here'))
    const { findings, located } = await inspect(overlayPath)
    expect(located).toBeNull()
    expect(findings).toMatchObject([{ code: 'BACKING_AMBIGUOUS', hint: 'say which one with -b' }])
    expect(codes(await inspect(overlayPath, { backing: '../root_fs' }))).toEqual([])
    expect(codes(await inspect(overlayPath, { relativeTo: 'currentDirectory' }))).toContain('BACKING_SIZE')
  })

  test('BACKING_OUTSIDE_ROOT', async () => {
    const { overlayPath, directory } = scene({ headerPath: '/loop' })
    symlinkSync('/loop', path.join(directory, 'loop'))
    const { findings, located } = await inspect(overlayPath, { backingRoot: directory })
    expect(located).toBeNull()
    expect(findings).toMatchObject([{ code: 'BACKING_OUTSIDE_ROOT' }])
  })

  test('the system\u2019s own code, where the backing file cannot be looked at', async () => {
    const { overlayPath, directory } = scene({ headerPath: 'loop' })
    symlinkSync('loop', path.join(directory, 'loop'))
    const { findings, located } = await inspect(overlayPath)
    expect(located).toBeNull()
    expect(findings).toMatchObject([
      { code: 'ELOOP', message: expect.stringContaining('loop: cannot look at it: ELOOP') },
    ])
  })

  test('a given file instead of the header\u2019s, whatever that is', async () => {
    const { overlayPath, backingPath, directory, pair } = scene()
    const copy = path.join(directory, 'copy')
    copyFileSync(backingPath, copy)
    utimesSync(copy, pair.mtime, pair.mtime)
    rmSync(backingPath)
    const { findings, located, wanted } = await inspect(overlayPath, { backing: copy })
    expect(findings).toEqual([])
    expect(located?.path.toString()).toBe(copy)
    expect(wanted).toBe(copy)
  })

  test('of a chain counts the virtual size of the overlay below', async () => {
    const middle = scene()
    const top = generatePair(22, { layout: 'v3', virtualSize: middle.pair.virtualSize, sectorSize: 512 })
    const overlayPath = path.join(middle.directory, 'top')
    writeFileSync(overlayPath, top.overlayBytes)
    utimesSync(middle.overlayPath, top.mtime, top.mtime)
    expect(codes(await inspect(overlayPath, { backing: middle.overlayPath, chain: true }))).toEqual([])
    expect(codes(await inspect(overlayPath, { backing: middle.overlayPath }))).toEqual(['BACKING_SIZE'])
    // Plain data below is plain data with or without.
    expect(codes(await inspect(middle.overlayPath, { chain: true }))).toEqual([])
  })
})

describe('a lookalike', () => {
  /** A header that names /srv/elsewhere/root_fs, with root_fs beside the overlay. */
  const moved = () => scene({ headerPath: '/srv/elsewhere/that is not there/root_fs' })

  test('beside the overlay is offered: same name, size and time', async () => {
    const { overlayPath, backingPath } = moved()
    const { located, lookalike, findings } = await inspect(overlayPath)
    expect(located).toBeNull()
    expect(findings.map(({ code }) => code)).toEqual(['BACKING_MISSING'])
    expect(lookalike?.toString()).toBe(backingPath)
  })

  test.each([
    [
      'another size',
      ({ backingPath, pair }: Scene) => {
        truncateSync(backingPath, pair.virtualSize - 1)
        utimesSync(backingPath, pair.mtime, pair.mtime)
      },
    ],
    ['another time', ({ backingPath, pair }: Scene) => utimesSync(backingPath, pair.mtime, pair.mtime + 1)],
    [
      'another name',
      ({ backingPath, directory }: Scene) => {
        copyFileSync(backingPath, path.join(directory, 'root_fs2'))
        rmSync(backingPath)
      },
    ],
    [
      'another kind',
      ({ backingPath }: Scene) => {
        rmSync(backingPath)
        mkdirSync(backingPath)
      },
    ],
    [
      'no reach',
      ({ backingPath }: Scene) => {
        rmSync(backingPath)
        symlinkSync('root_fs', backingPath)
      },
    ],
  ])('is none with %s', async (_what, spoil) => {
    const here = moved()
    spoil(here)
    expect((await inspect(here.overlayPath)).lookalike).toBeNull()
  })

  test('is not looked for when another file was asked for', async () => {
    const { overlayPath } = moved()
    expect((await inspect(overlayPath, { backing: '/srv/no such file' })).lookalike).toBeNull()
  })

  test('is never the overlay itself', async () => {
    const { overlayPath, pair, directory } = scene({ headerPath: '/srv/none/cow' })
    truncateSync(overlayPath, pair.virtualSize + 20_000)
    utimesSync(overlayPath, pair.mtime, pair.mtime)
    expect((await inspect(overlayPath)).lookalike).toBeNull()
    const header = parseCowHeader(pair.overlayBytes)
    const facts = await localHostFiles.stat(overlayPath)
    const likeItself = { path: path.join(directory, 'cow'), facts, header: { ...header, virtualSize: facts.size } }
    expect((await inspectBacking(localHostFiles, likeItself)).lookalike).toBeNull()
  })
})

test.each([
  [0, '1970-01-01T00:00:00Z'],
  [1_714_564_800, '2024-05-01T12:00:00Z'],
  [2 ** 32 - 1, '2106-02-07T06:28:15Z'],
  [-1, '1969-12-31T23:59:59Z'],
  [1e15, 'no date'],
])('%d s is %s', (seconds, text) => {
  expect(dateText(seconds)).toBe(text)
})
