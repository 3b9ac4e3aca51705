import { promisify } from 'node:util'
import type { PackCluster } from '../images/qcow2/packed-sink.js'

/** QEMU unpacks with a window of 2^12 bytes, and refuses data that needs a larger one. */
const windowBits = 12

/** Compress a cluster for qcow2 in a thread of Node's pool: several at a time use several processors. */
export const packCluster: PackCluster = async (cluster) => {
  const { deflateRaw } = process.getBuiltinModule('node:zlib')
  return promisify<Uint8Array, { windowBits: number }, Buffer>(deflateRaw)(cluster, { windowBits })
}
