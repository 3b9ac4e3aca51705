export { type GptEntry, type GptHeader, type GptProblem, parseGptEntries, parseGptHeader } from './gpt.js'
export {
  type BootRecord,
  bootRecordSize,
  isExtendedType,
  type MbrEntry,
  parseBootRecord,
  protectiveType,
} from './mbr.js'
export { gptTypeName, mbrTypeName } from './type-names.js'
