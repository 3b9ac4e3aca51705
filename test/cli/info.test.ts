import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
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
  makeScene,
  pairMtime,
  sectorText,
  setMtime,
  shell,
  writeOverlay,
} from './scene.js'

/** What terminals obey: everything below a blank but the newline, DEL, and the controls from 0x80 on. */
const control = /[^\P{Cc}\n]/u

interface Info {
  readonly [key: string]: unknown
  readonly 'format-specific': { readonly type: string; readonly data: Record<string, unknown> }
}

function infoOf(args: readonly string[], options: { cwd?: string; input?: Uint8Array } = {}): Info {
  const outcome = umlcow(['info', '--json', ...args], options)
  expect(outcome).toMatchObject({ status: 0, stderr: '' })
  return JSON.parse(outcome.stdout)
}

function stateOf(...args: string[]): unknown {
  return infoOf(args)['format-specific'].data['backing-state']
}

describe('info of the fixtures', () => {
  it.each(listPairs().map((pair) => pair.kind))('%s', (kind) => {
    const pair = unpackPair(kind, temporaryDirectory())
    pair.paths.overlays.forEach((cow, i) => {
      const about = pair.overlays[i]
      keepsUntouched(cow, pair.paths.backing)
      const allocated = allocatedBytes(cow)
      const document = infoOf(['-b', pair.paths.backing, cow])
      expect(document).toMatchObject({
        'virtual-size': pair.backing.size,
        filename: cow,
        format: 'cow',
        'actual-size': allocated,
        'dirty-flag': false,
        'cluster-size': about?.header?.sectorSize ?? 512,
        'backing-filename': '/srv/uml/root_fs',
        'full-backing-filename': pair.paths.backing,
        'backing-filename-format': 'raw',
        'format-specific': {
          type: 'cow',
          data: {
            version: about?.header?.version ?? 3,
            layout: about?.header?.padded64 ? 'padded64' : 'packed',
            'backing-mtime': pairMtime,
            'file-size': about?.size,
            'sectors-present': about?.sectorsAllocated,
            'bytes-present': (about?.sectorsAllocated ?? 0) * (about?.header?.sectorSize ?? 512),
            'backing-state': 'ok',
            'in-use-by': [],
            'unfinished-rewrite': false,
          },
        },
      })
      const { header } = about ?? {}
      if (header === undefined) return
      expect(document['format-specific'].data).toMatchObject({
        'header-size': header.headerLength,
        'bitmap-offset': header.bitmapOffset,
        'bitmap-length': header.bitmapLength,
        'data-offset': header.dataOffset,
        sectorsize: header.sectorSize,
      })
    })
  })

  it('in text', () => {
    const { paths } = unpackPair('v3', temporaryDirectory())
    const { status, stdout } = umlcow(['info', '-b', paths.backing, paths.overlays[0] as string])
    expect(status).toBe(0)
    expect(stdout).toContain(`image: ${paths.overlays[0]}\nfile format: cow\nvirtual size: 96 KiB (98304 bytes)\n`)
    expect(stdout).toContain('backing file: /srv/uml/root_fs\n')
    expect(stdout).toContain('backing file mtime: 1714564800 (2024-05-01T12:00:00Z)\n')
    expect(stdout).toContain('backing file state: ok\n')
    expect(stdout).toContain('allocated: 27 of 192 sectors (13.5 KiB)\n')
    expect(stdout).toContain('bitmap: 24 bytes at offset 8192\n')
  })
})

describe('info of several files', () => {
  it('is an array in JSON, in the order given; one file is an object', () => {
    const { cow, backing } = makeScene()
    const outcome = umlcow(['info', '--json', cow, backing, cow])
    expect(outcome.status).toBe(0)
    expect(JSON.parse(outcome.stdout).map((one: Info) => one['format'])).toEqual(['cow', 'raw', 'cow'])
    const allocated = allocatedBytes(backing)
    expect(infoOf([backing])).toEqual({
      'virtual-size': 601 * 512,
      filename: backing,
      format: 'raw',
      'actual-size': allocated,
      'dirty-flag': false,
    })
  })

  it('fails when one of them cannot be read', () => {
    const { cow, directory } = makeScene()
    expectPlainFailure(umlcow(['info', cow, path.join(directory, 'missing')]), 1)
  })
})

