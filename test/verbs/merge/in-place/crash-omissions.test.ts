import './quick.js'
import { describe, expect, test } from 'vitest'
import { mergeBySteps } from '../../../../src/verbs/merge/in-place/merge-in-place.js'
import { type ProtocolStep, protocol } from '../../../../src/verbs/merge/in-place/step-order.js'
import { refreshSiblings } from '../../../../src/verbs/merge/in-place/steps.js'
import { resumeMerge } from '../../../../src/verbs/merge/in-place/unfinished/resume.js'
import { amount, sampleOf, seedFor } from '../../../support/amount.js'
import { checkMerge } from './crash-checker.js'
import { bootGuest, factsFor, openedByKernel, readThrough } from './kernel-rule.js'
import {
  bitsBeforeData,
  both,
  type Mishap,
  withClockAhead,
  withLostWrite,
  withoutDirectorySync,
  withoutSync,
  withTimesAhead,
  withTimesBelieved,
} from './mishaps.js'
import { evenSeconds, makeScene, type Scene } from './scene.js'
import { type Effort, type MergeCase, optionsOf } from './story.js'

// The checker is checked: whatever is left out of the protocol, or done in another order, it has to find. This is also
// the proof that every step and every sync is needed.

const whole: MergeCase = {
  name: 'whole',
  seed: 31,
  virtualSize: 32 * 1024,
  sectors: 8,
  siblings: true,
  apart: true,
  afterwards: 'reset',
  backup: true,
  arrivalsEvery: 6,
}
const effort: Effort = { limit: 16, samples: 9, between: 0, again: 0, enough: 2 }

/** Where nothing is to be found, all states would be looked at. */
const soundEffort: Effort = amount({
  quick: { ...effort, limit: 2, samples: 1, oneIn: 2, seed: seedFor('whole') },
  deep: effort,
})

async function violationsOf(
  steps: readonly ProtocolStep[],
  mishap: Mishap = (files) => files,
  which = whole,
  how = effort,
): Promise<string> {
  const { violations } = await checkMerge(which, how, { steps, mishap })
  return violations.join('\n')
}

test('of the whole protocol it says nothing', async () => {
  expect(await violationsOf(protocol, (files) => files, whole, soundEffort)).toBe('')
})

describe('a step is left out', () => {
  // `null`: it needs a scene of its own, below.
  const expected: Record<string, RegExp | null> = {
    syncRedoLogs: /O is opened and reads wrong/,
    writeJournal: /nothing was begun, and the kernel does not open O,S1,S2/,
    // Guests then write to O, too, and what a resume finds in the siblings does not fit that.
    invalidateBacking: /U is opened|S1 is not opened/,
    lookAgain: null,
    copyUpIntoSiblings: /S1 is opened and reads wrong/,
    declareWriting: /abandoned: O is not opened/,
    writeSectors: /the backing file is not what it should have become/,
    verifyWritten: null,
    setFinalMtime: /O is not opened/,
    refreshSiblings: /S1 is not opened/,
    resetOverlay: /O was not emptied/,
    commitOverlay: /O is not opened/,
    removeJournal: /a journal or marker is left/,
  }

  test('the table has every step', () => {
    expect(Object.keys(expected)).toEqual(protocol.map(({ name }) => name))
  })

  const rows = Object.entries(expected).flatMap(([name, found]) => (found === null ? [] : [{ name, found }]))
  test.each(rows)('$name', async ({ name, found }) => {
    expect(await violationsOf(protocol.filter((step) => step.name !== name))).toMatch(found)
  })
})

describe('two steps change places', () => {
  const swaps: [string, string, RegExp][] = [
    ['syncRedoLogs', 'writeJournal', /O is opened and reads wrong/],
    ['writeJournal', 'invalidateBacking', /nothing was begun, and the kernel does not open O/],
    ['invalidateBacking', 'writeSectors', /S1 is opened and reads wrong/],
    ['copyUpIntoSiblings', 'writeSectors', /S1 is opened and reads wrong/],
    ['declareWriting', 'writeSectors', /abandoned: O is not opened/],
    ['writeSectors', 'setFinalMtime', /O is not opened/],
    ['refreshSiblings', 'commitOverlay', /resumed: S1 is not opened/],
    ['resetOverlay', 'commitOverlay', /resumed: O was not emptied/],
    ['commitOverlay', 'removeJournal', /resumed: O is not opened/],
  ]
  test.each(sampleOf('swaps', swaps, 2))('%s and %s', async (one, other, found) => {
    const byName = new Map(protocol.map((step) => [step.name, step]))
    const nameInstead = (name: string) => (name === one ? other : name === other ? one : name)
    expect(await violationsOf(protocol.map(({ name }) => byName.get(nameInstead(name))!))).toMatch(found)
  })
})

