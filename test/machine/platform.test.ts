import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { PassThrough } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { describe, expect, onTestFinished, test } from 'vitest'
import * as umlcow from '../../src/index.js'
import { generatePair, writePair } from '../support/generate.js'
import { temporaryDirectory } from '../support/paths.js'

const pair = generatePair(17, { layout: 'v3', sectorSize: 512, virtualSize: 100 * 512, pattern: 'runs' })

/** Let the rest of the test believe that it runs on another system. */
function pretend(platform: NodeJS.Platform): void {
  const { platform: own } = process
  Object.defineProperty(process, 'platform', { value: platform })
  onTestFinished(() => void Object.defineProperty(process, 'platform', { value: own }))
}

function makeScene(platform: NodeJS.Platform) {
  const directory = temporaryDirectory()
  const { overlayPath: cow, backingPath: backing } = writePair(pair, directory, { headerPath: 'absolute' })
  mkdirSync(path.join(directory, 'tree/data'), { recursive: true })
  writeFileSync(path.join(directory, 'tree/data/file'), 'x')
  pretend(platform)
  const at = (name: string) => path.join(directory, name)
  const look = () => readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort()
  return { cow, backing, at, look }
}

type Scene = ReturnType<typeof makeScene>

const own = { user: process.geteuid?.() ?? 0, group: process.getegid?.() ?? 0, size: 2 ** 30 }

/** What needs locks. */
const changes: readonly (readonly [string, (scene: Scene) => Promise<unknown>])[] = [
  ['mergeInPlace', ({ cow }) => umlcow.mergeInPlace(cow, { force: ['in-use'] })],
  ['merge into the backing file', ({ cow, backing }) => umlcow.merge(cow, backing)],
  ['resetOverlay', ({ cow }) => umlcow.resetOverlay(cow)],
  ['rebaseUnsafe', ({ cow, backing }) => umlcow.rebaseUnsafe(cow, backing)],
  [
    'createOverlay in the place of a file',
    ({ cow, backing }) => umlcow.createOverlay(cow, backing, { overwrite: true }),
  ],
  ['humfsify', ({ at }) => umlcow.humfsify(at('tree'), own)],
  ['restoreHumfs', ({ at }) => umlcow.restoreHumfs(at('tree'))],
  ['importHumfs', ({ at }) => umlcow.importHumfs(at('tree/data'), at('new'), { from: 'directory' })],
  [
    'exportToTree',
    ({ at }) => umlcow.exportToTree(umlcow.openDirectorySource(at('tree/data')), at('new'), { format: 'directory' }),
  ],
]

describe('on macOS', () => {
  test.each(changes)('%s refuses: two runs could change the same files', async (_name, run) => {
    const scene = makeScene('darwin')
    const look = () => [scene.look(), ...[scene.cow, scene.backing].map((file) => readFileSync(file, 'latin1'))]
    const before = look()
    await expect(run(scene)).rejects.toMatchObject({ code: 'PLATFORM', details: { platform: 'darwin' } })
    expect(look()).toEqual(before)
  })

  test('new files can be made', async () => {
    const { cow, backing, at } = makeScene('darwin')
    await umlcow.merge(cow, at('merged'))
    expect(readFileSync(at('merged')).equals(pair.merged)).toBe(true)
    expect(await umlcow.createOverlay(at('new.cow'), backing)).toMatchObject({ format: 'cow' })
    const source = umlcow.openDirectorySource(at('tree/data'))
    expect(await umlcow.exportTree(source, at('out.tar'), { format: 'tar' })).toMatchObject({ entries: 2 })
  })
})

describe('on Windows', () => {
  test.each([
    ...changes,
    ['merge into a new file', ({ cow, at }) => umlcow.merge(cow, at('merged'))],
    ['createOverlay', ({ at, backing }) => umlcow.createOverlay(at('new.cow'), backing)],
    ['createRaw', ({ at }) => umlcow.createRaw(at('new.img'), 2 ** 20)],
    [
      'exportTree into a file',
      ({ at }) => umlcow.exportTree(umlcow.openDirectorySource(at('tree/data')), at('out.tar'), { format: 'tar' }),
    ],
  ] as typeof changes)('%s refuses', async (_name, run) => {
    const scene = makeScene('win32')
    const before = scene.look()
    await expect(run(scene)).rejects.toMatchObject({ code: 'PLATFORM', details: { platform: 'win32' } })
    expect(scene.look()).toEqual(before)
  })
})

describe.each(['darwin', 'win32'] as const)('on %s', (platform) => {
  test('humfs trees can be looked at, checked and exported to a stream', async () => {
    const directory = temporaryDirectory()
    mkdirSync(path.join(directory, 'data'))
    writeFileSync(path.join(directory, 'data/file'), 'x')
    await umlcow.humfsify(directory, { ...own, noSync: true })
    pretend(platform)
    expect(await umlcow.humfsInfo(directory)).toMatchObject({ counts: { file: 1, directory: 1 } })
    expect(await umlcow.checkHumfs(directory)).toMatchObject({ findings: [] })
    const stream = new PassThrough()
    const source = umlcow.openHumfsSource(directory)
    const [read] = await Promise.all([buffer(stream), umlcow.exportTree(source, stream, { format: 'tar' })])
    expect(read.includes('file')).toBe(true)
    await expect(umlcow.checkHumfs(directory, { repair: true })).rejects.toMatchObject({ code: 'PLATFORM' })
  })

  test('overlays can be read', async () => {
    const { cow } = makeScene(platform)
    expect(await umlcow.info(cow)).toMatchObject({ format: 'cow' })
    expect(await umlcow.map(cow)).toMatchObject({ virtualSize: pair.merged.length })
    expect(await umlcow.check(cow)).toMatchObject({ path: cow })
    const image = await umlcow.openImage(cow)
    expect((await buffer(umlcow.imageStream(image))).equals(pair.merged)).toBe(true)
    await image.close()
    const stream = new PassThrough()
    const [read] = await Promise.all([buffer(stream), umlcow.merge(cow, stream)])
    expect(read.equals(pair.merged)).toBe(true)
  })
})
