import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { allocatedBytes, makeScene, setMtime, writeHole } from '../cli/scene.js'
import { umlcow } from '../support/command.js'
import { temporaryDirectory } from '../support/paths.js'
import { havePeers, type Peer } from '../support/peers.js'

const qemuImg: Peer = '/usr/bin/qemu-img'
const file: Peer = '/usr/bin/file'

type Json = Record<string, unknown>

function qemu(directory: string, ...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(qemuImg, args, { cwd: directory, encoding: 'utf8', timeout: 60_000 })
  return { status, stdout, stderr }
}

/** A qcow2 overlay, `q`, with some clusters of its own on a raw file, `root_fs`. */
function qcow2Pair(): string {
  const directory = temporaryDirectory()
  writeHole(path.join(directory, 'root_fs'), 2 ** 22)
  expect(qemu(directory, 'create', '-q', '-f', 'qcow2', '-b', 'root_fs', '-F', 'raw', 'q')).toMatchObject({ status: 0 })
  expect(qemu(directory, 'bench', '-w', '-c', '2', '-d', '1', '-s', '65536', '-o', '131072', 'q').status).toBe(0)
  return directory
}

/** What only releases after the format's own time print. */
const newerKeys = new Set(['children', 'compressed'])

/** Every key that qemu-img has is there, with a value of the same type. */
function expectSameKeys(ours: Json, theirs: Json): void {
  for (const [key, value] of Object.entries(theirs)) {
    if (newerKeys.has(key)) continue
    expect(ours, key).toHaveProperty([key])
    expect({ key, type: typeof ours[key] }).toEqual({ key, type: typeof value })
  }
}

describe.runIf(havePeers(qemuImg))('JSON has the keys and types of qemu-img', () => {
  it('info', () => {
    const theirs = JSON.parse(qemu(qcow2Pair(), 'info', '--output=json', 'q').stdout)
    const scene = makeScene()
    const ours = JSON.parse(umlcow(['info', '--output=json', scene.cow]).stdout)
    expect(theirs).toHaveProperty(['backing-filename'])
    expectSameKeys(ours, theirs)
    expectSameKeys({ ...ours['format-specific'] }, { type: '', data: {} })
    expect(ours).toMatchObject({ 'backing-filename-format': theirs['backing-filename-format'], 'dirty-flag': false })

    const directory = temporaryDirectory()
    writeFileSync(path.join(directory, 'raw'), 'x'.repeat(10_000))
    const allocated = allocatedBytes(path.join(directory, 'raw'))
    const rawTheirs = JSON.parse(qemu(directory, 'info', '--output=json', '-f', 'raw', 'raw').stdout)
    const rawOurs = JSON.parse(umlcow(['info', '--output=json', 'raw'], { cwd: directory }).stdout)
    expectSameKeys(rawOurs, rawTheirs)
    expect(rawOurs).toMatchObject({ format: 'raw', filename: 'raw', 'actual-size': allocated })
    expect(rawTheirs['actual-size']).toBe(allocated)
  })

  it('info --backing-chain: an array, top first', () => {
    const theirs = JSON.parse(qemu(qcow2Pair(), 'info', '--output=json', '--backing-chain', 'q').stdout)
    const scene = makeScene()
    const ours = JSON.parse(umlcow(['info', '--json', '--backing-chain', scene.cow]).stdout)
    expect(theirs.map((one: Json) => one['format'])).toEqual(['qcow2', 'raw'])
    expect(ours.map((one: Json) => one['format'])).toEqual(['cow', 'raw'])
    expectSameKeys(ours[0], theirs[0])
    expectSameKeys(ours[1], theirs[1])
  })

  it('map', () => {
    const theirs: Json[] = JSON.parse(qemu(qcow2Pair(), 'map', '--output=json', 'q').stdout)
    const scene = makeScene()
    const ours: Json[] = JSON.parse(umlcow(['map', '--output=json', scene.cow]).stdout)
    const topTheirs = theirs.find((extent) => extent['depth'] === 0)
    const topOurs = ours.find((extent) => extent['depth'] === 0)
    expectSameKeys(topOurs as Json, topTheirs as Json)
    const keys = (extent: Json) =>
      Object.keys(extent)
        .filter((key) => !newerKeys.has(key))
        .sort()
    expect(keys(topOurs as Json)).toEqual(keys(topTheirs as Json))
    expect(ours.some((extent) => extent['depth'] === 1)).toBe(true)
  })

  it('map of a raw file tells the same, but for holes, which only the host knows', () => {
    const directory = temporaryDirectory()
    writeFileSync(path.join(directory, 'raw'), 'x'.repeat(65_536))
    const theirs: Json[] = JSON.parse(qemu(directory, 'map', '--output=json', '-f', 'raw', 'raw').stdout)
    const ours: Json[] = JSON.parse(umlcow(['map', '--json', 'raw'], { cwd: directory }).stdout)
    const withoutNewer = theirs.map((extent) =>
      Object.fromEntries(Object.entries(extent).filter(([key]) => !newerKeys.has(key))),
    )
    expect(ours).toEqual(withoutNewer)
  })

  it('map in text has the same columns', () => {
    const first = (text: string) => text.split('\n')[0]?.split(/ {2,}/)
    const theirs = qemu(qcow2Pair(), 'map', 'q').stdout
    expect(first(umlcow(['map', makeScene().cow]).stdout)).toEqual(first(theirs))
  })

  it('check', () => {
    const theirs = JSON.parse(qemu(qcow2Pair(), 'check', '--output=json', 'q').stdout)
    delete theirs['fragmented-clusters']
    delete theirs['compressed-clusters']
    const ours = JSON.parse(umlcow(['check', '--output=json', makeScene().cow]).stdout)
    expectSameKeys(ours, theirs)
  })
})

