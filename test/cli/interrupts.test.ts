import { spawnSync } from 'node:child_process'
import { closeSync, constants, openSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { fakePrograms } from '../support/fake-programs.js'
import { root } from '../support/paths.js'
import {
  cpuSecondsOf,
  keepsUnwritten,
  makeLongScene,
  makeScene,
  namesIn,
  type Running,
  startUmlcow,
  untilFull,
  untilItWaits,
  waitUntil,
  writeOverlay,
} from './scene.js'

afterEach(() => void vi.unstubAllEnvs())

const statusOf = { SIGINT: 130, SIGTERM: 143 } as const
type StopSignal = keyof typeof statusOf
const stopSignals = Object.keys(statusOf) as StopSignal[]

/** Send the signal and wait for the end, before which the command may work for a second of processor time. */
async function expectStops(running: Running, signal: StopSignal): Promise<void> {
  const before = cpuSecondsOf(running.child)
  let last = before
  running.child.kill(signal)
  const isOver = () => {
    last = cpuSecondsOf(running.child) ?? last
    return running.child.exitCode !== null || running.child.signalCode !== null
  }
  await waitUntil(isOver, `the end after ${signal}`)
  const outcome = await running.ended
  expect(outcome).toMatchObject({ status: statusOf[signal], signal: null })
  expect(running.stderr()).toMatch(/^umlcow: stopped; /m)
  expect(running.stderr()).not.toMatch(/defect of umlcow|\n\s+at /)
  expect(last! - before!, 'seconds').toBeLessThan(1)
}

function isUnderWay(directory: string): boolean {
  return readdirSync(directory).some((name) => name.endsWith('.tmp'))
}

/** Wait until the process has the file open: it is past its start, and at work. */
async function untilOpen(running: Running, file: string): Promise<void> {
  const fds = `/proc/${running.child.pid}/fd`
  const isOpen = () => {
    try {
      return readdirSync(fds).some((fd) => readlinkSync(path.join(fds, fd)) === file)
    } catch {
      return false // It has closed the one that was being looked at.
    }
  }
  await waitUntil(isOpen, `${file} to be opened`)
}

describe('a merge into a new file', () => {
  it.each(stopSignals)('is stopped by %s, and nothing is left', async (signal) => {
    const scene = makeLongScene()
    keepsUnwritten(scene.cow, scene.backing)
    const running = startUmlcow(['merge', '--copier=read', scene.cow, scene.target])
    await waitUntil(() => isUnderWay(scene.directory), 'the temporary file')
    await expectStops(running, signal)
    expect(namesIn(scene.directory)).toEqual(['cow', 'root_fs'])
  })

  it('that would replace a file leaves the old one', async () => {
    const scene = makeLongScene()
    writeFileSync(scene.target, 'precious')
    keepsUnwritten(scene.cow, scene.backing, scene.target)
    const running = startUmlcow(['merge', '--copier=read', '--overwrite', scene.cow, scene.target])
    await waitUntil(() => isUnderWay(scene.directory), 'the temporary file')
    await expectStops(running, 'SIGINT')
    expect(namesIn(scene.directory)).toEqual(['cow', 'merged', 'root_fs'])
  })

  it('is stopped while it still counts sectors', async () => {
    const scene = makeLongScene(12 * 2 ** 40)
    const running = startUmlcow(['merge', scene.cow, scene.target])
    await untilOpen(running, scene.cow)
    await expectStops(running, 'SIGINT')
    expect(namesIn(scene.directory)).toEqual(['cow', 'root_fs'])
  })

  it('of a stand-in for uml_moo is stopped the same', async () => {
    const scene = makeLongScene()
    fakePrograms({ cp: 'exec sleep 600' })
    const running = startUmlcow(['moo', scene.cow, scene.target])
    await waitUntil(() => isUnderWay(scene.directory), 'the temporary file')
    await expectStops(running, 'SIGINT')
    expect(namesIn(scene.directory)).toEqual(['cow', 'root_fs'])
  })
})

/** A pipe that stays open and that nobody reads, as standard output. */
async function withFullPipe(args: string[], signal: StopSignal): Promise<void> {
  const directory = path.dirname(args.at(-1) as string)
  const fifo = path.join(directory, 'fifo')
  expect(spawnSync('mkfifo', [fifo]).status).toBe(0)
  const fd = openSync(fifo, constants.O_RDWR)
  try {
    const running = startUmlcow(args.slice(0, -1), { stdio: ['ignore', fd, 'pipe'] })
    await untilFull(fifo)
    await expectStops(running, signal)
  } finally {
    closeSync(fd)
    rmSync(fifo)
  }
}

describe('a pipe that nobody reads', () => {
  it.each(stopSignals)('does not keep a merge from being stopped by %s', async (signal) => {
    // What does not fit into the pipe never ends, however small the image.
    const scene = makeLongScene(2 ** 30)
    keepsUnwritten(scene.cow, scene.backing)
    await withFullPipe(['merge', scene.cow, '-', scene.cow], signal)
  })

  it('does not keep a map from being stopped', async () => {
    const scene = makeScene()
    const virtualSize = 8 * 2 ** 20
    const sectors = new Map<number, null>()
    for (let sector = 0; sector < virtualSize / 512; sector += 2) sectors.set(sector, null)
    writeOverlay(scene.cow, { virtualSize, backing: '/srv/uml/root_fs', sectors })
    await withFullPipe(['map', '--no-backing', '--json', scene.cow, scene.cow], 'SIGINT')
  })
})

describe('verbs that only look', () => {
  // The signal comes while the bitmap is looked through: of so large an image that takes some tenths of a second.
  it.each([
    ['check', ['--no-backing'], 'SIGINT'],
    ['map', ['--no-backing'], 'SIGINT'],
    ['check', ['--deep'], 'SIGTERM'],
  ] as const)('%s %j of a very large overlay is stopped by %s', (verb, options, signal) => {
    const scene = makeLongScene(12 * 2 ** 40)
    keepsUnwritten(scene.cow, scene.backing)
    const script = path.join(root, 'test/support/signalled-command.js')
    const args = [script, signal, 'readSync', '50', verb, ...options, scene.cow]
    const outcome = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 60_000 })
    expect(outcome).toMatchObject({ status: statusOf[signal], signal: null, stdout: '' })
    expect(outcome.stderr).toMatch(/^umlcow: stopped; .*\n$/)
  })

  it.each(stopSignals)('info that waits for standard input is stopped by %s', async (signal) => {
    const running = startUmlcow(['info', '-'], { stdio: ['pipe', 'ignore', 'pipe'] })
    await untilItWaits(running.child)
    await expectStops(running, signal)
  })
})

