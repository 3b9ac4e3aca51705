export { readTar } from './reader.js'
export { checkTarEntry, writeTar } from './writer.js'
