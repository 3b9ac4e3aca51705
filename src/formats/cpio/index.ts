export { readCpio } from './reader.js'
export { checkCpioEntry, writeCpio } from './writer.js'
