export type { ExtExtent, ExtentOptions, ExtFileSystem, ExtJournal, ExtName, ExtOptions } from './ext-file-system.js'
export { damagedExt, type ExtFinding } from './findings.js'
export { openExt } from './open-ext.js'
export {
  type ExtDirectory,
  type ExtEntry,
  joinExtPath,
  listExtEntries,
  walkExtDirectories,
} from './walk-directories.js'
