import { createHash } from 'node:crypto'
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { hasCode } from '../../src/errors.js'
import { compact, convert, copySparse, pack, unpack } from '../../src/index.js'
import type { HostFiles } from '../../src/machine/host-files.js'
import { isTemporaryName } from '../../src/machine/write-new-file.js'
import { writeOverlay } from '../cli/scene.js'
import { sampleOf, tally } from '../support/amount.js'
import { failingHost } from '../support/failing-host.js'
import { hookedFiles, injected } from '../support/hooked-files.js'
import { temporaryDirectory } from '../support/paths.js'

// What is left of a verb that is killed at any of its calls, that fails once, or whose disk is full. Nothing half-made
// has a final name, and no input is touched.

const mtime = 1_700_000_000

interface Scene {
  readonly directory: string
  readonly at: (name: string) => string
}

/** An overlay on an image with holes and zeros, and a pack of both. The results go into `out`. */
async function makeScene(): Promise<Scene> {
  const directory = temporaryDirectory()
  const at = (name: string) => path.join(directory, name)
  const bytes = Buffer.alloc(640 * 1024)
  for (const block of [0, 3, 70, 71, 150]) bytes.fill(1 + block, block * 4096, (block + 1) * 4096)
  writeFileSync(at('root_fs'), bytes)
  utimesSync(at('root_fs'), mtime, mtime)
  const sectors = new Map([1, 2, 600, 1200].map((sector) => [sector, Buffer.alloc(512, sector)]))
  writeOverlay(at('cow'), { virtualSize: bytes.length, backing: at('root_fs'), mtime, sectors })
  const pair = [at('cow')] as const
  await pack(at('pack'), pair, { noSync: true, threads: 1 })
  mkdirSync(at('out'))
  return { directory, at }
}

/** Without programs of the host: each takes longer than all the rest. */
function withoutPrograms(files: HostFiles): HostFiles {
  const no = async () => false
  return { ...files, touch: no, reflink: no, copyByCp: no, extents: async () => null }
}

const verbs: Record<string, (scene: Scene, files: HostFiles) => Promise<unknown>> = {
  'pack, compressed': ({ at }, files) => pack(at('out/pack'), [at('cow')], { files, threads: 1 }),
  'pack, not compressed': ({ at }, files) => pack(at('out/pack'), [at('cow')], { files, compression: 'none' }),
  unpack: ({ at }, files) => unpack(at('pack'), { files, directory: at('out') }),
  'unpack over old files': ({ at }, files) => {
    for (const name of ['cow', 'root_fs']) writeFileSync(at(`out/${name}`), 'old')
    return unpack(at('pack'), { files, directory: at('out'), overwrite: true })
  },
  'convert to raw': ({ at }, files) => convert(at('cow'), at('out/raw'), { files }),
  'convert to qcow2': ({ at }, files) =>
    convert(at('cow'), at('out/qcow2'), { files, format: 'qcow2', outputBacking: at('root_fs') }),
  'convert to cow': ({ at }, files) =>
    convert(at('cow'), at('out/other'), { files, format: 'cow', outputBacking: at('root_fs') }),
  'compact in place': ({ at }, files) => compact(at('root_fs'), { files }),
  'compact to another file': ({ at }, files) => compact(at('cow'), { files, output: at('out/cow') }),
  copy: ({ at }, files) => copySparse(at('cow'), at('out/cow'), { files, preserve: true }),
}

/** A process that is killed, a call that fails, and one that fails after it has worked. */
const failures = ['forever', 'once', 'afterwards'] as const

type State = ReadonlyMap<string, string>

/** The content of all files but temporary ones; of inputs the mtime, too. */
function stateOf({ directory }: Scene): State {
  const state = new Map<string, string>()
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort()) {
    const file = path.join(directory, name)
    if (!statSync(file).isFile() || isTemporary(name)) continue
    const time = name.startsWith('out/') ? '' : statSync(file).mtimeMs
    state.set(name, `${time} ${createHash('sha1').update(readFileSync(file)).digest('hex')}`)
  }
  return state
}

const isTemporary = (name: string) => isTemporaryName(Buffer.from(path.basename(name)))

