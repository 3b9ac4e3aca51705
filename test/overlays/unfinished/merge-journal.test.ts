import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { localHostFiles } from '../../../src/machine/host-files.js'
import { livenessOf, thisProcess } from '../../../src/machine/processes/process-identity.js'
import {
  createJournal,
  createMarker,
  isPinned,
  type MergeJournal,
  readJournal,
  readMarker,
  replaceJournal,
} from '../../../src/overlays/unfinished/merge-journal.js'
import { runs } from '../../support/amount.js'
import { temporaryDirectory } from '../../support/paths.js'

const overlay = { path: Buffer.from('/a/cow'), device: 2n ** 63n, inode: 7n, headerDigest: 'ab', mtime: 4294967295 }

const journal: MergeJournal = {
  process: thisProcess(),
  started: '2024-05-01T12:00:00.000Z',
  phase: 'preparing',
  overlay,
  backing: {
    path: Buffer.from('/a/root \xff fs', 'latin1'),
    device: 1n,
    inode: 2n,
    size: 2 ** 40,
    mtime: 5,
    mtimeNanoseconds: 999_999_999,
    kind: 'file',
  },
  mtimes: { shown: 5, invalid: 9, final: 8 },
  siblings: [{ ...overlay, path: Buffer.from('/a/\n"sibling"'), leads: false }],
  backup: { ...overlay, path: Buffer.from('/a/undo'), leads: true },
  afterwards: 'reset',
  noSync: false,
  verify: true,
  allowShort: false,
  leadsToBacking: true,
}

function place(name = 'cow.umlcow-journal'): Buffer {
  return Buffer.from(path.join(temporaryDirectory(), name))
}

describe('the journal of a merge', () => {
  it('reads back as it was written, paths that are no text included', async () => {
    const file = place()
    expect(await readJournal(localHostFiles, file)).toBeNull()
    await createJournal(localHostFiles, file, journal)
    expect(await readJournal(localHostFiles, file)).toEqual({ journal })
    await replaceJournal(localHostFiles, file, { ...journal, phase: 'writing', backup: null })
    expect(await readJournal(localHostFiles, file)).toEqual({ journal: { ...journal, phase: 'writing', backup: null } })
  })

  it('is never written over another', async () => {
    const file = place()
    writeFileSync(file, 'x')
    await expect(createJournal(localHostFiles, file, journal)).rejects.toMatchObject({ code: 'TARGET_EXISTS' })
    await expect(createMarker(localHostFiles, file, overlay.path, true)).rejects.toMatchObject({
      code: 'TARGET_EXISTS',
    })
  })

  it('is null, and no crash, when a byte of it or its end is missing or changed', async () => {
    const file = place()
    await createJournal(localHostFiles, file, journal)
    const whole = readFileSync(file)
    for (let length = 0; length < whole.length - 1; length += 7) {
      writeFileSync(file, whole.subarray(0, length))
      expect(await readJournal(localHostFiles, file)).toEqual({ journal: null })
    }
  })

  it('takes nothing on trust: any value of any field gives a journal or null', async () => {
    const file = place()
    await createJournal(localHostFiles, file, journal)
    const document = JSON.parse(readFileSync(file, 'utf8'))
    const values = fc.oneof(fc.jsonValue(), fc.constantFrom(-1, 2 ** 60, '-1', '1e9', '\0', { base64: '!' }, null))
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...Object.keys(document)), values, async (key, value) => {
        writeFileSync(file, JSON.stringify({ ...document, [key]: value }))
        expect(await readJournal(localHostFiles, file)).toHaveProperty('journal')
      }),
      { numRuns: runs(300) },
    )
  })

  it('knows a file again by its inode alone once the machine was started again', () => {
    const facts = { device: 1n, inode: 7n } as Parameters<typeof isPinned>[1]
    expect(isPinned(overlay, facts, true)).toBe(false)
    expect(isPinned(overlay, facts, false)).toBe(true)
    expect(isPinned(overlay, { ...facts, inode: 8n }, false)).toBe(false)
  })
})

describe('the marker', () => {
  it('names the overlay', async () => {
    const file = place('root_fs.umlcow-merging')
    await createMarker(localHostFiles, file, overlay.path, false)
    expect(await readMarker(localHostFiles, file)).toEqual({ overlayPath: overlay.path })
    writeFileSync(file, '{"kind":"something else"}')
    expect(await readMarker(localHostFiles, file)).toEqual({ overlayPath: null })
  })
})

describe('livenessOf', () => {
  const self = thisProcess()

  it('knows that a running process runs', () => {
    const parent = { ...self, pid: process.ppid }
    expect(livenessOf(parent, self)).toBe('ended') // The same number with another start time is another process.
    expect(livenessOf({ ...parent, startTime: startTimeOf(process.ppid) }, self)).toBe('running')
  })

  it('takes itself for no other', () => expect(livenessOf(self, self)).toBe('ended'))

  it('knows that a process has ended', () => {
    expect(livenessOf({ ...self, pid: 4194305, startTime: '1' }, self)).toBe('ended')
  })

  it('knows that a restart of the same machine has ended it', () => {
    expect(livenessOf({ ...self, boot: 'another' }, { ...self, machine: 'm' })).toBe('unknown')
    expect(livenessOf({ ...self, machine: 'm', boot: 'another' }, { ...self, machine: 'm' })).toBe('ended')
    expect(livenessOf({ ...self, machine: 'm', boot: 'another', hostName: 'x' }, { ...self, machine: 'm' })).toBe(
      'unknown',
    )
  })

  it('never assumes it of another pid namespace, or of a host that tells nothing', () => {
    expect(livenessOf({ ...self, pid: 1, pidNamespace: 'pid:[1]' }, self)).toBe('unknown')
    expect(livenessOf({ ...self, boot: null }, self)).toBe('unknown')
  })
})

function startTimeOf(pid: number): string {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? ''
}
