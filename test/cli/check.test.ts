import {
  appendFileSync,
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { unpackPair } from '../../fixtures/unpack.js'
import { umlcow } from '../support/command.js'
import { root, temporaryDirectory } from '../support/paths.js'
import {
  bitmapOffset,
  dataOffsetOf,
  expectPlainFailure,
  holdOpen,
  keepsUntouched,
  makeScene,
  namesIn,
  pairMtime,
  type Scene,
  setMtime,
  sha256Of,
  stateOf,
  writeOverlay,
} from './scene.js'

interface Finding {
  readonly code: string
  readonly severity: string
  readonly message: string
  readonly repairable: boolean
  readonly fixed: boolean
}

interface Check {
  readonly [key: string]: unknown
  readonly 'format-specific': { readonly type: string; readonly data: { readonly findings: Finding[] } }
}

function check(status: number, ...args: string[]): Check {
  const outcome = umlcow(['check', '--json', ...args])
  expect({ stderr: outcome.stderr, status: outcome.status }).toEqual({ stderr: '', status })
  return JSON.parse(outcome.stdout)
}

function codesOf(document: Check): string[] {
  return document['format-specific'].data.findings.map((finding) => finding.code)
}

/** The byte of the bitmap that has bits past the end of a scene: 601 sectors use one bit of it. */
const lastBitmapByte = bitmapOffset + 75

function setByte(file: string, offset: number, value: number): void {
  const fd = openSync(file, 'r+')
  writeSync(fd, Buffer.of(value), 0, 1, offset)
  closeSync(fd)
}

function mergedSha256(scene: Scene): string {
  const { status, stdout } = umlcow(['merge', '--overwrite', '--no-sync', scene.cow, scene.target])
  expect({ status, stdout }).toMatchObject({ status: 0 })
  return sha256Of(readFileSync(scene.target))
}

/** One of each way to lay out an overlay. */
const kinds = [
  'cluster',
  'odd',
  'trim',
  'v1-big',
  'v1-odd',
  'v2',
  'v3-padded64',
  'v3-align3',
  'v3-partial-sector',
  'v3-sector4096',
]

describe('a good overlay', () => {
  it('is status 0, in the shape of qemu-img check', () => {
    const { cow, backing, virtualSize } = makeScene()
    keepsUntouched(cow, backing)
    expect(check(0, cow)).toEqual({
      'image-end-offset': dataOffsetOf(virtualSize) + virtualSize,
      'total-clusters': 601,
      'allocated-clusters': 12,
      'check-errors': 0,
      filename: cow,
      format: 'cow',
      'format-specific': { type: 'cow', data: { findings: [] } },
    })
    const text = umlcow(['check', cow])
    expect(text).toMatchObject({ status: 0, stdout: `${cow}: consistent; 12 of 601 sectors allocated\n`, stderr: '' })
    expect(umlcow(['check', '--quiet', cow])).toMatchObject({ status: 0, stdout: '', stderr: '' })
  })

  it.each(kinds)('%s', (kind) => {
    const { paths } = unpackPair(kind, temporaryDirectory())
    keepsUntouched(paths.backing, ...paths.overlays)
    for (const cow of paths.overlays) {
      const findings = check(0, '-b', paths.backing, cow)['format-specific'].data.findings
      for (const finding of findings) expect(finding).toMatchObject({ severity: 'note', repairable: false })
    }
  })
})

describe('damage is status 2', () => {
  it('in the header, for every file of fixtures/invalid that has the magic of a COW file', () => {
    const directory = path.join(root, 'fixtures/invalid')
    const names = readdirSync(directory).filter((name) => name.endsWith('.cow'))
    const outcome = umlcow(['check', '--json', '--no-backing', ...names.map((name) => path.join(directory, name))])
    expect(outcome).toMatchObject({ status: 2, stderr: '' })
    const documents: (Check & { error?: { code: string } })[] = JSON.parse(outcome.stdout)
    expect(documents).toHaveLength(names.length)
    const damageOf = (document: Check) =>
      document['format-specific'].data.findings.filter(({ severity }) => severity === 'damage').map(({ code }) => code)
    const told = names.map((name, i) => {
      const document = documents[i]!
      return [name, document.error?.code ?? damageOf(document).join()]
    })
    // What has the magic of qcow2 is checked as such an image.
    const isQcow2 = (name: string) => name === 'NOT_COW--qcow2.cow'
    expect(told).toEqual(names.map((name) => [name, isQcow2(name) ? 'QCOW2_HEADER' : name.split('--')[0]]))
    for (const [i, document] of documents.entries()) {
      const format = isQcow2(names[i]!) ? 'qcow2' : 'cow'
      if (document.error === undefined) expect(document).toMatchObject({ corruptions: 1, format })
    }
  })

  it('in the length, and the data that is there stays readable', () => {
    const { cow, backing, virtualSize } = makeScene()
    truncateSync(cow, dataOffsetOf(virtualSize) + virtualSize - 100)
    keepsUntouched(cow, backing)
    const document = check(2, cow)
    expect(document).toMatchObject({ corruptions: 1 })
    expect(codesOf(document)).toEqual(['TRUNCATED_OVERLAY'])
    expect(umlcow(['check', cow]).stdout).toMatch(/^damage: .*100 bytes of allocated sectors.*\n.*: damaged; /)
  })

  it('not in a length that cuts off nothing that is allocated', () => {
    const { cow, backing, virtualSize } = makeScene()
    writeOverlay(cow, { virtualSize, backing, sectors: new Map([[0, Buffer.alloc(512, 'x')]]) })
    truncateSync(cow, dataOffsetOf(virtualSize) + 512)
    check(0, cow)
  })

  it('when the backing file has another mtime or size', () => {
    const { cow, backing } = makeScene()
    setMtime(backing, pairMtime + 1)
    expect(codesOf(check(2, cow))).toEqual(['BACKING_MTIME'])
    truncateSync(backing, 512)
    expect(codesOf(check(2, cow))).toEqual(['BACKING_SIZE', 'BACKING_MTIME'])
    check(0, '--no-backing', cow)
  })

  it('when the backing file is the overlay itself, a directory, or another overlay', () => {
    const { cow, directory, virtualSize } = makeScene()
    expect(codesOf(check(2, '-b', cow, cow))).toEqual(['BACKING_SELF'])
    expect(codesOf(check(2, '-b', directory, cow))).toEqual(['BACKING_KIND'])
    const top = path.join(directory, 'top')
    setMtime(cow)
    truncateSync(cow, virtualSize)
    setMtime(cow)
    writeOverlay(top, { virtualSize, backing: cow })
    expect(codesOf(check(2, top))).toEqual(['BACKING_IS_COW'])
  })
})

describe('other statuses', () => {
  it('1 when the backing file is missing: that is not checked', () => {
    const { cow, backing } = makeScene()
    rmSync(backing)
    const document = check(1, cow)
    expect(document).toMatchObject({ 'check-errors': 1 })
    expect(document).not.toHaveProperty('corruptions')
    expect(codesOf(document)).toEqual(['BACKING_MISSING'])
  })

  it('63 for what is no COW file, and then no JSON', () => {
    const { backing } = makeScene()
    const text = umlcow(['check', backing])
    expectPlainFailure(text, 63)
    expect(text.stdout).toBe('')
    const json = umlcow(['check', '--json', backing])
    expectPlainFailure(json, 63)
    expect(json.stdout).toBe('')
    expectPlainFailure(umlcow(['check', '--repair', backing]), 63)
  })

  it('1 for what cannot be read', () => {
    const { directory } = makeScene()
    expectPlainFailure(umlcow(['check', path.join(directory, 'missing')]), 1)
    expectPlainFailure(umlcow(['check', directory]), 1)
    expectPlainFailure(umlcow(['check', '--repair', '/dev/null']), 1)
  })

  it('of several files the worst counts, and each is told', () => {
    const [good, waste, damaged] = [makeScene(), makeScene(), makeScene()]
    appendFileSync(waste.cow, 'x')
    truncateSync(damaged.cow, 8192)
    const statusOf = (...files: string[]) => umlcow(['check', ...files]).status
    expect(statusOf(good.cow, waste.cow)).toBe(3)
    expect(statusOf(good.cow, good.backing)).toBe(63)
    expect(statusOf(waste.cow, good.backing)).toBe(63)
    expect(statusOf(good.cow, path.join(good.directory, 'missing'), good.backing)).toBe(1)
    expect(statusOf(damaged.cow, path.join(good.directory, 'missing'), waste.cow)).toBe(2)

    const outcome = umlcow(['check', '--json', good.cow, waste.cow, damaged.cow, good.backing])
    expect(outcome.status).toBe(2)
    const documents: (Check & { error?: { code: string } })[] = JSON.parse(outcome.stdout)
    expect(documents.map((one) => one.error?.code ?? codesOf(one).join())).toEqual([
      '',
      'TRAILING_BYTES',
      'TRUNCATED_OVERLAY',
      'NOT_COW',
    ])
  })
})

describe('waste is status 3, and --repair mends it', () => {
  it('bits past the end', () => {
    const scene = makeScene()
    const before = mergedSha256(scene)
    keepsUntouched(scene.backing)
    setByte(scene.cow, lastBitmapByte, 0xff)
    const found = check(3, scene.cow)
    expect(found).toMatchObject({ leaks: 1, 'allocated-clusters': 12 })
    expect(found['format-specific'].data.findings).toMatchObject([
      { code: 'BITS_PAST_END', severity: 'waste', repairable: true, fixed: false },
    ])
    const mended = check(0, '--repair', scene.cow)
    expect(mended).toMatchObject({ 'leaks-fixed': 1 })
    expect(mended).not.toHaveProperty('leaks')
    expect(mended['format-specific'].data.findings).toMatchObject([{ code: 'BITS_PAST_END', fixed: true }])
    expect(readFileSync(scene.cow)[lastBitmapByte]).toBe(1)
    expect(codesOf(check(0, scene.cow))).toEqual([])
    expect(mergedSha256(scene)).toBe(before)
  })

  it('bytes past the end, both at once', () => {
    const scene = makeScene()
    const before = mergedSha256(scene)
    const bytes = readFileSync(scene.cow)
    appendFileSync(scene.cow, Buffer.alloc(5000))
    setByte(scene.cow, lastBitmapByte, 0x81)
    const found = check(3, scene.cow)
    expect(found).toMatchObject({ leaks: 2, 'image-end-offset': bytes.length + 5000 })
    expect(codesOf(found)).toEqual(['BITS_PAST_END', 'TRAILING_BYTES'])
    const text = umlcow(['check', '--repair', scene.cow])
    expect(text.status).toBe(0)
    expect(text.stdout.match(/\(repaired\)/g)).toHaveLength(2)
    expect(readFileSync(scene.cow).equals(bytes)).toBe(true)
    expect(codesOf(check(0, scene.cow))).toEqual([])
    expect(mergedSha256(scene)).toBe(before)
  })

  it('bytes past the end that are no zeros are left to their owner', () => {
    const { cow } = makeScene()
    appendFileSync(cow, Buffer.concat([Buffer.alloc(400_000), Buffer.from('x')]))
    const before = stateOf(cow)
    const document = check(3, '--repair', cow)
    expect(document['format-specific'].data.findings).toMatchObject([
      { code: 'TRAILING_BYTES', severity: 'waste', repairable: false, fixed: false },
    ])
    expect(stateOf(cow)).toEqual(before)
  })

  it('not while the sizes in the header are in doubt: the backing file is missing, another, or not looked at', () => {
    const { cow, backing } = makeScene()
    appendFileSync(cow, '\0')
    setByte(cow, lastBitmapByte, 0xff)
    keepsUntouched(cow)
    check(3, '--repair', '--no-backing', cow)
    setMtime(backing, pairMtime + 1)
    check(2, '--repair', cow)
    rmSync(backing)
    check(1, '--repair', cow)
  })

  it('--dry-run changes nothing and tells the same', () => {
    const { cow } = makeScene()
    appendFileSync(cow, '\0')
    setByte(cow, lastBitmapByte, 0xff)
    const before = stateOf(cow)
    const document = check(3, '--repair', '--dry-run', cow)
    expect(document['format-specific'].data.findings).toMatchObject([
      { code: 'BITS_PAST_END', repairable: true, fixed: false },
      { code: 'TRAILING_BYTES', repairable: true, fixed: false },
    ])
    expect(stateOf(cow)).toEqual(before)
    expect(umlcow(['check', '-n', '--repair', cow]).stdout).toContain('(--repair repairs it)')
    expect(stateOf(cow)).toEqual(before)
  })

  it('--repair of a good overlay writes nothing', () => {
    const { cow } = makeScene()
    const before = stateOf(cow)
    check(0, '--repair', cow)
    expect(stateOf(cow)).toEqual(before)
  })

  it('--repair refuses an overlay that is in use', async () => {
    const { cow } = makeScene()
    appendFileSync(cow, '\0')
    const pid = await holdOpen(cow)
    const before = stateOf(cow)
    const outcome = umlcow(['check', '--repair', cow])
    expectPlainFailure(outcome, 4)
    expect(outcome.stderr).toContain(`process ${pid}`)
    expect(stateOf(cow)).toEqual(before)
    check(3, cow)
    check(0, '--repair', '--force=in-use', cow)
  })

  it('--deep finds allocated sectors that equal the backing file', () => {
    const scene = makeScene()
    const { cow, backing, virtualSize, backingBytes } = scene
    const sectors = new Map<number, Buffer | null>()
    // A run of several windows, single sectors, a hole over zeros, the last sector.
    for (let sector = 100; sector < 399; sector++)
      sectors.set(sector, Buffer.from(backingBytes.subarray(sector * 512, sector * 512 + 512)))
    sectors.set(200, Buffer.alloc(512, 'other'))
    sectors.set(410, null)
    sectors.set(411, null)
    sectors.set(2, null)
    sectors.set(600, Buffer.from(backingBytes.subarray(600 * 512)))
    writeOverlay(cow, { virtualSize, backing, sectors })
    keepsUntouched(cow, backing)
    check(0, cow)
    const document = check(3, '--deep', cow)
    expect(document).toMatchObject({ leaks: 1, 'allocated-clusters': 303 })
    expect(document['format-specific'].data.findings).toMatchObject([
      {
        code: 'SAME_AS_BACKING',
        severity: 'waste',
        message: expect.stringContaining(': 301 allocated'),
        repairable: false,
      },
    ])
  })

  it('--deep of overlays that change every sector they have finds nothing', () => {
    check(0, '--deep', makeScene().cow)
  })
})

describe('the rewrite of a header that was cut short', () => {
  /** A journal as `rebase` leaves it when the machine stops in the middle. */
  function tear(scene: Scene): { before: Buffer; journal: string } {
    const before = Buffer.from(readFileSync(scene.cow).subarray(0, 4128))
    const after = Buffer.from(before)
    after.write(`/${'new/'.repeat(300)}root_fs\0`, 32)
    const journal = `${scene.cow}.umlcow-header`
    writeFileSync(journal, Buffer.concat([Buffer.from('umlcow header rewrite 1\n'), before, after]))
    const fd = openSync(scene.cow, 'r+')
    writeSync(fd, after, 0, 512, 0)
    closeSync(fd)
    return { before, journal }
  }

  it('is damage, keeps other verbs away, and is undone', () => {
    const scene = makeScene()
    const good = readFileSync(scene.cow)
    const { journal } = tear(scene)
    const state = [stateOf(scene.cow), stateOf(journal)]
    const found = check(2, '--no-backing', scene.cow)
    expect(codesOf(found)).toContain('UNFINISHED_REWRITE')
    expect(check(2, '--repair', '--dry-run', '--no-backing', scene.cow)).toMatchObject({ corruptions: 1 })
    const merge = umlcow(['merge', scene.cow, scene.target])
    expectPlainFailure(merge, 4)
    expect(merge.stderr).toContain(`try: umlcow check --repair ${scene.cow}\n`)
    expectPlainFailure(umlcow(['rebase', '-u', '-b', scene.backing, scene.cow]), 4)
    expect(umlcow(['info', '--no-backing', scene.cow]).stdout).toContain('a rewrite was cut short')
    expect([stateOf(scene.cow), stateOf(journal)]).toEqual(state)

    const mended = check(0, '--repair', scene.cow)
    expect(mended).toMatchObject({ 'corruptions-fixed': 1 })
    expect(readFileSync(scene.cow).equals(good)).toBe(true)
    expect(namesIn(scene.directory)).toEqual(['cow', 'root_fs'])
    expect(codesOf(check(0, scene.cow))).toEqual([])
  })

  it('that was whole leaves a journal, which is waste', () => {
    const scene = makeScene()
    const good = readFileSync(scene.cow)
    const { journal } = tear(scene)
    writeFileSync(scene.cow, good)
    expect(codesOf(check(3, scene.cow))).toEqual(['LEFTOVER_JOURNAL'])
    expect(umlcow(['merge', scene.cow, '-']).status).toBe(0)
    expect(check(0, '--repair', scene.cow)).toMatchObject({ 'leaks-fixed': 1 })
    expect(namesIn(scene.directory)).not.toContain(path.basename(journal))
    expect(readFileSync(scene.cow).equals(good)).toBe(true)
  })

  it('a journal about another header is not applied', () => {
    const scene = makeScene()
    const { journal } = tear(scene)
    const other = makeScene()
    const bytes = readFileSync(other.cow)
    writeFileSync(scene.cow, bytes)
    const before = stateOf(journal)
    umlcow(['check', '--repair', scene.cow])
    expect(readFileSync(scene.cow).equals(bytes)).toBe(true)
    expect(stateOf(journal)).toEqual(before)
  })
})
