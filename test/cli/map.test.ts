import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { unpackPair } from '../../fixtures/unpack.js'
import { umlcow } from '../support/command.js'
import { HandExt } from '../support/ext-by-hand.js'
import { root, temporaryDirectory } from '../support/paths.js'
import {
  dataOffsetOf,
  expectPlainFailure,
  keepsUntouched,
  makeScene,
  namesIn,
  pairMtime,
  type Scene,
  sectorText,
  setMtime,
  writeHole,
  writeOverlay,
} from './scene.js'

interface MapExtent {
  readonly start: number
  readonly length: number
  readonly depth: number
  readonly present: boolean
  readonly zero: boolean
  readonly data: boolean
  readonly offset?: number
}

/** One of each way to lay out an overlay. */
const kinds = [
  'cluster',
  'odd',
  'trim',
  'v1-little',
  'v1-odd',
  'v2',
  'v3-padded64',
  'v3-align3',
  'v3-partial-sector',
  'v3-sector4096',
]

function mapOf(...args: string[]): MapExtent[] {
  const outcome = umlcow(['map', '--json', ...args])
  expect(outcome).toMatchObject({ status: 0, stderr: '' })
  return JSON.parse(outcome.stdout)
}

/** Each extent starts where the one before ends, and none could be longer. */
function expectTiles(extents: readonly MapExtent[], start: number, end: number): void {
  let at = start
  let previous: MapExtent | null = null
  for (const extent of extents) {
    expect(extent.start).toBe(at)
    expect(extent.length).toBeGreaterThan(0)
    const sameState = previous?.depth === extent.depth && previous.zero === extent.zero
    expect(sameState && previous?.offset === (extent.offset ?? 0) - (previous?.length ?? 0)).toBe(false)
    at += extent.length
    previous = extent
  }
  expect(at).toBe(end)
}

/** The layer of each byte of a scene's guest, 0 or 1, sector by sector. */
function depthOf(scene: Scene, offset: number): number {
  return scene.sectors.has(Math.floor(offset / 512)) ? 0 : 1
}

function expectDepths(scene: Scene, extents: readonly MapExtent[]): void {
  const dataOffset = dataOffsetOf(scene.virtualSize)
  for (const { start, length, depth, offset } of extents) {
    for (let at = start; at < start + length; at += 512) expect(depthOf(scene, at)).toBe(depth)
    expect(offset).toBe(depth === 0 ? dataOffset + start : start)
  }
}

