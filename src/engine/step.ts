import type { BlockStore } from '../stores/block-store.js'

/**
 * One transfer that a plan asks for. A planner yields the same object again and again with other operands, so that a
 * merge of millions of runs makes no garbage; an executor is done with it before it asks for the next.
 */
export interface Transfer {
  kind: 'read' | 'write'
  store: BlockStore
  offset: number
  /** To fill (zeros where the store has ended) or to write, all of it. */
  bytes: Uint8Array
  /** Guest bytes behind the plan so far, for progress. */
  position: number
}

/**
 * Many runs to copy from one store into another, each for itself, in order. Blocks that are zeros in both stay as they
 * are, so that holes stay holes.
 */
export interface CopyRuns {
  readonly kind: 'copy'
  readonly from: BlockStore
  /** Offset in `from` of guest byte 0; in `to` it is 0. */
  readonly fromOffset: number
  readonly to: BlockStore
  /** Guest bytes, half-open; a run and the start of its block of 4 KiB fit into each buffer. */
  readonly starts: Float64Array
  readonly ends: Float64Array
  count: number
  /** Working memory of one length. */
  readonly buffer: Uint8Array
  readonly present: Uint8Array
  position: number
}

export type Step = Transfer | CopyRuns

/**
 * A plan: a generator that says what to read and to write, and never does it. It keeps its state between steps. It sees
 * bytes only once an executor has filled them in, and what it asks for next may depend on them.
 */
export type Steps = Generator<Step, void, void>

/** A plan of nothing but transfers. */
export type Transfers = Generator<Transfer, void, void>

const noBytes = new Uint8Array(0)

/** A transfer for a plan to set and yield, again and again. */
export function createTransfer(store: BlockStore): Transfer {
  return { kind: 'read', store, offset: 0, bytes: noBytes, position: 0 }
}

/** Give a transfer its next operands, all but its position. */
export function setTransfer(
  step: Transfer,
  kind: Transfer['kind'],
  store: BlockStore,
  offset: number,
  bytes: Uint8Array,
): Transfer {
  step.kind = kind
  step.store = store
  step.offset = offset
  step.bytes = bytes
  return step
}