describe('info from standard input', () => {
  it('reads a header, and no more is needed', () => {
    const { cow, virtualSize, backing } = makeScene()
    for (const input of [readFileSync(cow), readFileSync(cow).subarray(0, 4136), readFileSync(cow).subarray(0, 4128)]) {
      const document = infoOf(['-'], { input })
      expect(document).toMatchObject({ 'virtual-size': virtualSize, format: 'cow', 'backing-filename': backing })
      expect(document['format-specific'].data).toMatchObject({
        'sectors-present': null,
        'backing-state': null,
        'in-use-by': null,
        'data-offset': dataOffsetOf(virtualSize),
      })
    }
    expect(umlcow(['info', '-'], { input: readFileSync(cow) }).stdout).toContain('file format: cow\n')
  })

  it.each<[string, Uint8Array]>([
    ['nothing', Buffer.alloc(0)],
    ['three bytes', Buffer.from('OOO')],
    ['text', Buffer.from('garbage\n')],
    ['a megabyte of zeros', Buffer.alloc(2 ** 20)],
  ])('is status 63 for %s', (_what, input) => {
    const outcome = umlcow(['info', '-'], { input })
    expectPlainFailure(outcome, 63)
    expect(outcome.stdout).toBe('')
    expect(outcome.stderr).toContain('standard input: not a COW file')
  })

  it.each([4, 8, 31, 32, 4127])('is a damaged header when it ends after %i bytes', (length) => {
    const { cow } = makeScene()
    const outcome = umlcow(['info', '-'], { input: readFileSync(cow).subarray(0, length) })
    expectPlainFailure(outcome, 1)
    expect(outcome.stdout).toBe('')
    expect(outcome.stderr).toContain('ends inside its header')
  })
})

describe('what info looks at', () => {
  it('--fast: neither bitmap nor processes', () => {
    const { cow } = makeScene()
    expect(infoOf(['--fast', cow])['format-specific'].data).toMatchObject({
      'sectors-present': null,
      'bytes-present': null,
      'in-use-by': null,
      'in-use': null,
      'backing-state': 'ok',
    })
    expect(umlcow(['info', '--fast', cow]).stdout).not.toMatch(/allocated:|in use:/)
  })

  it('--no-backing: not the backing file', () => {
    const { cow, backing } = makeScene()
    const document = infoOf(['--no-backing', cow])
    expect(document).not.toHaveProperty('full-backing-filename')
    expect(document['backing-filename']).toBe(backing)
    expect(document['format-specific'].data).toMatchObject({ 'backing-state': null, 'sectors-present': 12 })
  })

  it('--backing-chain: an array, top first', () => {
    const scene = makeScene()
    const top = path.join(scene.directory, 'top')
    writeOverlay(top, { virtualSize: scene.virtualSize, backing: scene.cow })
    const outcome = umlcow(['info', '--json', '--backing-chain', '--chain', top])
    expect(outcome.status).toBe(0)
    const chain: Info[] = JSON.parse(outcome.stdout)
    expect(chain.map((one) => [one['filename'], one['format']])).toEqual([
      [top, 'cow'],
      [scene.cow, 'cow'],
      [scene.backing, 'raw'],
    ])
    expect(JSON.parse(umlcow(['info', '--json', '--backing-chain', scene.backing]).stdout)).toHaveLength(1)
  })

  it('--backing-chain: refuses a circle', () => {
    const { cow, directory, virtualSize } = makeScene()
    const other = path.join(directory, 'other')
    writeOverlay(cow, { virtualSize, backing: other })
    writeOverlay(other, { virtualSize, backing: cow })
    const outcome = umlcow(['info', '--backing-chain', cow])
    expectPlainFailure(outcome, 1)
    expect(outcome.stderr).toContain('circle')
  })

  it('who has the file open', async () => {
    const { cow } = makeScene()
    const pid = await holdOpen(cow)
    expect(infoOf([cow])['format-specific'].data).toMatchObject({
      'in-use-by': [pid],
      'in-use': [{ pid, access: 'write', seen: 'open' }],
    })
    expect(umlcow(['info', cow]).stdout).toContain(`in use: process ${pid} (open for writing)`)
  })

  it('who only reads it', async () => {
    const { cow } = makeScene()
    const pid = await holdOpen(cow, 'r')
    expect(infoOf([cow])['format-specific'].data['in-use']).toEqual([{ pid, access: 'read', seen: 'open' }])
  })
})

