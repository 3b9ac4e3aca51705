import type { ItemContent } from '../../formats/manifest/entry.js'
import { type ChangeTimes, changeBetween } from '../../machine/file-facts.js'
import type { OpenFile } from '../host/open-directory.js'
import type { TimedFacts } from '../host/tree-facts.js'
import type { Pace } from '../pace.js'
import { changed, type FoundName, isSameInode } from '../walk/walk-open-directories.js'
import { located, type TreeReading } from './tree-source.js'

/** Larger files are read in pieces, so that signals get through meanwhile. */
const wholeSize = 64 * 1024

/** What the files of one tree share. */
export interface ContentInputs {
  readonly reading: TreeReading
  readonly pace: Pace
  /** The memory for pieces. The next piece overwrites it. */
  readonly room: Buffer
  /** Receives the number of bytes of each piece, after its consumer has it. */
  readonly onAdvance: ((bytes: number) => void) | undefined
}

/** The content of a file. It checks that this is the file that the walk found and that it does not change. */
export class FileContent implements ItemContent {
  private readonly inputs: ContentInputs
  private readonly found: FoundName

  constructor(inputs: ContentInputs, found: FoundName) {
    this.inputs = inputs
    this.found = found
  }

  /** Reads a small file. One look at the file after the read finds what two looks around it find. */
  whole(): Uint8Array | null {
    const { path, facts, place, name } = this.found
    const { reading, room, onAdvance } = this.inputs
    if (facts.size > wholeSize) return null
    try {
      const file = place.open(name)
      try {
        const length = readWhole(file, facts, room)
        refuseOther(facts, file.facts())
        if (length < facts.size) changed(`it has ${length} bytes, not ${facts.size}`)
      } finally {
        file.close()
      }
    } catch (error) {
      throw located(reading, path, error)
    }
    onAdvance?.(facts.size)
    return room.subarray(0, facts.size)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    const { path, facts, place, name } = this.found
    const { reading, pace, room, onAdvance } = this.inputs
    try {
      const file = place.open(name)
      try {
        refuseOther(facts, file.facts())
        for (let offset = 0; offset < facts.size; ) {
          if (pace.step()) await pace.rest()
          const got = file.read(offset, room.subarray(0, Math.min(room.length, facts.size - offset)))
          if (got === 0) changed(`it has ${offset} bytes, not ${facts.size}`)
          offset += got
          yield room.subarray(0, got)
          onAdvance?.(got)
        }
        refuseChange(facts, file.facts())
      } finally {
        file.close()
      }
    } catch (error) {
      throw located(reading, path, error)
    }
  }
}

/** @returns the number of bytes, which is less than the size if the file is cut */
function readWhole(file: OpenFile, facts: TimedFacts, room: Buffer): number {
  let done = 0
  try {
    for (let got = 1; got > 0 && done < facts.size; done += got) got = file.read(done, room.subarray(done, facts.size))
  } catch (error) {
    // A FIFO or a directory in the place of the file fails here.
    refuseOther(facts, file.facts())
    throw error
  }
  return done
}

/** Refuse a file that is not the one that the walk found: another file may have the inode of a removed one. */
function refuseOther(found: TimedFacts, now: TimedFacts): void {
  if (!isSameInode(now, found) || now.type !== 'file') changed('it is another file')
  refuseChange(found, now)
}

function refuseChange(before: ChangeTimes, after: ChangeTimes): void {
  const change = changeBetween(before, after)
  if (change !== null) changed(`it was ${change}`)
}
