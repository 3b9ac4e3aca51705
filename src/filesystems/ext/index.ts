export { diffExt } from './diff/diff-ext.js'
export type {
  ExtBlockClass,
  ExtChange,
  ExtChangeStatus,
  ExtDifferences,
  ExtDiffOptions,
  ExtField,
  ExtFileChange,
} from './diff/ext-differences.js'
export type { ExtExtent, ExtentOptions, ExtFileSystem, ExtJournal, ExtName, ExtOptions } from './ext-file-system.js'
export { damagedExt, type ExtFinding } from './findings.js'
export { joinExtExtents } from './join-extents.js'
export { openExt } from './open-ext.js'
export { type ExtOwnersOptions, extOwners } from './owners/ext-owners.js'
export type { ExtOwner, OwnedRange } from './owners/owner-window.js'
export { type ExtUsage, extUsage } from './usage.js'
export {
  type ExtDirectory,
  type ExtEntry,
  type ExtWalkOptions,
  joinExtPath,
  listExtEntries,
  walkExtDirectories,
} from './walk-directories.js'
