import { createHash } from 'node:crypto'
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import { expect } from 'vitest'
import { openCow } from '../../src/overlays/open-image.js'
import { mergeStatus } from '../../src/verbs/merge/in-place/unfinished/abandon.js'
import { type Outcome, umlcow } from './command.js'
import { type Ext4Scene, fsckComplaint, misread, sceneMtime } from './ext4-scene.js'
import { type KillPoint, killedIn, killUmlcow, lastingNames, lockedNames } from './killed-runs.js'

export interface Variant {
  readonly name: string
  readonly args: readonly string[]
  readonly siblingCount: number
}

/** One merge that is killed, with what has to be there in the end. */
export class KilledMerge {
  readonly directory: string
  readonly variant: Variant
  readonly #scene: Ext4Scene
  readonly #before: ReadonlyMap<string, string>

  constructor(directory: string, variant: Variant, scene: Ext4Scene) {
    this.directory = directory
    this.variant = variant
    this.#scene = scene
    this.#before = new Map(lastingNames(directory).map((name) => [name, this.#stateOf(name)]))
  }

  at(name: string): string {
    return path.join(this.directory, name)
  }

  run(args: readonly string[]): Outcome {
    return umlcow(args, { cwd: this.directory })
  }

  kill(point: KillPoint, args: readonly string[]): Promise<void> {
    return killUmlcow(point, args, this.directory)
  }

  get mergeArgs(): string[] {
    return ['merge', '-d', ...this.variant.args, 'cow']
  }

  get resumeArgs(): string[] {
    const marked = existsSync(this.at('root_fs.umlcow-merging'))
    return ['merge', '--resume', marked ? 'root_fs' : 'cow']
  }

  /** What the command says: `process-state` of the unfinished merge, null when there is none. */
  unfinished(): string | null {
    const outcome = this.run(['merge', '--status', '--json', this.#name])
    expect(outcome.status, outcome.stderr).toBe(0)
    return JSON.parse(outcome.stdout)['unfinished-merge']?.['process-state'] ?? null
  }

  /** What to ask about: an overlay that is gone is known by its name as long as its journal is there. */
  get #name(): string {
    return existsSync(this.at('cow')) || this.isUnfinished ? 'cow' : 'root_fs'
  }

  get isUnfinished(): boolean {
    return existsSync(this.at('cow.umlcow-journal'))
  }

  /** Nothing was done: the same may be begun again. */
  get isUntouched(): boolean {
    const names = lastingNames(this.directory)
    const isSame =
      this.backingMtime() === sceneMtime && names.every((name) => this.#before.get(name) === this.#stateOf(name))
    return isSame && names.length === this.#before.size
  }

  #stateOf(name: string): string {
    const { ino, size, mtimeNs } = statSync(this.at(name), { bigint: true })
    return `${ino} ${size} ${mtimeNs}`
  }

  expectRightReads(label: string): void {
    expect(misread(this.#scene, this.directory, lastingNames(this.directory)), label).toEqual([])
  }

  /** As whoever is told what `--status` tells. */
  async finish(label: string): Promise<void> {
    const { merge } = await mergeStatus(this.at(this.#name))
    const state = killedIn(this.directory, sceneMtime)
    expect(merge !== null, label).toBe(state === 'preparing' || state === 'writing')
    if (merge !== null) {
      expect(merge.liveness, label).toBe('ended')
      expect(this.run(this.resumeArgs), label).toMatchObject({ status: 0, stderr: '' })
    } else if (state === 'nothing') {
      // Made before the journal, and empty.
      rmSync(this.at('undo'), { force: true })
      expect(this.run(this.mergeArgs), label).toMatchObject({ status: 0, stderr: '' })
    }
  }

  async expectEnd(label: string, deep: boolean): Promise<void> {
    const names = new Set(['root_fs', ...this.#scene.views.keys()])
    names.delete(this.variant.name === 'delete' ? 'cow' : '')
    if (this.variant.name !== 'backup') names.delete('undo')
    expect(lastingNames(this.directory), label).toEqual([...names].sort())
    expect(lockedNames(this.directory), label).toEqual([])
    const backing = readFileSync(this.at('root_fs'))
    const merged = this.#scene.views.get('cow')!
    expect(backing.equals(merged), `${label}: sha256 ${sha256(backing)} for ${sha256(merged)}`).toBe(true)
    this.expectRightReads(label)
    for (const name of names) if (name !== 'root_fs') expect(this.headerMtime(name), label).toBe(this.backingMtime())
    if (this.variant.name === 'reset') expect(statSync(this.at('cow')).blocks, label).toBeLessThan(64)
    if (!deep) return
    for (const name of names) if (name !== 'root_fs') await this.expectOpens(name)
    expect(fsckComplaint(this.at('root_fs')), label).toBe('')
    expect(this.unfinished(), label).toBeNull()
  }

  headerMtime(name: string): number {
    return readFileSync(this.at(name)).readUInt32BE(8)
  }

  backingMtime(): number {
    return Math.floor(statSync(this.at('root_fs')).mtimeMs / 1000)
  }

  /** The library opens it, and so takes its mtime for right, and reads the same. */
  async expectOpens(name: string): Promise<void> {
    const image = await openCow(this.at(name))
    try {
      const seen = Buffer.alloc(image.virtualSize)
      await image.read(0, seen)
      expect(seen.equals(this.#scene.views.get(name)!)).toBe(true)
    } finally {
      await image.close()
    }
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
