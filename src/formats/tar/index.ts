export { readTar } from './reader.js'
export { writeTar } from './writer.js'