describe('map --json', () => {
  it('is an array of extents with the keys of qemu-img map, one a line', () => {
    const scene = makeScene()
    keepsUntouched(scene.cow, scene.backing)
    const { stdout } = umlcow(['map', '--json', scene.cow])
    const extents: MapExtent[] = JSON.parse(stdout)
    expect(stdout.trimEnd().split('\n')).toHaveLength(extents.length)
    expect(extents[0]).toEqual({
      start: 0,
      length: 512,
      depth: 0,
      present: true,
      zero: false,
      data: true,
      offset: dataOffsetOf(scene.virtualSize),
    })
    expect(extents[1]).toEqual({
      start: 512,
      length: 4 * 512,
      depth: 1,
      present: true,
      zero: false,
      data: true,
      offset: 512,
    })
    expectTiles(extents, 0, scene.virtualSize)
    expectDepths(scene, extents)
    expect(umlcow(['map', '--output=json', scene.cow]).stdout).toBe(stdout)
  })

  it.each(kinds)('tiles %s, and depth 0 is what is allocated', (kind) => {
    const pair = unpackPair(kind, temporaryDirectory())
    pair.paths.overlays.forEach((cow, i) => {
      const extents = mapOf('-b', pair.paths.backing, cow)
      expectTiles(extents, 0, pair.backing.size)
      const about = pair.overlays[i]
      const sectorSize = about?.header?.sectorSize ?? 512
      const top = extents.filter((extent) => extent.depth === 0)
      const sectors = top.reduce((sum, { length }) => sum + Math.ceil(length / sectorSize), 0)
      expect(sectors).toBe(about?.sectorsAllocated)
      const dataOffset = about?.header?.dataOffset
      if (dataOffset !== undefined) for (const { start, offset } of top) expect(offset).toBe(dataOffset + start)
    })
  })

  it.each<[string, number, number, number]>([
    ['0', 0, 1, 1],
    ['1', 1, 511, 512],
    ['700', 700, 1, 701],
    ['511', 511, 2, 513],
    ['2559', 2559, 3000, 5559],
    ['16K', 16384, 100_000, 116_384],
    ['307711', 307_711, 1, 307_712],
    ['300000', 300_000, 1_000_000, 307_712],
  ])('clips to --start-offset %s exactly', (text, start, length, end) => {
    const scene = makeScene()
    const extents = mapOf('--start-offset', text, `--max-length=${length}`, scene.cow)
    expectTiles(extents, start, end)
    for (const extent of extents) {
      expect(extent.depth).toBe(depthOf(scene, extent.start))
      const base = extent.depth === 0 ? dataOffsetOf(scene.virtualSize) : 0
      expect(extent.offset).toBe(base + extent.start)
    }
  })

  it('is an empty array where nothing is asked for', () => {
    const { cow } = makeScene()
    expect(mapOf('--start-offset=307712', cow)).toEqual([])
    expect(mapOf('--max-length=0', cow)).toEqual([])
    const beyond = umlcow(['map', '--start-offset=307713', cow])
    expectPlainFailure(beyond, 1)
    expect(beyond.stderr).toContain('307713')
  })

  it('--detect-zeroes tells zeros of both layers by 4 KiB blocks', () => {
    const directory = temporaryDirectory()
    const [cow, backing] = [path.join(directory, 'cow'), path.join(directory, 'root_fs')]
    writeFileSync(backing, Buffer.concat([Buffer.alloc(16384, 'x'), Buffer.alloc(16384), Buffer.alloc(8192, 'y')]))
    setMtime(backing)
    const sectors = new Map<number, Buffer | null>()
    for (let sector = 8; sector < 24; sector++) sectors.set(sector, sector < 16 ? null : sectorText('overlay', sector))
    writeOverlay(cow, { virtualSize: 40_960, backing, sectors })
    const extents = mapOf('--detect-zeroes', cow)
    expect(extents.map(({ start, length, depth, zero }) => [start, length, depth, zero])).toEqual([
      [0, 4096, 1, false],
      [4096, 4096, 0, true],
      [8192, 4096, 0, false],
      [12_288, 4096, 1, false],
      [16_384, 16_384, 1, true],
      [32_768, 8192, 1, false],
    ])
    expect(mapOf(cow).map(({ start, length, depth, zero }) => [start, length, depth, zero])).toEqual([
      [0, 4096, 1, false],
      [4096, 8192, 0, false],
      [12_288, 28_672, 1, false],
    ])
  })

  it('of a raw file is one extent, or none', () => {
    const { backing, directory } = makeScene()
    expect(mapOf(backing)).toEqual([
      { start: 0, length: 307_712, depth: 0, present: true, zero: false, data: true, offset: 0 },
    ])
    const empty = path.join(directory, 'empty')
    writeFileSync(empty, '')
    expect(mapOf(empty)).toEqual([])
    expect(mapOf('--start-offset=512', '--max-length=3', backing)).toEqual([
      { start: 512, length: 3, depth: 0, present: true, zero: false, data: true, offset: 512 },
    ])
  })

  it('--chain counts depth through all layers', () => {
    const scene = makeScene()
    const top = path.join(scene.directory, 'top')
    const cowMtime = 1_700_000_000
    setMtime(scene.cow, cowMtime)
    const sectors = new Map([[1, sectorText('top', 1)]])
    writeOverlay(top, { virtualSize: scene.virtualSize, backing: scene.cow, mtime: cowMtime, sectors })
    const extents = mapOf('--chain', top)
    expectTiles(extents, 0, scene.virtualSize)
    expect(extents.slice(0, 3).map(({ start, depth }) => [start, depth])).toEqual([
      [0, 1],
      [512, 0],
      [1024, 2],
    ])
  })
})

describe('map in text', () => {
  it('is the table of qemu-img map, data only', () => {
    const { cow, backing } = makeScene()
    const { status, stdout } = umlcow(['map', '--max-length=3K', cow])
    expect(status).toBe(0)
    const dataOffset = dataOffsetOf(307_712)
    expect(stdout.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
      ['Offset', 'Length', 'Mapped to', 'File'],
      ['0', '0x200', `0x${dataOffset.toString(16)}`, cow],
      ['0x200', '0x800', '0x200', backing],
      ['0xa00', '0x200', `0x${(dataOffset + 0xa00).toString(16)}`, cow],
      [''],
    ])
  })

  it('escapes names', () => {
    const { cow, virtualSize } = makeScene()
    writeOverlay(cow, { virtualSize, backing: '/srv/\x1b[2J' })
    const { stdout } = umlcow(['map', '--no-backing', cow])
    expect(stdout).toContain('/srv/\\x1b[2J\n')
    expect(stdout).not.toContain('\x1b')
  })
})

