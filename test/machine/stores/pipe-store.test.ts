import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, openSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { openPipeStore } from '../../../src/machine/stores/pipe-store.js'
import { isSyncStore, writeExact } from '../../../src/stores/block-store.js'
import { temporaryDirectory } from '../../support/paths.js'

describe('a pipe store', () => {
  test('takes bytes in order and tells how many it has taken', async () => {
    const filePath = path.join(temporaryDirectory(), 'out')
    const fd = openSync(filePath, 'w')
    try {
      const store = openPipeStore(fd, 'standard output')
      expect(isSyncStore(store)).toBe(false)
      expect(store.size).toBe(0)
      await writeExact(store, 0, Uint8Array.of(1, 2, 3))
      expect(store.size).toBe(3)
      await store.truncate(1000)
      await store.sync()
      expect(store.size).toBe(3)
      await writeExact(store, 3, Uint8Array.of(4))
      await store.close()
    } finally {
      closeSync(fd)
    }
    expect([...readFileSync(filePath)]).toEqual([1, 2, 3, 4])
  })

  test('goes neither back nor forward, and cannot be read', async () => {
    const fd = openSync('/dev/null', 'w')
    try {
      const store = openPipeStore(fd, 'standard output')
      await writeExact(store, 0, Uint8Array.of(1, 2))
      for (const offset of [0, 1, 3, -1]) {
        await expect(store.write(offset, Uint8Array.of(9))).rejects.toMatchObject({
          code: 'OUT_OF_RANGE',
          message: `standard output: cannot write at offset ${offset}: not seekable`,
        })
      }
      await expect(store.read(0, new Uint8Array(1))).rejects.toMatchObject({ code: 'OUT_OF_RANGE' })
      expect(store.size).toBe(2)
    } finally {
      closeSync(fd)
    }
  })

  test('says what the system says', async () => {
    const fd = openSync('/dev/full', 'w')
    try {
      const store = openPipeStore(fd, 'standard output')
      await expect(store.write(0, Uint8Array.of(1))).rejects.toMatchObject({
        code: 'ENOSPC',
        message: 'standard output: cannot write: ENOSPC: no space left on device',
      })
      expect(store.size).toBe(0)
    } finally {
      closeSync(fd)
    }
  })

  test('waits for a slow reader of a pipe that is not blocking', async () => {
    const fifo = path.join(temporaryDirectory(), 'fifo')
    expect(spawnSync('mkfifo', [fifo]).status).toBe(0)
    const script = `
      const fs = require('node:fs'), crypto = require('node:crypto')
      const fd = fs.openSync(process.argv[1], 'r'), hash = crypto.createHash('sha256'), part = Buffer.alloc(65536)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
      for (let n; (n = fs.readSync(fd, part)) > 0; ) hash.update(part.subarray(0, n))
      console.log(hash.digest('hex'))`
    const reader = spawn(process.execPath, ['-e', script, fifo], { stdio: ['ignore', 'pipe', 'inherit'] })
    let said = ''
    reader.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
    const ended = once(reader, 'close')
    // Opening for both never waits; the reader opens it in its own time.
    const keep = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK)
    try {
      const store = openPipeStore(keep, 'pipe')
      // More than a pipe holds, so that writes meet a full one.
      const bytes = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 7) % 251)
      await writeExact(store, 0, bytes)
      expect(store.size).toBe(bytes.length)
      closeSync(keep)
      await ended
      const { createHash } = await import('node:crypto')
      expect(said.trim()).toBe(createHash('sha256').update(bytes).digest('hex'))
    } finally {
      reader.kill()
    }
  })
})
