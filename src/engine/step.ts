import type { BlockStore } from '../stores/block-store.js'

/**
 * One transfer that a plan requests.
 *
 * A plan yields the same object many times, with new operands, so that a merge of millions of runs makes no garbage. An
 * executor must finish a transfer before it asks for the next one.
 */
export interface Transfer {
  kind: 'read' | 'write'
  store: BlockStore
  offset: number
  /** The bytes to fill or to write, all of them. A read beyond the end of the store fills in zeros. */
  bytes: Uint8Array
  /** Guest bytes that the plan has passed so far, for progress. */
  position: number
}

/**
 * Many runs to copy from one store into another, one by one, in order.
 *
 * An executor does not write blocks that are zeros in both stores, so that holes stay holes.
 */
export interface CopyRuns {
  readonly kind: 'copy'
  readonly from: BlockStore
  /** Where guest byte 0 is in `from`. In `to` it is at offset 0. */
  readonly fromOffset: number
  readonly to: BlockStore
  /** Guest bytes, half-open. Each buffer has room for a run and the start of its block of 4 KiB. */
  readonly starts: Float64Array
  readonly ends: Float64Array
  count: number
  /** Working memory. Both buffers have the same length. */
  readonly buffer: Uint8Array
  readonly present: Uint8Array
  position: number
}

/** Work of a plan that is no transfer: a sink takes bytes, or an image lists its extents. */
export interface Call {
  readonly kind: 'call'
  /** Do the work. @returns undefined when it is complete already */
  run(): Promise<void> | undefined
  position: number
}

export type Step = Transfer | CopyRuns | Call

/**
 * A plan: a generator that says what to read and to write, and never does it.
 *
 * It keeps its state between steps. It sees bytes only after an executor has filled them in, and its next request may
 * depend on them.
 */
export type Steps = Generator<Step, void, void>

/** A plan that consists of transfers only. */
export type Transfers = Generator<Transfer, void, void>

const noBytes = new Uint8Array(0)

/** Make a transfer that a plan sets and yields many times. */
export function createTransfer(store: BlockStore): Transfer {
  return { kind: 'read', store, offset: 0, bytes: noBytes, position: 0 }
}

/** Set the next operands of a transfer, all but its position. */
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
