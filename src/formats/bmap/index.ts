export { type Bmap, digestLength, largestBmap, mostRanges, writtenBlockSize } from './layout.js'
export { type ParsedBmap, parseBmap } from './parse.js'
export { type BmapHead, bmapTail, serializeBmapHead, serializeBmapRange } from './serialize.js'
