export type { ExtReading } from './content.js'
export { type ExtItem, type ExtItemsOptions, type ExtOmission, extItems } from './ext-items.js'
export { findExtFiles } from './find-tops.js'
export type { ExtFile } from './walk-files.js'
