export { serializeExclusion } from './exclude-file.js'
export type { SquashfsDefinition } from './layout.js'
export { readSquashfsPseudo } from './reader.js'
export { checkSquashfsEntry, type SquashfsPseudoOptions, writeSquashfsPseudo } from './writer.js'
