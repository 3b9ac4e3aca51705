import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { expect } from 'vitest'
import type { HostFiles } from '../../../../src/machine/host-files.js'
import { mergeInPlace } from '../../../../src/verbs/merge/in-place/merge-in-place.js'
import type { InPlaceOptions } from '../../../../src/verbs/merge/in-place/options.js'
import { mergeStatus } from '../../../../src/verbs/merge/in-place/unfinished/abandon.js'
import { resumeMerge } from '../../../../src/verbs/merge/in-place/unfinished/resume.js'
import { type FailingHost, failingHost } from '../../../support/failing-host.js'
import {
  backingMtimeIn,
  layOut,
  makeTemplate,
  type SceneTemplate,
  sceneMtime,
  wrongEnd,
  wrongReads,
} from '../../../support/in-place-scene.js'

export interface Case {
  readonly name: string
  readonly template: SceneTemplate
  readonly options: InPlaceOptions
}

const virtualSize = 24 * 1024 + 300
const staleMtime = 1_600_000_000
const alone = makeTemplate(11, { virtualSize, siblingCount: 0, staleMtime })
const withSiblings = makeTemplate(22, { virtualSize, siblingCount: 2, staleMtime })
const withFuture = makeTemplate(33, { virtualSize, siblingCount: 1, staleMtime: 4_000_000_000 })

/** Merges in place with other options each. */
export const cases: Case[] = [
  { name: 'plain', template: alone, options: {} },
  { name: '--keep-siblings --backup', template: withSiblings, options: { keepSiblings: true, backup: 'undo' } },
  { name: '--keep-siblings, a header from the future', template: withFuture, options: { keepSiblings: true } },
  { name: '--reset --verify', template: alone, options: { afterwards: 'reset', verify: true } },
  { name: '--delete', template: alone, options: { afterwards: 'delete' } },
  { name: '--leave', template: alone, options: { afterwards: 'leave' } },
]

/** Seconds that the clock is ahead of the files' at a run; each later one is further. */
const firstAhead = 100
const laterAhead = 10

/** One merge in a directory that is laid out anew. */
export class Run {
  readonly directory: string
  readonly #scene: Case
  #ahead = firstAhead

  constructor(scene: Case, top: string) {
    this.#scene = scene
    this.directory = path.join(top, 'run')
    rmSync(this.directory, { recursive: true, force: true })
    mkdirSync(this.directory)
    layOut(scene.template, this.directory)
  }

  get cow(): string {
    return path.join(this.directory, 'cow')
  }

  /** A host whose clock has gone on since the last one. */
  host(failAt = Number.POSITIVE_INFINITY, options: Parameters<typeof failingHost>[1] = {}): FailingHost {
    this.#ahead += laterAhead
    return failingHost(failAt, { ...options, ahead: this.#ahead })
  }

  merge(files: HostFiles, more: InPlaceOptions = {}): Promise<unknown> {
    const { options } = this.#scene
    const backup = options.backup === undefined ? undefined : path.join(this.directory, options.backup)
    return mergeInPlace(this.cow, { ...options, backup, files, ...more })
  }

  /** By the backing file as long as its marker is there, else by the overlay. */
  resume(files: HostFiles): Promise<unknown> {
    const isMarked = existsSync(path.join(this.directory, 'root_fs.umlcow-merging'))
    return resumeMerge(isMarked ? path.join(this.directory, 'root_fs') : this.cow, { files })
  }

  async isUnfinished(): Promise<boolean> {
    const { files } = this.host()
    const byBacking = await mergeStatus(path.join(this.directory, 'root_fs'), { files })
    if (byBacking.merge !== null) return true
    // By the name of an overlay that is gone, as long as its journal is there.
    if (!existsSync(this.cow) && !existsSync(`${this.cow}.umlcow-journal`)) return false
    return (await mergeStatus(this.cow, { files })).merge !== null
  }

  isMerged(): boolean {
    return Buffer.compare(readFileSync(path.join(this.directory, 'root_fs')), this.#scene.template.merged) === 0
  }

  expectRightReads(label: string): void {
    expect(wrongReads(this.#scene.template, this.directory), label).toEqual([])
  }

  /** Come to the end from wherever the merge stopped, as a user would: with the command that he is told. */
  async finish(label: string): Promise<void> {
    if (await this.isUnfinished()) {
      await this.resume(this.host().files)
    } else if (!this.isMerged()) {
      await this.merge(this.host().files)
    }
    const { afterwards = 'keep', keepSiblings = false, backup } = this.#scene.options
    const expected = { afterwards, keepSiblings, backup: backup !== undefined }
    expect(wrongEnd(this.#scene.template, this.directory, expected), label).toEqual([])
  }
}

/** What a merge leaves that can remove nothing any more, as one that is killed does. */
export function removeLeftovers(directory: string): void {
  const names = readdirSync(directory)
  for (const name of names.filter((one) => one.endsWith('.tmp'))) rmSync(path.join(directory, name))
  const isBegun = names.some((name) => name.endsWith('.umlcow-journal') || name.endsWith('.umlcow-merging'))
  // An undo overlay that nothing was written for yet.
  if (!isBegun && backingMtimeIn(directory) === sceneMtime) rmSync(path.join(directory, 'undo'), { force: true })
}
