import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { hasCode } from '../../src/errors.js'
import { type HostFiles, localHostFiles } from '../../src/machine/host-files.js'
import { check } from '../../src/verbs/check/index.js'
import { createOverlay } from '../../src/verbs/create.js'
import { createRaw } from '../../src/verbs/create-raw.js'
import { info } from '../../src/verbs/info.js'
import { merge } from '../../src/verbs/merge/index.js'
import { rebaseUnsafe } from '../../src/verbs/rebase.js'
import { sampleOf } from '../support/amount.js'
import { faultyFiles } from '../support/faulty-files.js'
import { generatePair, writePair } from '../support/generate.js'
import { temporaryDirectory } from '../support/paths.js'

/** Names and contents of a directory. */
function snapshot(directory: string): Map<string, string> {
  const hash = (name: string) =>
    createHash('sha256')
      .update(readFileSync(path.join(directory, name)))
      .digest('hex')
  return new Map(
    readdirSync(directory)
      .sort()
      .map((name) => [name, hash(name)]),
  )
}

interface Scene {
  readonly overlay: string
  readonly backing: string
  readonly output: string
}

interface Case {
  readonly name: string
  run(scene: Scene, files: HostFiles): Promise<unknown>
  /** What else may be in the directory after a failure: states that are whole, too. */
  readonly allowed?: (after: Map<string, string>, before: Map<string, string>, done: Map<string, string>) => boolean
}

/** After the new file has its name, a failing fsync of its directory is reported, and the file stays: it is whole. */
const complete: Case['allowed'] = (after, _before, done) => sameMap(after, done)

const cases: Case[] = [
  { name: 'info', run: ({ overlay, backing }, files) => info(overlay, { files, backing }) },
  { name: 'check', run: ({ overlay, backing }, files) => check(overlay, { files, backing, deep: true }) },
  {
    name: 'merge',
    run: ({ overlay, backing, output }, files) => merge(overlay, output, { files, backing }),
    allowed: complete,
  },
  {
    name: 'merge --overwrite',
    run: ({ overlay, backing, output }, files) => {
      writeFileSync(output, 'old')
      return merge(overlay, output, { files, backing, overwrite: true })
    },
    allowed: complete,
  },
  {
    name: 'create an overlay',
    run: ({ backing, output }, files) => createOverlay(output, backing, { files, pathStyle: { kind: 'relative' } }),
    allowed: complete,
  },
  { name: 'create a raw image', run: ({ output }, files) => createRaw(output, 12345, { files }), allowed: complete },
  {
    name: 'rebase -u within one sector',
    run: ({ overlay, backing }, files) => rebaseUnsafe(overlay, backing, { files, pathStyle: { kind: 'relative' } }),
    // The write itself may have worked before its fsync failed.
    allowed: complete,
  },
]

function sameMap(a: Map<string, string>, b: Map<string, string>): boolean {
  return JSON.stringify([...a]) === JSON.stringify([...b])
}

function makeScene(): { directory: string; scene: Scene } {
  const directory = temporaryDirectory()
  const pair = generatePair(7, {
    layout: 'v3',
    pattern: 'runs',
    virtualSize: 300 * 1024,
    sectorSize: 512,
    alignment: 4096,
  })
  const { overlayPath, backingPath } = writePair(pair, directory)
  return { directory, scene: { overlay: overlayPath, backing: backingPath, output: path.join(directory, 'out') } }
}

describe('a host that fails at any call', () => {
  for (const { name, run, allowed } of cases) {
    it(`${name}: tells so, leaves nothing half-made, closes what it opened`, async () => {
      const reference = makeScene()
      await run(reference.scene, localHostFiles)
      const done = snapshot(reference.directory)
      const counted = faultyFiles(localHostFiles, Number.POSITIVE_INFINITY)
      await run(makeScene().scene, counted.files)
      const calls = Array.from({ length: counted.calls() }, (_, call) => call)
      expect(calls.length).toBeGreaterThan(3)
      for (const failAt of [...sampleOf(name, calls, 24), calls.length]) {
        const { directory, scene } = makeScene()
        if (name === 'merge --overwrite') writeFileSync(scene.output, 'old')
        const before = snapshot(directory)
        const host = faultyFiles(localHostFiles, failAt)
        const outcome = await run(scene, host.files).then(
          () => null,
          (error: unknown) => error,
        )
        expect(host.openStores(), `open after call ${failAt}`).toBe(0)
        expect(host.calls() > failAt, `call ${failAt} is made`).toBe(failAt < calls.length)
        if (failAt === calls.length) {
          expect(outcome).toBeNull()
          continue
        }
        const after = snapshot(directory)
        // What a verb may do without, such as advice, it may swallow; its result is then still the right one.
        if (outcome !== null) expect(hasCode(outcome, 'EIO'), `${failAt}: ${outcome}`).toBe(true)
        const whole = sameMap(after, before) || (allowed?.(after, before, done) ?? false)
        expect(whole, `directory after call ${failAt}: ${[...after.keys()]}`).toBe(true)
      }
    })
  }
})
