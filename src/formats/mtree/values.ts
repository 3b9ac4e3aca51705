import type { DeviceNumber, EntryType } from '../manifest/entry.js'
import type { MtreeDigests } from './digests.js'

/** The values of a line. All of them have all fields: objects of one shape are fast to copy. */
export interface MtreeValues {
  type: EntryType | undefined
  mode: number | undefined
  uid: number | undefined
  gid: number | undefined
  uname: string | undefined
  gname: string | undefined
  size: number | undefined
  mtimeNs: bigint | undefined
  device: DeviceNumber | undefined
  linkTarget: Uint8Array | undefined
  nlink: number | undefined
  inode: string | undefined
  resdevice: string | undefined
  /** The path of the content in the tree, as the text has it. */
  contents: Uint8Array | undefined
  digests: MtreeDigests | undefined
  /** File flags of BSD; empty for none. */
  flags: string | undefined
  /** The tree may lack the name. */
  isOptional: true | undefined
  /** The attributes come from the tree. */
  isNochange: true | undefined
}

export const noValues: Readonly<MtreeValues> = {
  type: undefined,
  mode: undefined,
  uid: undefined,
  gid: undefined,
  uname: undefined,
  gname: undefined,
  size: undefined,
  mtimeNs: undefined,
  device: undefined,
  linkTarget: undefined,
  nlink: undefined,
  inode: undefined,
  resdevice: undefined,
  contents: undefined,
  digests: undefined,
  flags: undefined,
  isOptional: undefined,
  isNochange: undefined,
}
