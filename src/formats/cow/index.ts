export { type ByteOrder, type CowHeader, cowMagicOrder, parseCowHeader } from './header.js'
export { type CowLayout, computeLayout } from './layout.js'
export { cowMagic, type HeaderLayout, headerStructs, maxHeaderSize } from './layouts.js'
export {
  editHeader,
  isUndoHeader,
  markUndo,
  maxBackingPathLength,
  type NewCowHeader,
  serializeNewHeader,
} from './write-header.js'
