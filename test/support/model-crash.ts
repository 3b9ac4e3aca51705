import type { Clock } from '../../src/machine/clock.js'
import { createDice, type Dice } from './generate.js'
import { type ChoiceKind, type SlotGroup, slotGroups } from './model-choices.js'
import { createModelClock } from './model-clock.js'
import { copyContent, cutPages } from './model-content.js'
import { diskOf, type ModelDisk } from './model-disk.js'
import type { Effect } from './model-effects.js'
import { createReplay, type Replay } from './model-replay.js'

// The power fails after a prefix of a log: which of the effects that no sync covers have reached the disk?
//
//   inode     any one of the states that the inode had since its last sync, or the synced one
//   names     as many as one likes of a directory's unsynced effects, in their order; with `anyNames` any subset
//   data      any subset of the unsynced writes' sectors; of a sector written twice the later chosen one stands,
//             whole as the page cache had it then, so that two writes into one sector do not come apart

export interface CrashOptions {
  /** Lengths of log, ascending. Default all of them. */
  readonly prefixes?: Iterable<number> | undefined
  /** Up to how many states of one prefix all of them are made. Default 256. */
  readonly limit?: number | undefined
  /** How many random ones otherwise, besides the five extremes. Default 64. */
  readonly samples?: number | undefined
  /** Default 1. */
  readonly seed?: number | undefined
  /** Names of a directory may reach the disk in any order. */
  readonly anyNames?: boolean | undefined
  /** Bytes beyond the end that a file has after the crash come back when it grows; else they are zeros then. */
  readonly staleTails?: boolean | undefined
  /** Of the disk after the crash; default a model clock that stands at the last effect's time. */
  readonly clock?: ((at: number) => Clock) | undefined
}

export interface CrashState {
  readonly prefix: number
  /** Among the states of this prefix: with the same options it has the same number again. */
  readonly index: number
  describe(): string
  /** The disk after the crash; another one each time. */
  boot(): ModelDisk
}

/** The states in which a power failure may leave a disk. */
export function* crashStates(disk: ModelDisk, options: CrashOptions = {}): Generator<CrashState> {
  let replay = createReplay(disk.initial, disk.log)
  for (const prefix of options.prefixes ?? disk.log.map((_, i) => i).concat(disk.log.length)) {
    if (prefix > disk.log.length) throw new RangeError(`a log of ${disk.log.length} effects has no prefix of ${prefix}`)
    if (prefix < replay.position) replay = createReplay(disk.initial, disk.log)
    replay.advance(prefix)
    yield* statesOf(disk, replay, options)
  }
}

/**
 * The prefixes that end before a sync, and the whole log. No other leaves a state that these do not leave too, where
 * all states of a prefix are made.
 */
export function prefixesBeforeSyncs(log: readonly Effect[], from = 0): number[] {
  const durable = new Set<Effect['kind']>(['syncFile', 'syncDirectory', 'put'])
  const before = log.flatMap(({ kind }, index) => (index >= from && durable.has(kind) ? [index] : []))
  return [...before, log.length]
}

function* statesOf(disk: ModelDisk, replay: Replay, options: CrashOptions): Generator<CrashState> {
  const seed = options.seed ?? 1
  const prefix = replay.position
  const at = disk.log[Math.max(0, prefix - 1)]?.at ?? disk.files.clock.now()
  const clock = () => options.clock?.(at) ?? createModelClock({ start: at })
  const durable = copyContent(replay.durable)
  const unsynced = new Set([...replay.inodes.keys(), ...replay.data.keys()])
  const { groups, choices } = choicesOf(disk, replay, options, seed)
  let index = 0
  for (const choice of choices) {
    const number = index++
    yield {
      prefix,
      index: number,
      describe: () =>
        `after ${prefix} of ${disk.log.length} effects, state ${number} of seed ${seed}: ${described(groups, choice)}`,
      boot() {
        const content = copyContent(durable)
        for (const [i, { slots }] of groups.entries()) {
          for (const [j, slot] of slots.entries()) slot.apply(content, choice[i]![j]!)
        }
        for (const inode of options.staleTails ? [] : unsynced) {
          const { data, state } = content.files.get(inode)!
          cutPages(data, state.size)
        }
        return diskOf(content, clock())
      },
    }
  }
}

