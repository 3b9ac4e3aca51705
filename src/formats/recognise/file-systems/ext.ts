import { uuidTextOrNull } from '../../../bytes/uuid-text.js'
import { UmlcowError } from '../../../errors.js'
import {
  extCompatible,
  extIncompatible,
  extSuperblockOffset,
  extSuperblockSize,
  hasBit,
  isExtSuperblock,
  parseExtSuperblock,
} from '../../ext/index.js'
import { type RawSuperblock, superblockStruct } from '../../ext/superblock-struct.js'
import { type FileSystemFacts, type FileSystemState, labelIn } from './facts.js'

// Source of the types: Linux fs/ext4/ext4.h, EXT2_FEATURE_..._SUPP and EXT3_FEATURE_..._SUPP: features of older drivers.
const ofExt2 = { incompatible: 0x12, readOnlyCompatible: 0x7 }
const ofExt3 = { incompatible: ofExt2.incompatible | extIncompatible.needsRecovery }

/** Recognise ext2, ext3, ext4 and an external journal of theirs. */
export function recogniseExt(start: Uint8Array): FileSystemFacts | null {
  const bytes = start.subarray(extSuperblockOffset, extSuperblockOffset + extSuperblockSize)
  if (!isExtSuperblock(bytes)) return null
  const raw = superblockStruct.parse(bytes, true)
  return {
    type: typeOf(raw),
    label: labelIn(raw.label),
    uuid: uuidTextOrNull(raw.uuid),
    state: stateOf(raw),
    problem: problemOf(bytes),
  }
}

function typeOf({ revision, compatible, incompatible, readOnlyCompatible }: RawSuperblock): FileSystemFacts['type'] {
  // Old programs left anything where newer ones keep features.
  if (revision === 0) return 'ext2'
  if (hasBit(incompatible, extIncompatible.journalDevice)) return 'jbd'
  const isOld = !hasBit(readOnlyCompatible, ~ofExt2.readOnlyCompatible)
  if (!isOld || hasBit(incompatible, ~ofExt3.incompatible)) return 'ext4'
  if (hasBit(compatible, extCompatible.hasJournal)) return 'ext3'
  return hasBit(incompatible, ~ofExt2.incompatible) ? 'ext4' : 'ext2'
}

function stateOf({ state, incompatible }: RawSuperblock): FileSystemState[] {
  const states: FileSystemState[] = []
  const needsRecovery = hasBit(incompatible, extIncompatible.needsRecovery)
  if (needsRecovery) states.push('needs-recovery')
  if (!needsRecovery && !hasBit(state, 1)) states.push('mounted')
  if (hasBit(state, 2)) states.push('errors')
  return states.length === 0 ? ['clean'] : states
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
