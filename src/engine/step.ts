import type { BlockStore } from '../stores/block-store.js'

/**
 * One transfer that a plan asks for. A planner yields the same object again and again with other operands, so that a
 * merge of millions of runs makes no garbage; an executor is done with it before it asks for the next.
 */
export interface Step {
  kind: 'read' | 'write'
  store: BlockStore
  offset: number
  /** To fill (zeros where the store has ended) or to write, all of it. */
  bytes: Uint8Array
  /** Guest bytes behind the plan so far, for progress. */
  position: number
}

/** A plan: pure, it does no I/O and sees bytes only as an executor fills them in. */
export type Steps = Generator<Step, void, void>
