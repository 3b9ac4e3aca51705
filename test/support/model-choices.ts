import type { DiskContent } from './model-content.js'
import {
  applyData,
  applyNames,
  type DataEffect,
  diskSectorSize,
  type InodeEffect,
  type NamesEffect,
} from './model-effects.js'
import type { Numbered, Replay } from './model-replay.js'

export type ChoiceKind = 'inode' | 'names' | 'data'

/** One thing that a power failure decides: how far it got, from 0, nothing, to `most`, everything. */
export interface Slot {
  readonly most: number
  apply(content: DiskContent, option: number): void
}

/** Slots that belong together: the record of an inode, the names of a directory, the sectors of a write. */
export interface SlotGroup {
  readonly kind: ChoiceKind
  readonly slots: readonly Slot[]
  /** For people. */
  describe(options: readonly number[]): string
}

export interface GroupOptions {
  /** A slot for each sector of a write, not for each write. */
  readonly bySector: boolean
  /** Any subset of a directory's effects, not a prefix. */
  readonly anyNames: boolean
  pathOf(inode: number): string
}

/** All that a power failure at the position of the replay decides. It stays right when the replay goes on, whose lists only grow. */
export function slotGroups(replay: Replay, options: GroupOptions): SlotGroup[] {
  const { bySector, anyNames, pathOf } = options
  const inodes = [...replay.inodes].map(([inode, states]) => inodeGroup(() => pathOf(inode), states))
  const names = [...replay.names].flatMap(([directory, effects]) => {
    const { path } = replay.durable.directories.get(directory)!
    return anyNames ? effects.map((effect) => directoryGroup(path, [effect])) : [directoryGroup(path, effects)]
  })
  const data = [...replay.data.values()].flat().map((one) => (bySector ? sectorsGroup(one) : writeGroup(one)))
  return [...inodes, ...names, ...data]
}

function inodeGroup(path: () => string, states: readonly Numbered<InodeEffect>[]): SlotGroup {
  const apply = (content: DiskContent, option: number) => {
    const state = states[option - 1]?.effect
    if (state !== undefined) content.files.get(state.inode)!.state = state.state
  }
  return {
    kind: 'inode',
    slots: [{ most: states.length, apply }],
    describe: ([option]) => `inode of ${path()} as of #${states[option! - 1]!.index}`,
  }
}

function directoryGroup(path: string, effects: readonly Numbered<NamesEffect>[]): SlotGroup {
  const apply = (content: DiskContent, option: number) => {
    for (const { effect } of effects.slice(0, option)) applyNames(content, effect)
  }
  return {
    kind: 'names',
    slots: [{ most: effects.length, apply }],
    describe: ([option]) => `names in ${path}${listOf(effects.slice(0, option))}`,
  }
}

function listOf(effects: readonly Numbered<unknown>[]): string {
  return effects.map(({ index }) => ` #${index}`).join('')
}

function writeGroup({ index, effect }: Numbered<DataEffect>): SlotGroup {
  const apply = (content: DiskContent, option: number) => {
    if (option === 1) applyData(content, effect)
  }
  return { kind: 'data', slots: [{ most: 1, apply }], describe: () => `data #${index}` }
}

function sectorsGroup({ index, effect }: Numbered<DataEffect>): SlotGroup {
  const count = effect.sectors.length / diskSectorSize
  const slots = Array.from({ length: count }, (_, sector) => ({
    most: 1,
    apply(content: DiskContent, option: number) {
      if (option === 1) applyData(content, effect, sector)
    },
  }))
  const describe = (options: readonly number[]) => {
    const chosen = options.filter((option) => option === 1).length
    return chosen === count ? `data #${index}` : `data #${index} (${chosen} of ${count} sectors)`
  }
  return { kind: 'data', slots, describe }
}