describe('the library', () => {
  interface Library {
    merge(cow: string, target: string, options: object): Promise<unknown>
    info(file: string, options: object): Promise<unknown>
    check(file: string, options: object): Promise<unknown>
    map(file: string, options: object): Promise<{ extents: AsyncIterable<unknown>; close(): Promise<void> }>
  }
  const load = (): Promise<Library> => import(path.join(root, 'dist/index.js'))

  it('rejects with INTERRUPTED when its signal fires in the middle', async () => {
    const { merge } = await load()
    const scene = makeLongScene()
    keepsUnwritten(scene.cow, scene.backing)
    const stop = new AbortController()
    const started = process.cpuUsage()
    const merged = merge(scene.cow, scene.target, {
      signal: stop.signal,
      onProgress: () => stop.abort(new Error('enough')),
    })
    await expect(merged).rejects.toMatchObject({
      name: 'AbortError',
      code: 'INTERRUPTED',
      cause: expect.objectContaining({ message: 'enough' }),
    })
    expect(process.cpuUsage(started).user, 'microseconds').toBeLessThan(5e6)
    expect(namesIn(scene.directory)).toEqual(['cow', 'root_fs'])
  })

  it('rejects with INTERRUPTED when its signal has fired before', async () => {
    const { merge, info, check } = await load()
    const scene = makeScene()
    keepsUnwritten(scene.cow, scene.backing)
    const signal = AbortSignal.abort()
    const interrupted = { name: 'AbortError', code: 'INTERRUPTED' }
    await expect(merge(scene.cow, scene.target, { signal })).rejects.toMatchObject(interrupted)
    await expect(info(scene.cow, { signal })).rejects.toMatchObject(interrupted)
    await expect(check(scene.cow, { signal, deep: true })).rejects.toMatchObject(interrupted)
    expect(namesIn(scene.directory)).toEqual(['cow', 'root_fs'])
  })

  it('goes on to the end with a signal that does not fire, and reports progress up to the size', async () => {
    const { merge } = await load()
    const scene = makeScene()
    const seen: { transferred: number; size: number }[] = []
    await merge(scene.cow, scene.target, {
      signal: new AbortController().signal,
      onProgress: (progress: { transferred: number; size: number }) => seen.push(progress),
    })
    expect(seen.at(-1)).toMatchObject({ transferred: scene.virtualSize, size: scene.virtualSize })
  })
})
