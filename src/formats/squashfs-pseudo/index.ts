export type { SquashfsDefinition } from './layout.js'
export { readSquashfsPseudo } from './reader.js'
export { type SquashfsPseudoOptions, writeSquashfsPseudo } from './writer.js'
