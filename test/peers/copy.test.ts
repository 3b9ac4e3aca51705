import { execFileSync } from 'node:child_process'
import { closeSync, ftruncateSync, openSync, readFileSync, statSync, writeSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { copySparse } from '../../src/index.js'
import { amount, diceFor } from '../support/amount.js'
import { temporaryDirectory } from '../support/paths.js'
import { havePeers } from '../support/peers.js'

const mebibyte = 2 ** 20

/** A file of holes, stored zeros and data at random places, with a tail. */
function writeSparse(file: string, size: number, pieces: number): void {
  const dice = diceFor(file.slice(-1))
  const fd = openSync(file, 'w', 0o640)
  for (let i = 0; i < pieces; i++) {
    const start = dice.below(size)
    const bytes = Buffer.alloc(Math.min(size - start, 1 + dice.below(100_000)), i % 3 === 0 ? '\0' : 'data')
    writeSync(fd, bytes, 0, bytes.length, start)
  }
  ftruncateSync(fd, size)
  closeSync(fd)
}

const storedSize = (file: string) => statSync(file).blocks * 512

describe.skipIf(!havePeers('/usr/bin/cp', '/usr/bin/touch'))('copy beside cp -p --sparse', () => {
  it('gives the same bytes, times and permissions, and stores no more', async () => {
    const directory = temporaryDirectory()
    const file = (name: string) => path.join(directory, name)
    const shapes = amount({ quick: 2, deep: 40 })
    for (let i = 0; i < shapes; i++) {
      const size = i % 2 === 0 ? 80 * mebibyte + i * 511 : 3 * mebibyte + i * 511
      writeSparse(file('from'), size, 20)
      execFileSync('/usr/bin/touch', ['-d', '@1234567890.123456789', file('from')])
      execFileSync('/usr/bin/cp', ['-p', '--sparse=always', file('from'), file('cp')])
      const result = await copySparse(file('from'), file('ours'), { preserve: true, noSync: true, overwrite: true })
      expect(result).toMatchObject({ mtime: 'nanoseconds', warnings: [] })
      expect(Buffer.compare(readFileSync(file('ours')), readFileSync(file('from')))).toBe(0)
      const [ours, theirs] = ['ours', 'cp'].map((name) => statSync(file(name), { bigint: true }))
      expect([ours!.mtimeNs, ours!.mode, ours!.uid]).toEqual([theirs!.mtimeNs, theirs!.mode, theirs!.uid])
      if (result.copier === 'extents' || result.copier === 'read') {
        expect(storedSize(file('ours'))).toBeLessThanOrEqual(storedSize(file('cp')) + 64 * 1024)
      }
    }
  })
})