describe('the state of the backing file', () => {
  it('missing, with a file beside the overlay that fits: the command it gives works, from wherever it is run', () => {
    const directory = path.join(temporaryDirectory(), "it's a copy")
    mkdirSync(directory)
    const { cow, backing } = makeScene({ directory, header: '/srv/gone/root_fs' })
    const document = infoOf([cow])
    expect(document).not.toHaveProperty('full-backing-filename')
    expect(document['format-specific'].data).toMatchObject({ 'backing-state': 'missing', 'backing-lookalike': backing })

    const above = path.dirname(directory)
    const text = umlcow(['info', path.relative(above, cow)], { cwd: above }).stdout
    const command = /to use it: (umlcow rebase .*)\n/.exec(text)?.[1] ?? ''
    expect(shell(command, above)).toMatchObject({ status: 0 })
    expect(stateOf(cow)).toBe('ok')
  })

  it('missing, with nothing that fits', () => {
    const { cow, backing } = makeScene({ header: '/srv/gone/root_fs' })
    setMtime(backing, pairMtime + 1)
    expect(infoOf([cow])['format-specific'].data).not.toHaveProperty('backing-lookalike')
    expect(stateOf(cow)).toBe('missing')
  })

  it('mtime: whole seconds count', () => {
    const { cow, backing } = makeScene()
    utimesSync(backing, pairMtime + 0.75, pairMtime + 0.75)
    expect(stateOf(cow)).toBe('ok')
    setMtime(backing, pairMtime + 1)
    expect(stateOf(cow)).toBe('mtime')
    expect(umlcow(['info', cow]).stdout).toContain(
      `expected ${pairMtime} (2024-05-01T12:00:00Z), got ${pairMtime + 1} (2024-05-01T12:00:01Z)`,
    )
  })

  it('size, said before the mtime', () => {
    const { cow, backing } = makeScene()
    truncateSync(backing, 1000)
    expect(stateOf(cow)).toBe('size')
  })

  it('self, kind', () => {
    const { cow, directory } = makeScene()
    expect(stateOf('-b', cow, cow)).toBe('self')
    expect(stateOf('-b', directory, cow)).toBe('kind')
    expect(stateOf('-b', '/dev/null', cow)).toBe('kind')
  })

  it('ambiguous: beside the overlay and in the current directory, and not the same', () => {
    const { cow, directory, backing } = makeScene({ header: 'root_fs' })
    const elsewhere = temporaryDirectory()
    const look = (cwd: string) => infoOf([cow], { cwd })['format-specific'].data['backing-state']
    expect(look(elsewhere)).toBe('ok')
    expect(look(directory)).toBe('ok')
    symlinkSync(backing, path.join(elsewhere, 'root_fs'))
    expect(look(elsewhere)).toBe('ok')
    const third = temporaryDirectory()
    copyFileSync(backing, path.join(third, 'root_fs'))
    expect(look(third)).toBe('ambiguous')
  })

  it('inside --backing-root', () => {
    const jail = temporaryDirectory()
    mkdirSync(path.join(jail, 'images'))
    const { cow, backing } = makeScene({ directory: path.join(jail, 'images'), header: '/images/root_fs' })
    expect(stateOf(cow)).toBe('missing')
    expect(infoOf(['--backing-root', jail, cow])).toMatchObject({ 'full-backing-filename': backing })
    expect(stateOf('--backing-root', jail, cow)).toBe('ok')
  })
})

describe('paths that are no plain text', () => {
  it('are escaped in text and in JSON, and found all the same', () => {
    const { directory, cow, backing, virtualSize } = makeScene()
    const name = Buffer.from([0x1b, 0x5b, 0x33, 0x31, 0x6d, 0xff, 0xfe, 0x0a, 0x78])
    const odd = Buffer.concat([Buffer.from(`${directory}/`), name])
    writeFileSync(odd, readFileSync(backing))
    utimesSync(odd, pairMtime, pairMtime)
    writeOverlay(cow, { virtualSize, backing: odd })

    const text = umlcow(['info', cow])
    expect(text.status).toBe(0)
    expect(text.stdout).not.toMatch(control)
    expect(text.stdout).toContain(`backing file: ${directory}/\\x1b[31m\\xff\\xfe\\x0ax\n`)
    expect(text.stdout).toContain('backing file state: ok\n')

    const json = umlcow(['info', '--json', cow])
    expect(json.stdout).not.toMatch(control)
    const document: Info = JSON.parse(json.stdout)
    expect(document['backing-filename']).toBe(`${directory}/\\x1b[31m\\xff\\xfe\\x0ax`)
    expect(document['format-specific'].data).toMatchObject({
      'backing-state': 'ok',
      'backing-filename-base64': odd.toString('base64'),
    })
  })

  it('are exact in JSON when they are UTF-8, without a raw control character in the output', () => {
    const { cow, virtualSize } = makeScene()
    const backing = '/srv/\u009b31m\x07\u202egnp.\u200bexe\n\x7fé😀'
    writeOverlay(cow, { virtualSize, backing })
    const json = umlcow(['info', '--json', cow]).stdout
    expect(json).not.toMatch(control)
    expect(json).not.toMatch(/[\u202e\u200b]/)
    expect(JSON.parse(json)['backing-filename']).toBe(backing)
    expect(JSON.parse(json)['format-specific'].data).not.toHaveProperty('backing-filename-base64')
    const text = umlcow(['info', cow]).stdout
    expect(text).not.toMatch(control)
    expect(text).toContain('backing file: /srv/\\x9b31m\\x07\\u{202e}gnp.\\u{200b}exe\\x0a\\x7fé😀\n')
  })

  it('are escaped when they are the name of the overlay', () => {
    const { directory, cow } = makeScene()
    const odd = path.join(directory, '\x1b]0;title\x07\u009b\n')
    copyFileSync(cow, odd)
    expect(umlcow(['info', odd]).stdout).not.toMatch(control)
    expect(infoOf([odd])['filename']).toBe(odd)
    const missing = umlcow(['info', '--json', `${odd}2`])
    expect(missing.stderr + missing.stdout).not.toMatch(control)
    expectPlainFailure(missing, 1)
  })
})