/** An option for each slot of each group. */
type Choice = readonly (readonly number[])[]

interface Choices {
  readonly groups: readonly SlotGroup[]
  readonly choices: Iterable<Choice>
}

function choicesOf(disk: ModelDisk, replay: Replay, options: CrashOptions, seed: number): Choices {
  const { limit = 256, samples = 64, anyNames = false } = options
  const pathOf = (inode: number) => disk.pathOf(inode) ?? `number ${inode}`
  const groupsBy = (bySector: boolean) => slotGroups(replay, { bySector, anyNames, pathOf })
  const bySector = groupsBy(true)
  for (const groups of [bySector, groupsBy(false)]) {
    if (countOf(groups) <= limit) return { groups, choices: allChoices(groups) }
  }
  const dice = createDice(seed * 1_000_003 + replay.position)
  return { groups: bySector, choices: sampledChoices(bySector, samples, dice) }
}

function countOf(groups: readonly SlotGroup[]): number {
  return groups.flatMap(({ slots }) => slots).reduce((count, { most }) => count * (most + 1), 1)
}

/** The order is that of an odometer: the first, nothing, the last, everything. */
function* allChoices(groups: readonly SlotGroup[]): Generator<Choice> {
  const limits = groups.flatMap(({ slots }) => slots.map(({ most }) => most))
  const digits = limits.map(() => 0)
  for (;;) {
    yield grouped(groups, digits)
    const next = digits.findIndex((digit, i) => digit < limits[i]!)
    if (next < 0) return
    digits.fill(0, 0, next)
    digits[next]!++
  }
}

function grouped(groups: readonly SlotGroup[], digits: readonly number[]): Choice {
  let at = 0
  return groups.map(({ slots }) => {
    const start = at
    at += slots.length
    return digits.slice(start, at)
  })
}

const kinds: readonly ChoiceKind[] = ['inode', 'names', 'data']

function* sampledChoices(groups: readonly SlotGroup[], samples: number, dice: Dice): Generator<Choice> {
  const present = kinds.filter((kind) => groups.some((group) => group.kind === kind))
  yield groups.map(nothing)
  yield groups.map(everything)
  // With a kind alone, it alone is everything.
  for (const only of present.length > 1 ? present : []) {
    yield groups.map((group) => (group.kind === only ? everything(group) : nothing(group)))
  }
  for (let i = 0; i < samples; i++) yield sample(groups, dice)
}

function nothing({ slots }: SlotGroup): number[] {
  return slots.map(() => 0)
}

function everything({ slots }: SlotGroup): number[] {
  return slots.map(({ most }) => most)
}

/** A quarter each: one thing is missing, one thing alone is there; else each kind is there by its own likelihood. */
function sample(groups: readonly SlotGroup[], dice: Dice): Choice {
  const chosen = dice.below(groups.length)
  const way = dice.below(4)
  if (way === 0) return groups.map((group, i) => (i === chosen ? torn(group, dice) : everything(group)))
  if (way === 1) return groups.map((group, i) => (i === chosen ? everything(group) : nothing(group)))
  const likely = { inode: dice.below(5), names: dice.below(5), data: dice.below(5) }
  return groups.map((group) => {
    if (dice.once(6)) return torn(group, dice)
    return dice.below(4) < likely[group.kind] ? everything(group) : nothing(group)
  })
}

/** Part of a group: some sectors, the first few sectors, one of the states of an inode, nothing. */
function torn(group: SlotGroup, dice: Dice): number[] {
  const way = dice.below(3)
  const cut = dice.below(group.slots.length + 1)
  return group.slots.map(({ most }, i) => {
    if (way === 0) return 0
    if (way === 1 && group.slots.length > 1) return i < cut ? most : 0
    return dice.below(most + 1)
  })
}

function described(groups: readonly SlotGroup[], choice: Choice): string {
  const parts = groups.flatMap((group, i) => {
    const options = choice[i]!
    return options.some((option) => option > 0) ? [group.describe(options)] : []
  })
  if (parts.length === 0) return 'nothing unsynced'
  if (groups.every(({ slots }, i) => slots.every(({ most }, j) => choice[i]![j] === most))) return 'everything'
  const shown = parts.slice(0, 12).join(', ')
  return parts.length > 12 ? `${shown} and ${parts.length - 12} more` : shown
}
