export { type ByteOrder, type CowHeader, cowMagicOrder, parseCowHeader } from './header.js'
export { cowMagic, type HeaderLayout, headerStructs, maxHeaderSize } from './header-structs.js'
export { type CowLayout, computeLayout } from './layout.js'
export {
  editHeader,
  isUndoHeader,
  markUndo,
  maxBackingPathLength,
  type NewCowHeader,
  serializeNewHeader,
} from './write-header.js'
