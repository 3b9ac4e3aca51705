import type { BlockStore } from '../stores/block-store.js'
import type { FileFacts } from './file-facts.js'

/** A store that takes bytes once, from start to end, such as standard output. */
export interface PipeTarget {
  readonly pipe: BlockStore
  /** The file behind it, or null for none. No input may be that file. */
  readonly facts: FileFacts | null
}

/** Where an output goes: a path for a new file, or a pipe. */
export type OutputTarget = string | PipeTarget

export function isPipeTarget(target: unknown): target is PipeTarget {
  return typeof target === 'object' && target !== null && 'pipe' in target
}
