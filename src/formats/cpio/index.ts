export { readCpio } from './reader.js'
export { writeCpio } from './writer.js'
