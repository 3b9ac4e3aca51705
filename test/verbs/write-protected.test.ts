import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { localHostFiles } from '../../src/machine/host-files.js'
import type { OperationOptions } from '../../src/machine/operation-options.js'
import { writeBytes } from '../../src/overlays/write-bytes.js'
import { check } from '../../src/verbs/check/index.js'
import { createOverlay } from '../../src/verbs/create.js'
import { createRaw } from '../../src/verbs/create-raw.js'
import { mergeInPlace } from '../../src/verbs/merge/in-place/merge-in-place.js'
import { merge } from '../../src/verbs/merge/index.js'
import { rebaseUnsafe } from '../../src/verbs/rebase.js'
import { resetOverlay } from '../../src/verbs/reset.js'
import { quickClock } from '../support/failing-host.js'
import { generatePair, writePair } from '../support/generate.js'
import { hookedFiles } from '../support/hooked-files.js'
import { temporaryDirectory } from '../support/paths.js'

interface Scene {
  readonly directory: string
  readonly cow: string
  readonly backing: string
  /** Another overlay on the backing file. */
  readonly sibling: string
  /** A file that is to be replaced. */
  readonly there: string
}

function makeScene(): Scene {
  const directory = temporaryDirectory()
  const pair = generatePair(3, { layout: 'v3', sectorSize: 512, virtualSize: 20 * 4096, pattern: 'runs' })
  const { overlayPath: cow, backingPath: backing } = writePair(pair, directory, { headerPath: 'absolute' })
  const sibling = path.join(directory, 'sibling')
  copyFileSync(cow, sibling)
  const there = path.join(directory, 'there')
  writeFileSync(there, 'old')
  return { directory, cow, backing, sibling, there }
}

/** All that is in a directory, content and times. */
async function stateOf(directory: string): Promise<string> {
  const names = readdirSync(directory).sort()
  const facts = await Promise.all(names.map((name) => localHostFiles.stat(path.join(directory, name))))
  return names
    .map((name, i) => [name, facts[i]!.inode, facts[i]!.mtimeNs, readFileSync(path.join(directory, name), 'latin1')])
    .join()
}

/** The local files, one of which the system does not open for writing. */
function keeping(file: string, code: string) {
  const hook = (call: string) => {
    if (call !== `open readWrite ${file}`) return
    const error = new Error(`${code}: as the system says, open '${file}'`)
    throw Object.assign(error, { code, syscall: 'open' })
  }
  return hookedFiles(hook, { ...localHostFiles, clock: quickClock(0) })
}

type Verb = (scene: Scene, options: OperationOptions & { dryRun?: boolean }) => Promise<unknown>

const verbs: readonly (readonly [string, keyof Scene, Verb])[] = [
  ['resetOverlay', 'cow', ({ cow }, options) => resetOverlay(cow, options)],
  ['createOverlay', 'there', ({ there, backing }, o) => createOverlay(there, backing, { ...o, overwrite: true })],
  [
    'createOverlay over an overlay',
    'cow',
    ({ cow, backing }, o) => createOverlay(cow, backing, { ...o, overwrite: true }),
  ],
  ['createRaw', 'there', ({ there }, options) => createRaw(there, 100, { ...options, overwrite: true })],
  ['merge', 'there', ({ cow, there }, options) => merge(cow, there, { ...options, overwrite: true })],
  ['check with repair', 'cow', ({ cow }, { dryRun: _, ...options }) => check(cow, { ...options, repair: true })],
  ['rebaseUnsafe', 'cow', ({ cow, there }, options) => rebaseUnsafe(cow, there, { ...options, force: ['size'] })],
  [
    'mergeInPlace with delete',
    'cow',
    ({ cow }, options) => mergeInPlace(cow, { ...options, afterwards: 'delete', force: ['siblings'] }),
  ],
  [
    'mergeInPlace, the backing file',
    'backing',
    ({ cow }, options) => mergeInPlace(cow, { ...options, keepSiblings: true }),
  ],
  [
    'mergeInPlace, a sibling that is kept',
    'sibling',
    ({ cow }, options) => mergeInPlace(cow, { ...options, keepSiblings: true }),
  ],
]

describe('a write-protected file is not replaced, removed or changed', () => {
  test.each(verbs)('%s', async (_name, kept, verb) => {
    const scene = makeScene()
    const before = await stateOf(scene.directory)
    for (const dryRun of [false, true]) {
      await expect(verb(scene, { files: keeping(scene[kept], 'EACCES'), dryRun })).rejects.toMatchObject({
        code: 'WRITE_PROTECTED',
        message: expect.stringContaining(`${scene[kept]}: cannot be opened for writing: Permission denied`),
      })
    }
    expect(await stateOf(scene.directory)).toBe(before)
  })

  test.each([
    ['EPERM', 'Operation not permitted'],
    ['EROFS', 'Read-only file system'],
    ['ETXTBSY', 'Text file busy'],
  ])('%s is said as every tool does', async (code, reason) => {
    const { cow } = makeScene()
    await expect(resetOverlay(cow, { files: keeping(cow, code) })).rejects.toMatchObject({
      code: 'WRITE_PROTECTED',
      message: `${cow}: cannot be opened for writing: ${reason}`,
      details: { cause: code },
    })
  })

  test('any other failure keeps its code', async () => {
    const { cow } = makeScene()
    await expect(resetOverlay(cow, { files: keeping(cow, 'EMFILE') })).rejects.toMatchObject({ code: 'EMFILE' })
  })
})

/** A program that runs until the test ends: nobody may open its file for writing, not even root. */
async function running(file: string): Promise<ChildProcess> {
  copyFileSync('/bin/sleep', file)
  const child = spawn(file, ['60'], { stdio: 'ignore' })
  const ended = once(child, 'close')
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended
  })
  await once(child, 'spawn')
  return child
}

test('a program that runs is not replaced, not even by root', async () => {
  const { there, cow } = makeScene()
  await running(there)
  const busy = { code: 'WRITE_PROTECTED', message: `${there}: cannot be opened for writing: Text file busy` }
  await expect(createRaw(there, 100, { overwrite: true, force: ['in-use'] })).rejects.toMatchObject(busy)
  await expect(merge(cow, there, { overwrite: true })).rejects.toMatchObject(busy)
  await expect(writeBytes(there, Buffer.of(1), { inputs: [], overwrite: true })).rejects.toMatchObject(busy)
})