describe('what is no overlay', () => {
  it('a file without the magic is a raw image', () => {
    const directory = temporaryDirectory()
    for (const [name, bytes] of [
      ['empty', ''],
      ['short', 'OOO'],
      ['text', 'nothing'],
    ] as const) {
      writeFileSync(path.join(directory, name), bytes)
      expect(infoOf([path.join(directory, name)])).toMatchObject({ format: 'raw', 'virtual-size': bytes.length })
    }
    expect(umlcow(['info', path.join(directory, 'text')]).stdout).toContain('file format: raw\nvirtual size: 7 B')
  })

  it.each([
    ['BAD_VERSION--4.cow', 'expected version 1, 2 or 3, got 4'],
    ['SHORT_HEADER--v3-cut-in-path.cow', 'ends inside its header'],
    ['BAD_SECTOR_SIZE--v3-0.cow', 'sector size'],
    ['BAD_ALIGNMENT--v3-0.cow', 'alignment'],
    ['BAD_COW_FORMAT--v3-7.cow', 'cow format'],
    ['BAD_BACKING_PATH--v3-no-nul.cow', 'has no end'],
    ['BAD_VIRTUAL_SIZE--v3-2-to-63.cow', 'virtual size'],
    ['BAD_BYTE_ORDER--both.cow', 'byte order'],
  ])('a damaged header fails: %s', (name, says) => {
    const outcome = umlcow(['info', path.join(root, 'fixtures/invalid', name)])
    expectPlainFailure(outcome, 1)
    expect(outcome.stdout).toBe('')
    expect(outcome.stderr).toContain(says)
    const json = umlcow(['info', '--json', path.join(root, 'fixtures/invalid', name)])
    expect(JSON.parse(json.stdout).error.code).toBe(name.split('--')[0])
  })

  it('a FIFO, a device and a directory fail at once', () => {
    const directory = temporaryDirectory()
    const fifo = path.join(directory, 'fifo')
    expect(spawnSync('mkfifo', [fifo]).status).toBe(0)
    for (const [file, says] of [
      [fifo, 'neither a regular file nor a block device'],
      ['/dev/null', 'neither a regular file nor a block device'],
      [directory, 'is a directory'],
    ] as const) {
      const outcome = umlcow(['info', file])
      expectPlainFailure(outcome, 1)
      expect(outcome.stderr).toContain(says)
    }
  })

  it('a FIFO named in a header is not opened', () => {
    const { cow, directory, virtualSize } = makeScene()
    const fifo = path.join(directory, 'fifo')
    expect(spawnSync('mkfifo', [fifo]).status).toBe(0)
    writeOverlay(cow, { virtualSize, backing: fifo })
    expect(stateOf(cow)).toBe('kind')
    expect(umlcow(['info', '--backing-chain', cow])).toMatchObject({ status: 1, signal: null })
  })
})

describe('a large overlay', () => {
  it('of 1 TiB is read in little time and memory', () => {
    const cow = path.join(temporaryDirectory(), 'cow')
    const virtualSize = 2 ** 40
    const sectors = new Map([0, 1000, 2 ** 31 - 1].map((sector) => [sector, sectorText('overlay', sector)]))
    writeOverlay(cow, { virtualSize, backing: '/srv/uml/root_fs', sectors })
    expect(allocatedBytes(cow)).toBeLessThan(2 ** 20)

    const code = `
      const { main } = await import(process.argv[1])
      process.exitCode = await main(['node', 'umlcow', 'info', '--json', process.argv[2]])
      const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage()
      console.error(JSON.stringify([maxRSS, userCPUTime + systemCPUTime]))`
    const args = ['--input-type=module', '-e', code, path.join(root, 'dist/cli/main.js'), cow]
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 600_000 })
    expect(status).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      'virtual-size': virtualSize,
      'format-specific': { data: { sectors: 2 ** 31, 'sectors-present': 3, 'bitmap-length': 2 ** 28 } },
    })
    const [peak, time] = JSON.parse(stderr)
    expect(peak, 'KiB').toBeGreaterThan(0)
    expect(peak, 'KiB').toBeLessThan(150 * 1024)
    expect(time, 'microseconds').toBeLessThan(20e6)
  })
})
