import { UmlcowError } from '../../../errors.js'
import { computeLayout, markUndo } from '../../../formats/cow/index.js'
import { refuseUnlessForced } from '../../../machine/findings.js'
import { type FileFacts, type HostFiles, isSameFile, mtimeNanoseconds } from '../../../machine/host-files.js'
import { writeNewFile } from '../../../machine/new-file.js'
import { directoryName, joinPath } from '../../../machine/path-bytes.js'
import { lockFiles } from '../../../machine/processes/file-locks.js'
import { thisProcess } from '../../../machine/processes/process-identity.js'
import type { HostLock } from '../../../machine/processes/process-lock.js'
import { inspectBacking } from '../../../overlays/backing.js'
import { guardTarget } from '../../../overlays/guard-target.js'
import { headerDigest } from '../../../overlays/header-digest.js'
import { mayLeadTo } from '../../../overlays/header-targets.js'
import { openInput } from '../../../overlays/open.js'
import { type Overlay, openOverlay } from '../../../overlays/open-overlay.js'
import type { LocatedFile } from '../../../overlays/resolve-backing.js'
import type { Sibling } from '../../../overlays/siblings/siblings.js'
import {
  journalPathOf,
  type MergeJournal,
  markerPathOf,
  type PinnedOverlay,
  type PinnedSibling,
} from '../../../overlays/unfinished/merge-journal.js'
import { writeExact } from '../../../stores/block-store.js'
import { refuseTruncated } from '../check-inputs.js'
import { chooseBackingMtimes } from './backing-mtime.js'
import { shownMtimes } from './mtimes.js'
import type { InPlaceOptions } from './options.js'
import { type Survey, survey } from './survey.js'
import type { InPlaceWork } from './work.js'

/** A survey that speaks for the merge, and the locks that keep it true for every other umlcow. */
export interface Ready extends Survey {
  readonly overlay: Overlay & { readonly path: Buffer }
  readonly backing: LocatedFile
  readonly locks: readonly HostLock[]
}

/** An overlay and its backing file as they were found before anything was locked: this tells what to lock. */
export interface FirstLook {
  readonly path: string
  readonly facts: FileFacts
  readonly located: LocatedFile | null
}

export async function lookFirst(files: HostFiles, path: string, options: InPlaceOptions): Promise<FirstLook> {
  const overlay = await openOverlay(files, path)
  try {
    const { located } = await inspectBacking(files, overlay, options)
    return { path, facts: overlay.facts, located }
  } finally {
    await overlay.store.close()
  }
}

/**
 * Lock and look at everything, and open the overlay. The backing file is locked first: of two merges into it, one finds
 * it taken before it holds anything that the other needs.
 *
 * @throws UmlcowError with all that was found; nothing is open and nothing locked then
 */
export async function makeReady(files: HostFiles, first: FirstLook, options: InPlaceOptions): Promise<Ready> {
  const { path, located } = first
  const locks: HostLock[] = []
  let overlay: Overlay | null = null
  try {
    // An overlay that is its own backing file is the survey's to refuse.
    if (located !== null && !isSameFile(located.facts, first.facts)) locks.push(await lockFiles(files, [located]))
    locks.push(await lockFiles(files, [first]))

    const realPath = await files.realPath(path)
    overlay = await openOverlay(files, path, options.afterwards === 'leave' ? 'read' : 'readWrite')
    const found = await survey(files, overlay, options)
    refuseUnlessForced(found.findings, options.force)
    // Until the locks were ours, another umlcow may have been at work.
    const isSame = located !== null && found.backing !== null && isSameFile(located.facts, found.backing.facts)
    if (!isSame || !isSameFile(overlay.facts, first.facts)) {
      throw new UmlcowError('INPUT_CHANGED', `${overlay.store.name}: was changed while it was looked at; try again`)
    }
    if (!options.allowShort) await refuseTruncated(overlay, options.signal)
    return { ...found, overlay: { ...overlay, path: realPath }, backing: found.backing, locks }
  } catch (error) {
    await overlay?.store.close()
    for (const lock of locks) await lock.release()
    throw error
  }
}