function temporaryNames({ directory }: Scene): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter(isTemporary)
}

const isSame = (a: State, b: State) => JSON.stringify([...a]) === JSON.stringify([...b])

/** Runs of one verb in one directory, which is as it was before each. */
class Runs {
  readonly scene: Scene
  private readonly saved = temporaryDirectory()
  private readonly run: (scene: Scene, files: HostFiles) => Promise<unknown>

  constructor(scene: Scene, run: Runs['run']) {
    this.scene = scene
    this.run = run
    copyFileSync(scene.at('root_fs'), path.join(this.saved, 'root_fs'))
  }

  /** @returns the error, or null */
  async once(files: HostFiles): Promise<unknown> {
    const { at } = this.scene
    for (const name of [...temporaryNames(this.scene), 'out']) rmSync(at(name), { recursive: true, force: true })
    mkdirSync(at('out'))
    copyFileSync(path.join(this.saved, 'root_fs'), at('root_fs'))
    utimesSync(at('root_fs'), mtime, mtime)
    return this.run(this.scene, withoutPrograms(files)).then(
      () => null,
      (error: unknown) => error,
    )
  }
}

describe.each(Object.keys(verbs))('%s', (verb) => {
  /** The states before and after, and the calls between them. */
  async function prepare() {
    const runs = new Runs(await makeScene(), verbs[verb]!)
    expect(await runs.once(failingHost(0, { failure: 'forever' }).files)).not.toBeNull()
    const before = stateOf(runs.scene)
    const host = failingHost(Number.POSITIVE_INFINITY)
    expect(await runs.once(host.files)).toBeNull()
    const done = stateOf(runs.scene)
    expect(host.calls.length).toBeGreaterThan(10)
    return { runs, before, done, calls: host.calls.map((call, index) => ({ call, index })) }
  }
  type Prepared = Awaited<ReturnType<typeof prepare>>
  const kindOf = ({ call }: { call: string }) => call.slice(0, call.indexOf(' '))

  async function cutShort({ runs, before, done, calls }: Prepared): Promise<void> {
    const all = failures.flatMap((failure) => calls.map((call) => ({ ...call, failure })))
    const chosen = sampleOf(`cut short: ${verb}`, all, 4)
    for (const { call, index, failure } of chosen) {
      const host = failingHost(index, { failure })
      const error = await runs.once(host.files)
      const where = `${failure}, call ${index}: ${call}`
      expect(host.openStores(), where).toBe(0)
      const after = stateOf(runs.scene)
      if (error !== null) expect(hasCode(error, 'EIO'), `${where}: ${error}`).toBe(true)
      if (failure === 'forever') {
        for (const [name, content] of after) expect([before.get(name), done.get(name)], where).toContain(content)
        for (const name of before.keys()) expect([...after.keys()], where).toContain(name)
        continue
      }
      expect(isSame(after, before) || isSame(after, done), `${where}: ${[...after.keys()]}`).toBe(true)
      if (error === null) expect(isSame(after, done), where).toBe(true)
      if (kindOf({ call }) !== 'unlink') expect(temporaryNames(runs.scene), where).toEqual([])
    }
    tally('verbs cut short', chosen.length)
  }

  async function fillDisk({ runs, before, calls }: Prepared): Promise<void> {
    const writes = calls.filter(({ call }) => call.startsWith('write ')).map((_, index) => index)
    expect(writes.length).toBeGreaterThan(0)
    for (const index of sampleOf(`full disk: ${verb}`, writes, 1)) {
      let seen = 0
      const files = hookedFiles((call) => {
        if (call.startsWith('write ') && seen++ >= index) throw injected('ENOSPC')
      }, failingHost(Number.POSITIVE_INFINITY).files)
      const error = await runs.once(files)
      expect(hasCode(error, 'ENOSPC'), `write ${index}: ${error}`).toBe(true)
      expect(isSame(stateOf(runs.scene), before), `write ${index}`).toBe(true)
      expect(temporaryNames(runs.scene)).toEqual([])
    }
  }

  it('leaves nothing half-made when it is killed or fails at any call, or the disk is full at any write', async () => {
    const prepared = await prepare()
    await cutShort(prepared)
    await fillDisk(prepared)
  })
})