describe('a sync is left out', () => {
  const nobodyIsTold = /neither old nor new, and nobody is told|a marker without a journal/
  const fileSyncs: Record<string, (RegExp | null)[]> = {
    // The first of the undo overlay and the one with the other siblings stand in for each other.
    '/u/undo': [
      null,
      null,
      /undo overlay (lies|does not)/,
      /undo overlay (lies|does not)/,
      /undo overlay does not take the merge back/,
    ],
    '/o/O': [
      /O is opened and reads wrong/,
      /resumed: (it failed: .* ends before|the backing file is not what)/,
      /O has not its full length/,
      /O is not opened/,
    ],
    '/o/S2': [
      /S2 is (.* reads wrong|not opened)/,
      /S2 is (.* reads wrong|not opened)/,
      /S2 is (.* reads wrong|not opened)/,
      /S2 is not opened/,
    ],
    '/s/S1': [
      /S1 is (.* reads wrong|not opened)/,
      /S1 is (.* reads wrong|not opened)/,
      /S1 is (.* reads wrong|not opened)/,
      /S1 is not opened/,
    ],
    '/o/O.umlcow-journal': [/umlcow-journal cannot be read/, /umlcow-journal cannot be read/],
    '/b/root_fs.umlcow-merging': [/umlcow-merging cannot be read|a wrong marker/],
    '/b/root_fs': [/U is opened/, /final mtime and not its final content/, /O is not opened/],
  }
  const directorySyncs: Record<string, (RegExp | null)[]> = {
    '/u': [/undo overlay does not take the merge back/],
    '/o': [nobodyIsTold, /abandoned: |resumed: it failed: .* was written to since/, /a journal or marker is left/],
    '/b': [/nobody is told|does not name this merge/, /a marker without a journal/],
  }

  test('the table has every sync', async () => {
    const scene = await makeScene(whole)
    const from = scene.disk.log.length
    const options = { ...optionsOf(scene, whole), files: scene.disk.files }
    await mergeBySteps(scene.paths.get('O')!, options, protocol)
    const calls = scene.disk.log.slice(from).map(({ call }) => call)
    const countOf = (call: string) => calls.filter((one) => one === call).length
    for (const [name, all] of Object.entries(fileSyncs)) expect(countOf(`sync ${name}`), name).toBe(all.length)
    for (const [name, all] of Object.entries(directorySyncs)) {
      expect(countOf(`syncDirectory ${name}`), name).toBe(all.length)
    }
    const inTable = [...Object.values(fileSyncs), ...Object.values(directorySyncs)].flat().length
    expect(calls.filter((call) => call.startsWith('sync'))).toHaveLength(inTable)
  })

  // In a quick run one of each file or directory.
  const rowsOf = (table: typeof fileSyncs) => {
    const rows = Object.entries(table).flatMap(([name, all]) =>
      all.flatMap((found, index) => (found === null ? [] : [{ name, number: index + 1, found }])),
    )
    return sampleOf('syncs', rows, 0, ({ name }) => name)
  }
  test.each(rowsOf(fileSyncs))('of $name, number $number', async ({ name, number, found }) => {
    // More states than elsewhere: one of a few dozen shows it.
    const how = { ...effort, limit: 64 }
    expect(await violationsOf(protocol, withoutSync(name, number), whole, how)).toMatch(found)
  })
  test.each(rowsOf(directorySyncs))('of the directory $name, number $number', async ({ name, number, found }) => {
    expect(await violationsOf(protocol, withoutDirectorySync(name, number))).toMatch(found)
  })
  test('both of the undo overlay before it takes anything', async () => {
    const mishap = both(withoutSync('/u/undo', 1), withoutSync('/u/undo', 1))
    expect(await violationsOf(protocol, mishap)).toMatch(/undo: is no overlay any more|undo overlay/)
  })
})