describe('map as a picture', () => {
  it('in the terminal, 64 characters wide', () => {
    const { cow } = makeScene()
    const { status, stdout } = umlcow(['map', '--picture', cow])
    expect(status).toBe(0)
    const rows = stdout.trimEnd().split('\n')
    expect(rows).toHaveLength(17)
    for (const row of rows.slice(0, 16)) expect([...row].length).toBe(64)
    expect(rows[0]).toMatch(/[░▒▓█]/)
    expect(stdout).toContain('·')
  })

  it('as files, both at once', () => {
    const { cow, backing, directory } = makeScene()
    keepsUntouched(cow, backing)
    const [svg, png] = [path.join(directory, 'map.svg'), path.join(directory, 'map.png')]
    expect(umlcow(['map', '--svg', svg, '--png', png, cow])).toMatchObject({ status: 0, stdout: '', stderr: '' })
    expect(readFileSync(svg, 'utf8')).toMatch(/^(<\?xml[^>]*>\s*)?<svg [\s\S]*<\/svg>\s*$/)
    expect(readFileSync(png).subarray(0, 8).toString('latin1')).toBe('\x89PNG\r\n\x1a\n')
    expect(namesIn(directory)).toEqual(['cow', 'map.png', 'map.svg', 'root_fs'])
  })

  it('replaces a file only with --overwrite', () => {
    const { cow, directory } = makeScene()
    const svg = path.join(directory, 'map.svg')
    writeFileSync(svg, 'old')
    expectPlainFailure(umlcow(['map', '--svg', svg, cow]), 4)
    expect(readFileSync(svg, 'utf8')).toBe('old')
    expect(umlcow(['map', '--overwrite', '--svg', svg, cow]).status).toBe(0)
    expect(readFileSync(svg, 'utf8')).toContain('<svg ')
  })

  it.each(['--svg', '--png'])('%s never replaces a file that is mapped', (option) => {
    const here = makeScene()
    const elsewhere = temporaryDirectory()
    const cow = path.join(elsewhere, 'cow')
    writeOverlay(cow, { virtualSize: here.virtualSize, backing: here.backing })
    rmSync(here.cow)
    keepsUntouched(cow, here.backing)
    for (const [target, mapped] of [
      [cow, cow],
      [here.backing, cow],
      [here.backing, here.backing],
    ] as const) {
      expectPlainFailure(umlcow(['map', '--overwrite', option, target, mapped]), 4)
    }
  })
})

describe('map --bmap', () => {
  it('writes a bmap file, and says what it has', () => {
    const { directory } = makeScene()
    const run = (...args: string[]) => umlcow(['map', ...args], { cwd: directory })
    expect(run('--bmap', 'x.bmap', 'cow')).toMatchObject({
      status: 0,
      stderr: '',
      stdout: expect.stringMatching(/^x\.bmap: /),
    })
    expect(readFileSync(path.join(directory, 'x.bmap'), 'latin1')).toContain('<bmap version="2.0">')
    expect(run('--bmap', 'x.bmap', 'cow').status).toBe(4)
    expect(run('--bmap', 'x.bmap', '--overwrite', '--detect-zeroes', 'cow').status).toBe(0)
    for (const args of [['--json'], ['--png', 'y'], ['--picture'], ['--no-backing'], ['--max-length', '512']]) {
      expect(run('--bmap', 'y.bmap', ...args, 'cow').status, args[0]).toBe(64)
    }
    expect(namesIn(directory)).not.toContain('y.bmap')
  })
})

