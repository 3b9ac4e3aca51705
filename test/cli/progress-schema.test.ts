import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { createLineFilter } from '../../src/cli/progress.js'
import { verbGroups } from '../../src/cli/verbs.js'
import { umlcow } from '../support/command.js'
import { HandExt } from '../support/ext-by-hand.js'
import { validate } from '../support/json-schema.js'
import { root, temporaryDirectory } from '../support/paths.js'
import { makeScene } from './scene.js'

const schema = JSON.parse(readFileSync(path.join(root, 'docs/schema/progress.json'), 'utf8'))

/** Run a verb, and check its lines of progress. */
function checkLines(cwd: string, args: readonly string[]): void {
  const outcome = umlcow([...args, '--progress=json'], { cwd })
  expect(outcome.status, outcome.stderr).toBe(0)
  const lines = outcome.stderr.split('\n').filter((line) => line.startsWith('{'))
  expect(lines.length, args.join(' ')).toBeGreaterThan(0)
  for (const line of lines) expect(validate(schema, JSON.parse(line), { closed: true }), line).toEqual([])
  const { transferred, size } = JSON.parse(lines.at(-1)!)
  expect(transferred, args.join(' ')).toBe(size)
}

/** Every verb with progress, in an order in which each finds what it needs. */
const onImages = [
  ['check', '--deep', 'cow'],
  ['merge', '--verify', 'cow', 'merged'],
  ['merge', '-d', 'cow'],
  ['convert', 'cow', 'converted'],
  ['convert', 'small.gz', 'unpacked'],
  ['convert', '-O', 'qcow2', 'small.gz', 'unpacked.qcow2'],
  ['create', '--from', 'small.gz', 'made'],
  ['copy', 'cow', 'copied'],
  ['compact', '-o', 'smaller', 'cow'],
  ['pack', 'pair.pack', 'cow'],
  ['unpack', '--verify', 'pair.pack'],
]
const onFiles = [
  ['tar', '-o', 'files.tar', 'image'],
  ['extract', 'image', '-C', 'files'],
]
const inAnotherScene = ['commit', 'cow']
const ids = [`${process.geteuid?.()}`, `${process.getegid?.()}`]
const onTrees = [
  ['humfsify', ...ids, '1G'],
  ['humfs', 'info'],
  ['humfs', 'check'],
  ['humfs', 'export', '--to', 'tar', 'out.tar'],
  ['humfs', 'import', '--from', 'humfs', '.', 'copy'],
  ['humfs', 'restore'],
]

describe('docs/schema/progress.json', () => {
  it('describes the lines of verbs on images', () => {
    const { directory } = makeScene()
    writeFileSync(path.join(directory, 'small.gz'), gzipSync(Buffer.alloc(100_000, 'x')))
    for (const args of onImages) checkLines(directory, args)
    checkLines(makeScene().directory, inAnotherScene)
  })

  it('describes the lines of verbs on files of an image', () => {
    const directory = temporaryDirectory()
    const hand = new HandExt()
    hand.file('hello', 12, { size: 3, map: [30] })
    writeFileSync(path.join(directory, 'image'), hand.bytes)
    for (const args of onFiles) checkLines(directory, args)
  })

  it('describes the lines of verbs on trees', () => {
    // With the size of the file system as the size of the work, the share of progress was next to nothing.
    const directory = temporaryDirectory()
    mkdirSync(path.join(directory, 'data/bin'), { recursive: true })
    writeFileSync(path.join(directory, 'data/bin/su'), '#')
    for (const args of onTrees) checkLines(directory, args)
  })

  it('is tested with every verb that has --progress', () => {
    const tested = [...onImages, ...onFiles, inAnotherScene, ...onTrees].map(([verb, action]) =>
      verb === 'humfs' ? `${verb} ${action}` : verb,
    )
    const verbs = verbGroups.flatMap(({ verbs: all }) => all.map(({ name }) => name)).filter((name) => name !== 'humfs')
    const actions = ['info', 'check', 'restore', 'export', 'import'].map((action) => `humfs ${action}`)
    const withProgress = [...verbs, ...actions].filter((name) =>
      umlcow([...name.split(' '), '--help']).stdout.includes('--progress'),
    )
    expect(withProgress.filter((name) => !tested.includes(name))).toEqual([])
    expect(withProgress.length).toBeGreaterThan(8)
  })
})

describe('lines of progress of a stream', () => {
  it('come every 250 ms while nobody knows its end', () => {
    const isDue = createLineFilter()
    const at = (elapsed: number, transferred: number, size = 0) => ({ transferred, size, elapsed, description: 'x' })
    expect([at(0, 1), at(100, 2), at(300, 3), at(310, 4, 4)].map(isDue)).toEqual([true, false, true, true])
  })
})

describe('lines of progress', () => {
  const at = (elapsed: number, transferred: number) => ({ transferred, size: 100, elapsed, description: 'x' })

  it('come every 250 ms and at the end', () => {
    const isDue = createLineFilter()
    expect([at(0, 1), at(100, 2), at(251, 3), at(400, 4), at(401, 100)].map(isDue)).toEqual([
      true,
      false,
      true,
      false,
      true,
    ])
  })

  it('come of every part of the work; those after a long part were missing', () => {
    const isDue = createLineFilter()
    expect([at(60_000, 100), at(0, 1), at(250, 2)].map(isDue)).toEqual([true, true, true])
  })
})
