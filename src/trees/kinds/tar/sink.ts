import { checkEntry } from '../../../formats/manifest/index.js'
import { writeTar } from '../../../formats/tar/index.js'
import type { StreamSink } from '../kind.js'

export const tarSink: StreamSink = {
  hasContent: true,
  isCopy: true,
  isText: false,
  check: checkEntry,
  write: writeTar,
}