/** Open the backing file for writing, make the undo overlay, and put together what the protocol needs. */
export async function prepareWork(files: HostFiles, ready: Ready, options: InPlaceOptions): Promise<InPlaceWork> {
  const { overlay, kept, leadsToBacking, search } = ready
  const path = await files.realPath(ready.backing.path)
  const backing = { ...(await openInput(files, path, 'readWrite')), path }
  try {
    const shown = shownMtimes(backing.facts)
    const headers = [overlay.header.mtime, ...[...search.siblings, ...search.others].map(({ header }) => header.mtime)]
    const mtimes = await chooseBackingMtimes(files, backing, { headers, shown }, options.signal)
    const place = { overlay, backing, leadsToBacking, mtimes }
    const isFile = backing.facts.kind === 'file'
    const journalPath = await journalPathOf(files, overlay.path)
    const markerPath = isFile
      ? await markerPathOf(files, path)
      : Buffer.concat([overlay.path, Buffer.from('.umlcow-merging')])
    const siblings: PinnedSibling[] = []
    for (const one of kept) siblings.push(await pinSibling(files, one, backing.facts))
    // Last: nothing that fails after it would remove it.
    const undo = options.backup === undefined ? null : await createUndo(files, options.backup, backing, options)
    const pins = { siblings, backup: undo === null ? null : { ...pinOf(undo), leads: true } }
    return {
      files,
      options,
      force: options.force ?? [],
      overlay,
      backing,
      kept: undo === null ? kept : [...kept, undo],
      knownMtimes: [...headers, ...shown],
      journalPath,
      markerPath,
      resumed: false,
      journal: newJournal(place, pins, options),
      mtimes,
      copied: new Map(),
      verified: null,
      warnings: [],
    }
  } catch (error) {
    await backing.store.close()
    throw error
  }
}

interface NewJournal extends Pick<InPlaceWork, 'overlay' | 'backing' | 'mtimes'> {
  readonly leadsToBacking: boolean
}

function newJournal(
  { overlay, backing, mtimes, leadsToBacking }: NewJournal,
  pins: Pick<MergeJournal, 'siblings' | 'backup'>,
  options: InPlaceOptions,
): MergeJournal {
  const { device, inode, size, mtime, kind } = backing.facts
  return {
    process: thisProcess(),
    started: new Date().toISOString(),
    phase: 'preparing',
    overlay: pinOf(overlay),
    backing: {
      path: backing.path,
      device,
      inode,
      size,
      mtime,
      mtimeNanoseconds: mtimeNanoseconds(backing.facts),
      kind: kind === 'blockDevice' ? kind : 'file',
    },
    mtimes: { shown: mtime, invalid: mtimes.invalid, final: mtimes.final },
    siblings: pins.siblings,
    backup: pins.backup,
    afterwards: options.afterwards ?? 'keep',
    noSync: options.noSync === true,
    verify: options.verify === true,
    allowShort: options.allowShort === true,
    leadsToBacking,
  }
}

function pinOf({ path, facts, header }: Pick<Overlay & { path: Buffer }, 'path' | 'facts' | 'header'>): PinnedOverlay {
  const { device, inode } = facts
  return { path, device, inode, headerDigest: headerDigest(header), mtime: header.mtime }
}

async function pinSibling(files: HostFiles, sibling: Sibling, backing: FileFacts): Promise<PinnedSibling> {
  return { ...pinOf(sibling), leads: await mayLeadTo(files, sibling.path, sibling.header.backingPath, backing) }
}

/**
 * Make the overlay that takes the merge back, still empty: read over the old backing file it shows the old content at
 * every instant, like a sibling, and like one it is copied up.
 */
async function createUndo(
  files: HostFiles,
  path: string,
  backing: InPlaceWork['backing'],
  options: InPlaceOptions,
): Promise<Sibling> {
  const place = await guardTarget(files, path, { signal: options.signal })
  const { size: virtualSize, mtime, permissions } = backing.facts
  const fields = { virtualSize, mtime, sectorSize: 512, alignment: 4096, backingPath: backing.path }
  const bytes = markUndo(fields)
  const { dataOffset } = computeLayout({ ...fields, layout: 'v3' })
  let made: FileFacts | null = null
  try {
    await writeNewFile(files, place, { permissions, noSync: options.noSync }, async (store) => {
      made = files.statOpen(store)
      await writeExact(store, 0, bytes)
      await store.truncate(dataOffset + virtualSize)
    })
    const realPath = joinPath(
      await files.realPath(directoryName(place.path)),
      place.path.subarray(place.path.lastIndexOf(0x2f) + 1),
    )
    const overlay = await openOverlay(files, realPath)
    await overlay.store.close()
    return { ...overlay, path: realPath, state: 'undo' }
  } catch (error) {
    if (made !== null) await removeMade(files, place.path, made)
    throw error
  }
}

/** On the way out of a failure: the undo overlay may have its name already. A second failure must not hide the first. */
async function removeMade(files: HostFiles, path: Buffer, made: FileFacts): Promise<void> {
  try {
    const now = await files.lstatOrNull(path)
    if (now !== null && isSameFile(now, made)) await files.unlink(path)
  } catch {
    // It is empty, and its name is all that it takes.
  }
}
