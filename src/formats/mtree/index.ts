export { readMtree } from './reader.js'
export { type MtreeOptions, writeMtree } from './writer.js'
