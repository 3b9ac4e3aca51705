export { type DecodeLz4Options, decodeLz4 } from './decode.js'
export { type CompressBlock, type EncodeLz4Options, encodeLz4 } from './encode.js'
export { blockSizes, type Lz4BlockSize } from './layout.js'
export { measureLz4 } from './measure.js'
