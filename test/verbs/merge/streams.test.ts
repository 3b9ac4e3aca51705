import { once } from 'node:events'
import { createReadStream, createWriteStream, readFileSync, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import path from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { setImmediate } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { exportTree, merge, openDirectorySource } from '../../../src/index.js'
import { generatePair, writePair } from '../../support/generate.js'
import { temporaryDirectory } from '../../support/paths.js'

const pair = generatePair(11, { layout: 'v3', sectorSize: 512, virtualSize: 700 * 512, pattern: 'runs' })

function makePair() {
  const directory = temporaryDirectory()
  const { overlayPath, backingPath } = writePair(pair, directory, { headerPath: 'absolute' })
  return { directory, cow: overlayPath, backing: backingPath }
}

/** Keeps each piece as it got it: umlcow must not fill that memory again. */
function collector(options: { slowly?: boolean } = {}) {
  const pieces: Uint8Array[] = []
  let mostWaiting = 0
  let waiting = 0
  const stream = new Writable({
    highWaterMark: 1,
    async write(piece: Uint8Array, _encoding, done) {
      mostWaiting = Math.max(mostWaiting, ++waiting)
      pieces.push(piece)
      if (options.slowly) for (let i = 0; i < 20; i++) await setImmediate()
      waiting--
      done()
    },
  })
  return { stream, bytes: () => Buffer.concat(pieces), mostWaiting: () => mostWaiting }
}

/** Takes the first piece, and never asks for another one. */
const stalled = () => new Writable({ write: () => {} })

const small = { bufferSize: 4096 }

describe('merge into a stream of Node', () => {
  test('writes the image and ends the stream; a stream was taken for a store', async () => {
    const { cow } = makePair()
    const { stream, bytes } = collector()
    const result = await merge(cow, stream, small)
    expect(result).toMatchObject({ inPlace: false, target: null, virtualSize: pair.merged.length })
    expect(stream.writableFinished).toBe(true)
    expect(bytes().equals(pair.merged)).toBe(true)
  })

  test('waits for a slow one: it never holds more than one piece', async () => {
    const { cow } = makePair()
    const { stream, bytes, mostWaiting } = collector({ slowly: true })
    await merge(cow, stream, small)
    expect(mostWaiting()).toBe(1)
    expect(stream.writableLength).toBe(0)
    expect(bytes().equals(pair.merged)).toBe(true)
  })

  test('takes one that is read at its other end', async () => {
    const { cow } = makePair()
    const through = new PassThrough()
    const [read] = await Promise.all([buffer(through), merge(cow, through, small)])
    expect(read.equals(pair.merged)).toBe(true)
  })

  test('fails with the error of the stream', async () => {
    const { cow } = makePair()
    const stream = new Writable({ write: (_piece, _encoding, done) => done(new Error('the reader has had enough')) })
    await expect(merge(cow, stream)).rejects.toThrow('the reader has had enough')
    expect(stream.destroyed).toBe(true)
  })

  test('fails when the stream closes before its end', async () => {
    const { cow } = makePair()
    const stream = new Writable({ write: () => stream.destroy() })
    await expect(merge(cow, stream)).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_STREAM/),
      message: 'the stream: was destroyed before its end',
    })
  })

  test('destroys a stream that has a part of the image, so that nobody takes it for the whole', async () => {
    const { cow } = makePair()
    const { stream, bytes } = collector()
    const onProgress = () => {
      throw new Error('mishap')
    }
    await expect(merge(cow, stream, { ...small, onProgress })).rejects.toThrow('mishap')
    expect(bytes().length).toBeGreaterThan(0)
    expect(stream).toMatchObject({ destroyed: true, writableEnded: false, errored: { message: 'mishap' } })
  })

  test('stops by its signal where the stream takes nothing more', async () => {
    const { cow } = makePair()
    const stop = new AbortController()
    const stream = stalled()
    const merging = merge(cow, stream, { ...small, signal: stop.signal })
    while (stream.writableLength === 0) await setImmediate()
    stop.abort()
    await expect(merging).rejects.toMatchObject({ name: 'AbortError', code: 'INTERRUPTED' })
    expect(stream.destroyed).toBe(true)
  })

  test('stops by its signal where the stream does not end', async () => {
    const { cow } = makePair()
    const stop = new AbortController()
    const stream = new Writable({ write: (_piece, _encoding, done) => done(), final: () => stop.abort() })
    await expect(merge(cow, stream, { signal: stop.signal })).rejects.toMatchObject({ code: 'INTERRUPTED' })
    expect(stream.destroyed).toBe(true)
  })

  test('leaves a stream as it is when it refuses, and in a dry run', async () => {
    const { cow, directory } = makePair()
    const { stream } = collector()
    const untouched = { destroyed: false, writableEnded: false, writableLength: 0 }
    const listeners = () => stream.eventNames().map((name) => [name, stream.listenerCount(name)])
    const before = listeners()
    await expect(merge(cow, stream, { backing: path.join(directory, 'absent') })).rejects.toMatchObject({
      code: 'BACKING_MISSING',
    })
    await expect(merge(cow, stream, { verify: true })).rejects.toMatchObject({ code: 'USAGE' })
    await expect(merge(cow, stream, { afterwards: 'reset' })).rejects.toMatchObject({ code: 'USAGE' })
    expect(await merge(cow, stream, { dryRun: true })).toMatchObject({ dryRun: true, target: null })
    expect(stream).toMatchObject(untouched)
    expect(listeners()).toEqual(before)
    stream.end()
  })

  test.each(['cow', 'backing'] as const)('refuses one that writes to the %s', async (name) => {
    const scene = makePair()
    const before = readFileSync(scene[name])
    const stream = createWriteStream(scene[name], { flags: 'r+' })
    await expect(merge(scene.cow, stream)).rejects.toMatchObject({ code: 'SAME_FILE' })
    stream.destroy()
    expect(readFileSync(scene[name]).equals(before)).toBe(true)
  })

  test('refuses one that is corked, where a write would never end', async () => {
    const stream = new PassThrough()
    stream.cork()
    await expect(merge(makePair().cow, stream)).rejects.toThrow(/: is corked$/)
  })

  test('refuses one that is destroyed or has ended, before it opens anything', async () => {
    const destroyed = new PassThrough()
    destroyed.destroy()
    const ended = new PassThrough()
    ended.end()
    for (const [stream, why] of [
      [destroyed, 'is destroyed already'],
      [ended, 'has ended already'],
    ] as const) {
      await expect(merge('absent', stream)).rejects.toThrow(new TypeError(`target: the stream ${why}`))
    }
  })

  test('refuses what is no target, names it by its class, and says what a file handle has', async () => {
    const { cow } = makePair()
    const handle = await open(cow)
    const input = createReadStream(cow)
    await once(input, 'ready')
    const expected = 'target: expected a path as a string, a file: URL or a writable stream, got'
    for (const [target, got] of [
      [input, '[ReadStream]'],
      [handle, '[FileHandle]; pass the stream of its createWriteStream()'],
      [1, '1'],
      [undefined, 'undefined'],
      [Buffer.from('x'), '<Buffer 78>'],
    ]) {
      await expect(merge('absent', target as never)).rejects.toThrow(new TypeError(`${expected} ${got}`))
    }
    input.destroy()
    await handle.close()
  })

  test('writes a file through one of fs, and names it where it cannot be opened', async () => {
    const { cow, directory } = makePair()
    const file = path.join(directory, 'merged')
    await merge(cow, createWriteStream(file))
    expect(readFileSync(file).equals(pair.merged)).toBe(true)
    const absent = path.join(directory, 'absent/merged')
    await expect(merge(cow, createWriteStream(absent))).rejects.toMatchObject({
      code: 'ENOENT',
      message: expect.stringContaining(absent),
    })
  })
})