describe('map --owners', () => {
  function imageOfFile() {
    const directory = temporaryDirectory()
    const hand = new HandExt(64)
    hand.file('file', 12, { size: 1024, map: [30] })
    writeFileSync(path.join(directory, 'image'), hand.bytes)
    return { directory, run: (...args: string[]) => umlcow(['map', '--owners', ...args], { cwd: directory }) }
  }

  it('shows what the bytes are for, in the table, as JSON and in pictures', () => {
    const { directory, run } = imageOfFile()
    const lines = run('image')
      .stdout.split('\n')
      .map((line) => line.replace(/ {2,}/g, '|'))
    expect(lines.slice(0, 5)).toEqual([
      'Offset|Length|Mapped to|Owner|File',
      '0|0x1400|0|other metadata|image',
      '0x1400|0x2000|0x1400|inode tables|image',
      '0x3400|0x1c00|0x3400|free|image',
      '0x5000|0x400|0x5000|directories|image',
    ])
    const extents: MapExtent[] = JSON.parse(run('--json', 'image').stdout)
    expect(extents.reduce((sum, { length }) => sum + length, 0)).toBe(64 * 1024)
    expect(extents).toContainEqual(expect.objectContaining({ start: 30 * 1024, length: 1024, owner: 'fileData' }))
    const picture = run('--picture', 'image').stdout
    expect(picture.slice(0, 64)).toBe('M'.repeat(64))
    expect(picture).toMatch(/\nF {2}file data +1 KiB\n/)
    expect(run('--svg', 'new.svg', '--png', 'new.png', 'image')).toMatchObject({ status: 0, stdout: '', stderr: '' })
    expect(readFileSync(path.join(directory, 'new.svg'), 'utf8')).toContain('blue file data')
  })

  it('refuses what means nothing with it, or without it', () => {
    const { directory, run } = imageOfFile()
    for (const args of [['--no-backing'], ['--bmap', 'x']]) expect(run(...args, 'image').status, args[0]).toBe(64)
    for (const args of [['--partition', '1'], ['--no-replay'], ['--force=damage']]) {
      expect(umlcow(['map', ...args, 'image'], { cwd: directory }).status, args[0]).toBe(64)
    }
    writeFileSync(path.join(directory, 'zeros'), Buffer.alloc(8192))
    const { status, stderr } = run('zeros')
    expect({ status, stderr }).toEqual({ status: 63, stderr: expect.stringContaining('without --owners, map shows') })
  })
})

describe('a backing file that is missing or does not fit', () => {
  it('fails without --no-backing, and nothing is printed', () => {
    const scene = makeScene()
    rmSync(scene.backing)
    const outcome = umlcow(['map', '--json', scene.cow])
    expectPlainFailure(outcome, 1)
    expect(JSON.parse(outcome.stdout).error.code).toBe('BACKING_MISSING')
    const extents = mapOf('--no-backing', scene.cow)
    expectTiles(extents, 0, scene.virtualSize)
    expectDepths(scene, extents)
  })

  it('fails for another mtime or size, unless forced', () => {
    const scene = makeScene()
    setMtime(scene.backing, pairMtime + 1)
    expectPlainFailure(umlcow(['map', scene.cow]), 1)
    expectDepths(scene, mapOf('--force=mtime', scene.cow))
    writeFileSync(scene.backing, readFileSync(scene.backing).subarray(0, 1000))
    setMtime(scene.backing)
    expectPlainFailure(umlcow(['map', scene.cow]), 1)
    const extents = mapOf('--force=size', '--max-length=1536', scene.cow)
    expectTiles(extents, 0, 1536)
    expect(extents.at(-1)).toEqual({ start: 1000, length: 536, depth: 1, present: true, zero: true, data: false })
  })

  it('never reads the data of the backing file, so a hole of 1 TiB costs nothing', () => {
    const directory = temporaryDirectory()
    const [cow, backing] = [path.join(directory, 'cow'), path.join(directory, 'root_fs')]
    writeHole(backing, 2 ** 40)
    writeOverlay(cow, { virtualSize: 2 ** 40, backing, sectors: new Map([[2 ** 30, sectorText('overlay', 1)]]) })
    const extents = mapOf(cow)
    expect(extents.map(({ start, length, depth }) => [start, length, depth])).toEqual([
      [0, 2 ** 39, 1],
      [2 ** 39, 512, 0],
      [2 ** 39 + 512, 2 ** 39 - 512, 1],
    ])
  })
})

describe('what cannot be mapped', () => {
  it('a damaged overlay, a directory, a FIFO, a missing file', () => {
    const directory = temporaryDirectory()
    const fifo = path.join(directory, 'fifo')
    expect(spawnSync('mkfifo', [fifo]).status).toBe(0)
    const damaged = path.join(root, 'fixtures/invalid/BAD_VERSION--0.cow')
    for (const file of [damaged, directory, fifo, path.join(directory, 'missing')]) {
      const outcome = umlcow(['map', file])
      expectPlainFailure(outcome, 1)
      expect(outcome.stdout).toBe('')
    }
  })
})
