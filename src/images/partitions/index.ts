export { partitionImage } from './partition-image.js'
export type { Partition, PartitionTable } from './partition-table.js'
export { readPartitionTable } from './read-table.js'