describe('merge into a stream of the web', () => {
  test('writes the image and closes the stream', async () => {
    const { cow } = makePair()
    const pieces: Uint8Array[] = []
    let isClosed = false
    const stream = new WritableStream<Uint8Array>({
      async write(piece) {
        pieces.push(piece)
        await setImmediate()
      },
      close() {
        isClosed = true
      },
    })
    expect(await merge(cow, stream, small)).toMatchObject({ target: null })
    expect(Buffer.concat(pieces).equals(pair.merged)).toBe(true)
    expect([isClosed, stream.locked]).toEqual([true, false])
  })

  test('aborts one that has a part of the image, and leaves one alone that has nothing', async () => {
    const { cow, directory } = makePair()
    const reasons: unknown[] = []
    const stop = new AbortController()
    const stream = new WritableStream<Uint8Array>({
      write: async () => stop.abort('enough'),
      abort: (reason) => void reasons.push(reason),
    })
    const backing = path.join(directory, 'absent')
    await expect(merge(cow, stream, { backing })).rejects.toMatchObject({ code: 'BACKING_MISSING' })
    expect([stream.locked, reasons]).toEqual([false, []])
    await expect(merge(cow, stream, { ...small, signal: stop.signal })).rejects.toMatchObject({ code: 'INTERRUPTED' })
    expect(reasons).toEqual([expect.objectContaining({ code: 'INTERRUPTED', cause: 'enough' })])
  })

  test.each([undefined, 'nope', new Error('nope')])(
    'rejects with an error when its reader cancels: %s',
    async (reason) => {
      const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
      await readable.cancel(reason)
      const failed = expect(merge(makePair().cow, writable)).rejects
      if (reason instanceof Error) await failed.toBe(reason)
      else await failed.toMatchObject({ code: 'CLOSED', message: expect.stringMatching(/: its reader has gone$/) })
    },
  )

  test('refuses one that is locked', async () => {
    const stream = new WritableStream()
    stream.getWriter()
    const why = 'target: the stream is locked: it has another writer'
    await expect(merge(makePair().cow, stream)).rejects.toThrow(new TypeError(why))
  })
})

test('exportTree writes an archive into a stream', async () => {
  const { directory } = makePair()
  const { stream, bytes } = collector()
  const result = await exportTree(openDirectorySource(directory), stream, { format: 'tar' })
  expect(result).toMatchObject({ target: null, entries: 3, written: bytes().length })
  expect(bytes().length).toBeGreaterThan(statSync(directory).size)
  expect(stream.writableFinished).toBe(true)
})