describe.runIf(havePeers(qemuImg))('exit statuses are those of qemu-img check', () => {
  it('0 for a good one, 63 and no JSON for one without a check, 1 for a missing one', () => {
    const directory = qcow2Pair()
    const { cow, backing } = makeScene()
    expect(qemu(directory, 'check', 'q').status).toBe(0)
    expect(umlcow(['check', cow]).status).toBe(0)
    const theirs = qemu(directory, 'check', '--output=json', '-f', 'raw', 'root_fs')
    expect({ status: theirs.status, stdout: theirs.stdout }).toEqual({ status: 63, stdout: '' })
    expect(umlcow(['check', '--json', backing])).toMatchObject({ status: 63, stdout: '' })
    expect(qemu(directory, 'check', 'missing').status).toBe(1)
    expect(umlcow(['check', 'missing'], { cwd: directory }).status).toBe(1)
  })
})

describe.runIf(havePeers(file))('file(1)', () => {
  const describe1 = (...args: string[]) =>
    spawnSync(file, args, { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } }).stdout.trim()

  it('knows overlays that we create and rebase, and reads their path', () => {
    const { directory, backing } = makeScene()
    const cow = path.join(directory, 'new')
    expect(umlcow(['create', cow, '-b', backing]).status).toBe(0)
    expect(describe1('-b', cow)).toBe(`User-mode Linux COW file, version 3, backing file ${backing}`)
    expect(describe1(cow)).toBe(`${cow}: User-mode Linux COW file, version 3, backing file ${backing}`)
    expect(umlcow(['rebase', '-u', '-b', '/srv/images/root_fs', cow]).status).toBe(0)
    expect(describe1('-b', cow)).toBe('User-mode Linux COW file, version 3, backing file /srv/images/root_fs')
  })

  it('finds no overlay in what merge makes', () => {
    const { cow, target, backing } = makeScene()
    setMtime(backing)
    expect(umlcow(['merge', cow, target]).status).toBe(0)
    expect(describe1('-b', target)).not.toContain('COW')
  })
})
