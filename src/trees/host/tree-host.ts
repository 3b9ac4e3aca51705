import { localTreeReader, type TreeReader } from './tree-reader.js'
import { localTreeWriter, type TreeWriter } from './tree-writer.js'

/** The two interfaces to the host's trees: one reads them, the other changes them. */
export interface TreeHost {
  readonly reader: TreeReader
  readonly writer: TreeWriter
}

interface HostOptions {
  readonly reader?: TreeReader | undefined
  readonly writer?: TreeWriter | undefined
}

/** Take reader and writer from the options; the default is this machine. */
export function treeHostOf({ reader, writer }: HostOptions): TreeHost {
  return { reader: reader ?? localTreeReader, writer: writer ?? localTreeWriter }
}