describe('something is done wrong', () => {
  test('the bits of a sibling before its data', async () => {
    const { dataOffset } = factsFor(3, whole.virtualSize!)
    expect(await violationsOf(protocol, bitsBeforeData('/s/S1', dataOffset))).toMatch(/S1 is opened and reads wrong/)
  })

  test('a final mtime of a second that is still to come', async () => {
    const slow = { ...whole, tickPerCall: 60, arrivalsEvery: 1 }
    const { disk } = await makeScene(slow)
    const begin = disk.files.clock.now()
    const written = await timeOfWrite(slow)
    // A clock of the program that is wrong does no harm.
    expect(await violationsOf(protocol, withClockAhead(written - begin + 1000), slow, soundEffort)).toBe('')
    const ahead = Math.floor(written / 1000) - Math.floor(begin / 1000) + 1
    const found = await violationsOf(protocol, withTimesAhead(ahead), slow)
    expect(found).toMatch(/N\d+, made during the merge, is opened and reads wrong/)
  })

  /** When the second write to the backing file is made. */
  async function timeOfWrite(which: MergeCase): Promise<number> {
    const times: number[] = []
    const note = (scene: Scene) =>
      scene.disk.onEffect(({ kind, call, at }) => {
        if (kind === 'data' && call === 'write /b/root_fs') times.push(at)
      })
    await checkMerge(which, { ...effort, limit: 1, samples: 0 }, { prepare: note })
    return times[1]!
  }

  test('mtimes that the file system does not keep', async () => {
    const coarse = { ...whole, keptTime: evenSeconds }
    expect(await violationsOf(protocol, (files) => files, coarse, soundEffort)).toBe('')
    const found = await violationsOf(protocol, withTimesBelieved, coarse)
    expect(found).toMatch(/the merge failed: .* cannot hold the modification time/)
  })

  test('the header of a stale sibling is refreshed, too', async () => {
    const touching = protocol.map((step) => (step.run === refreshSiblings ? { ...step, run: touchStale } : step))
    expect(await violationsOf(touching)).toMatch(/T is opened/)
  })

  const touchStale: ProtocolStep['run'] = async (work) => {
    await refreshSiblings(work)
    const store = await work.files.open('/b/T', 'readWrite')
    const mtime = Buffer.alloc(4)
    mtime.writeUInt32BE(work.files.statOpen(work.backing.store).mtime)
    await store.write(8, mtime)
    await store.sync()
    await store.close()
  }
})

describe('lookAgain', () => {
  /** A guest boots on S1 once the guard has found nothing, and writes there when S1 has taken its copies. */
  function letSlipIn({ disk, paths, old }: Scene): void {
    const path = paths.get('S1')!
    let guest: ReturnType<typeof bootGuest> | null = null
    disk.onEffect(async (effect, index) => {
      if (effect.call === 'link /o/O.umlcow-journal') {
        expect(openedByKernel(disk, path, '/b/root_fs')).not.toBeNull()
        guest = bootGuest(disk, path)
        disk.usersOf = ({ inode }) => {
          const isS1 = inode === disk.facts(path).inode
          return { users: isS1 ? [{ pid: 7, access: 'write', seen: 'lock' }] : [], unseen: [] }
        }
      }
      const syncs = disk.log.slice(0, index + 1).filter(({ call }) => call === 'sync /b/root_fs')
      if (effect.call === 'sync /b/root_fs' && syncs.length === 2) {
        // What the sectors hold already: only its view of the bitmap, from when it booted, does harm.
        const seen = readThrough(disk.readFile(path), old)
        await guest!.write(
          new Map([0, 20, 40].map((sector) => [sector, seen.subarray(sector * 512, (sector + 1) * 512)])),
        )
      }
    })
  }

  test('with it, the merge is taken back', async () => {
    const scene = await makeScene(whole)
    const { disk, paths, backing, old } = scene
    letSlipIn(scene)
    const merge = mergeBySteps(paths.get('O')!, { ...optionsOf(scene, whole), files: disk.files }, protocol)
    await expect(merge).rejects.toMatchObject({ code: 'IN_USE' })
    expect(disk.readFile(backing).equals(old)).toBe(true)
    for (const name of ['O', 'S1', 'S2', 'U'] as const) {
      const opened = openedByKernel(disk, paths.get(name)!, backing)
      expect(opened !== null && readThrough(opened, old).equals(scene.content.get(name)!), name).toBe(true)
    }
    expect([...disk.snapshot().keys()].filter((name) => name.includes('umlcow'))).toEqual([])
  })

  test('without it, the checker finds what comes of that', async () => {
    const steps = protocol.filter(({ name }) => name !== 'lookAgain')
    const { violations } = await checkMerge(whole, effort, { steps, prepare: letSlipIn })
    expect(violations.join('\n')).toMatch(/S1 is opened and reads wrong/)
  })
})

describe('verifyWritten', () => {
  const verified = { ...whole, verify: true }

  test('with it, a write that the disk has lost is found, and a resume repairs it', async () => {
    const scene = await makeScene(verified)
    const { disk, paths, backing, content } = scene
    const files = withLostWrite(backing)(disk.files, scene)
    const merge = mergeBySteps(paths.get('O')!, { ...optionsOf(scene, verified), files }, protocol)
    await expect(merge).rejects.toMatchObject({ code: 'VERIFY_FAILED' })
    expect(openedByKernel(disk, paths.get('S1')!, backing)).toBeNull()
    await resumeMerge(paths.get('O')!, { files: disk.files, siblingsIn: scene.siblingsIn })
    expect(disk.readFile(backing).equals(content.get('O')!)).toBe(true)
  })

  test('without it, the checker finds what comes of that', async () => {
    const steps = protocol.filter(({ name }) => name !== 'verifyWritten')
    expect(await violationsOf(steps, withLostWrite('/b/root_fs'), verified)).toMatch(/not what it should have become/)
  })
})
