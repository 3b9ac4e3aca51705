import type { Afterwards } from '../../../../src/overlays/unfinished/merge-journal.js'
import type { InPlaceOptions } from '../../../../src/verbs/merge/in-place/options.js'
import type { ProtocolStep } from '../../../../src/verbs/merge/in-place/step-order.js'
import type { ModelDisk } from '../../../support/model-disk.js'
import type { Mishap } from './mishaps.js'
import type { OverlayName, Scene, SceneOptions } from './scene.js'

export interface MergeCase extends SceneOptions {
  readonly name: string
  readonly afterwards?: Afterwards
  readonly backup?: boolean
  readonly verify?: boolean
  /** Every so many effects a guest makes a new overlay; default never. */
  readonly arrivalsEvery?: number
  /** In the directory of the overlay, which the merge searches. */
  readonly arrivalsSeen?: boolean
}

/** How thoroughly. */
export interface Effort {
  /** States of each prefix that ends before a sync: all up to so many, or so many random ones. */
  readonly limit: number
  readonly samples: number
  /** Random states of every other prefix. */
  readonly between: number
  /** A state out of so many is crashed again while it is resumed, and while it is abandoned. */
  readonly again: number
  readonly seed?: number
  /** Of the prefixes one out of so many, which ones depends on the seed, and the whole log; default all. */
  readonly oneIn?: number
  readonly anyNames?: boolean
  /** Stop once so many violations were found. */
  readonly enough?: number
}

/** What is to be done wrong, to see that it is found. */
export interface Wrong {
  readonly steps?: readonly ProtocolStep[]
  readonly mishap?: Mishap
  /** Before the merge begins. */
  readonly prepare?: (scene: Scene) => void
}

export interface Report {
  states: number
  /** Of them, those that were unlike all before. */
  distinct: number
  readonly violations: string[]
}

/** An overlay that a guest made while the merge ran. */
export interface Arrival {
  readonly path: string
  /** What it read then. */
  readonly content: Buffer
}

/** What holds of a disk that a merge worked on, besides what is on it. */
export interface Story {
  readonly scene: Scene
  readonly which: MergeCase
  readonly steps: readonly ProtocolStep[]
  /** The disk that crashes, and the length of its log when the merge began. */
  readonly disk: ModelDisk
  readonly from: number
  readonly content: ReadonlyMap<OverlayName, Buffer>
  /** O over the backing file. */
  readonly merged: Buffer
  /** Null before the merge got so far. */
  readonly final: number | null
  readonly arrivals: readonly Arrival[]
  /** Guests' last writes were on their way to the disk when it began. */
  readonly torn: boolean
  /** Guests wrote to what the kernel let them open, after the power failure. */
  readonly guestsWrote?: boolean
  /** The merge was given up: nobody is to be told any more. */
  readonly abandoned?: boolean
}

/** The state of a disk, looked at as a guest, the kernel and a user see it. */
export interface Seen {
  readonly disk: ModelDisk
  readonly base: Buffer
  readonly baseIs: 'old' | 'new' | 'mixed'
  /** Effects before the power failed. */
  readonly prefix: number
  readonly hasJournal: boolean
  readonly hasMarker: boolean
  readonly content: Map<OverlayName, Buffer>
  /** What a merge from here makes of the backing file. */
  readonly goal: Buffer
  readonly problems: string[]
}

export function optionsOf(scene: Scene, which: MergeCase): InPlaceOptions {
  return {
    afterwards: which.afterwards,
    keepSiblings: scene.siblingNames.length > 0,
    siblingsIn: scene.siblingsIn,
    backingRoot: scene.backingRoot,
    backup: which.backup ? scene.undo : undefined,
    verify: which.verify,
  }
}
