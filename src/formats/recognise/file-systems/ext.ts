import { uuidTextOrNull } from '../../../bytes/uuid-text.js'
import { UmlcowError } from '../../../errors.js'
import {
  extIncompatible,
  extKind,
  extStates,
  extSuperblockOffset,
  extSuperblockSize,
  hasBit,
  isExtSuperblock,
  parseExtSuperblock,
} from '../../ext/index.js'
import { type RawSuperblock, superblockStruct } from '../../ext/superblock-struct.js'
import { type FileSystemFacts, labelIn } from './facts.js'

/** Recognise ext2, ext3, ext4 and an external journal of theirs. */
export function recogniseExt(start: Uint8Array): FileSystemFacts | null {
  const bytes = start.subarray(extSuperblockOffset, extSuperblockOffset + extSuperblockSize)
  if (!isExtSuperblock(bytes)) return null
  const raw = superblockStruct.parse(bytes, true)
  return {
    type: typeOf(raw),
    label: labelIn(raw.label),
    uuid: uuidTextOrNull(raw.uuid),
    state: extStates(raw),
    problem: problemOf(bytes),
  }
}

function typeOf(raw: RawSuperblock): FileSystemFacts['type'] {
  const isJournal = raw.revision > 0 && hasBit(raw.incompatible, extIncompatible.journalDevice)
  return isJournal ? 'jbd' : extKind(raw)
}

function problemOf(bytes: Uint8Array): string | null {
  try {
    const { isChecksumRight } = parseExtSuperblock(bytes)
    return isChecksumRight ? null : 'wrong checksum of the superblock'
  } catch (error) {
    if (!(error instanceof UmlcowError)) throw error
    return error.message
  }
}
